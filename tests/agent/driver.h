/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_AGENT_DRIVER_H
#define E2B_TESTS_AGENT_DRIVER_H

/* Runs the terminal agent's program and talks to it over bare sockets, frame by frame. Every wait
 * has a limit and fails the test past it. */

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "support/test.h"

enum { PATIENCE_MS = 30000 };

/* ---- the program ---- */

typedef struct agent {
  char home[64]; /* a directory of its own */
  unsigned port;
  char secret[65];
  pid_t pid; /* the agent's: a child of the test, by adoption */
} agent_t;

/* The program under test: that named by E2B_TEST_AGENT, else the library's own, written to a file.
 */
const char *agent_program(void);
/* Makes the home directory and starts an agent in it; options end with NULL. */
void agent_start(agent_t *agent, ...);
/* SIGTERM; it must end well. Removes the home directory. */
void agent_stop(agent_t *agent);
/* Waits for its end; its wait status. */
int agent_wait(agent_t *agent);
void agent_remove_home(agent_t *agent);
/* Runs the program with these arguments (NULL at the end) and that home; its exit code. Its output
 * is a string. */
int agent_run(const char *home, char *output, size_t size, const char *const *args);
/* Reads an address line into port and secret. */
void agent_take_address(agent_t *agent, const char *line);
/* Finds the process that serves there and adopts it. */
void agent_find_pid(agent_t *agent);
/* How many descriptors it has open. */
size_t agent_descriptors(const agent_t *agent);
/* How many children it has, zombies included. */
size_t agent_children(const agent_t *agent);

/* For cmocka: an agent for each test, as `*state`. */
int agent_enter(void **state);
int agent_leave(void **state);
#define AGENT_TEST(function) cmocka_unit_test_setup_teardown(function, agent_enter, agent_leave)

/* ---- a client ---- */

typedef struct client {
  int fd;
  e2b__buffer_t in;     /* read and not taken */
  e2b__buffer_t output; /* of the terminal */
  uint64_t offset;      /* behind the last byte of output */
  uint64_t lost;        /* told by gaps */
  uint64_t accepted;    /* of input, as last told */
  uint64_t acked;
  bool acks;      /* each frame of output is acknowledged */
  cJSON *message; /* the last control message */
} client_t;

typedef enum received {
  RECEIVED_TEXT,
  RECEIVED_OUTPUT,
  RECEIVED_PONG,
  RECEIVED_CLOSE,
  RECEIVED_END
} received_t;

/* A bare connection. */
client_t *client_dial(const agent_t *agent);
/* One whose handshake is done. */
client_t *client_open(const agent_t *agent);
void client_close(client_t *client);
void client_send_raw(client_t *client, const void *data, size_t len);
void client_send_frame(client_t *client, unsigned first_byte, const void *data, size_t len);
/* A control message, with ' for ". */
void client_say(client_t *client, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void client_type(client_t *client, const void *data, size_t len);
void client_type_text(client_t *client, const char *text);
/* The next frame. */
received_t client_next(client_t *client);
/* Nonzero when a frame, or a part of one, is there within that time. */
bool client_has(client_t *client, int ms);
/* Reads on until a control message of that type; it is client->message. An error that is not waited
 * for fails the test. */
cJSON *client_await(client_t *client, const char *type);
/* Reads on until the output holds `text`; drops the output up to its end. */
void client_await_output(client_t *client, const char *text);
/* Reads on until the agent closes; the code, or 0 when there was none. */
unsigned client_await_close(client_t *client);
/* Reads all until the end of the connection, as it comes, a handshake's answer for one. */
void client_read_all(client_t *client, e2b__buffer_t *out);
uint64_t client_number(const client_t *client, const char *member);
bool client_flag(const client_t *client, const char *member);
const char *client_string(const client_t *client, const char *member);
/* Creates the terminal `id` that runs a shell line, and waits until it is attached. `more`: further
 * members, each after a comma, with ' for "; or "". */
void client_create(client_t *client, const char *id, const char *line, const char *more);

uint64_t clock_ms(void);
/* Waits until `condition(data)` holds. */
void await(bool (*condition)(void *data), void *data);

#endif
