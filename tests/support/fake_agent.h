/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_FAKE_AGENT_H
#define E2B_TESTS_SUPPORT_FAKE_AGENT_H

#include "support/faults.h"
#include "support/peer.h"
#include "support/told.h"

/* A terminal agent that says what the test tells it to, right or wrong, and a client that takes it
 * for a real one: the scripted server answers the command that asks for the agent's address, the
 * peer is the agent. */

#define FAKE_AGENT_ID "t1"

typedef struct fake_agent {
  faults_t f;
  peer_t *peer;
  told_t told;
  e2b_terminal_options options; /* lead to it */
  e2b_future_t *future;         /* of the terminal */
  e2b_terminal_t *terminal;
} fake_agent_t;

void fake_agent_open(fake_agent_t *a);
/* The same, after `change` has seen the client's options. */
void fake_agent_open_with(fake_agent_t *a, void (*change)(e2b_client_options *options));
void fake_agent_close(fake_agent_t *a);

/* A test whose state is one that is open, and that is closed after it. */
int fake_agent_setup(void **state);
int fake_agent_teardown(void **state);
#define FAKE_AGENT_TEST(function) \
  cmocka_unit_test_setup_teardown(function, fake_agent_setup, fake_agent_teardown)

/* Waits until the connection made last has brought so many frames. */
void fake_agent_until_frames(fake_agent_t *a, unsigned count);
/* Its nth frame holds that text. */
void fake_agent_got(fake_agent_t *a, unsigned nth, const char *text);
/* A control message, with ' for ". */
void fake_agent_says(fake_agent_t *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The answer to create and attach. */
void fake_agent_attaches(fake_agent_t *a, uint64_t offset, uint64_t lost, uint64_t input);
/* Output, with the input accepted so far. */
void fake_agent_prints(fake_agent_t *a, uint64_t input, const char *text);
/* And the terminal has told all of it. */
void fake_agent_shows(fake_agent_t *a, uint64_t input, const char *text);

/* Asks for a terminal; the agent has its create. */
void fake_agent_begin(fake_agent_t *a);
/* And answers it. */
void fake_agent_begin_well(fake_agent_t *a);
/* Types what the agent gets as that frame, and does not accept. */
void fake_agent_type(fake_agent_t *a, unsigned nth, const char *text);
/* The connection breaks, and the client has asked to be attached again. */
void fake_agent_comes_back(fake_agent_t *a);
/* The terminal has ended with that code, and these words. */
void fake_agent_ended(fake_agent_t *a, int code, const char *words);
/* The future has failed so; there is no terminal. */
void fake_agent_refused(fake_agent_t *a, int code, const char *words);

#endif
