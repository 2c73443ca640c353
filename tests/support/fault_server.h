/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_FAULT_SERVER_H
#define E2B_TESTS_SUPPORT_FAULT_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* A server that plays scripts, on the loop of the test: it reads HTTP/1.1 requests, remembers them,
 * and answers each with the steps of the first rule that fits. After the last step the connection
 * waits for its next request, unless a step has ended it.
 *
 *     fault_server_t *server = fault_server_start(&h.loop);
 *     fault_rule_t *rule = fault_on(server, "POST /sandboxes");
 *     fault_answer(rule, 503, "application/json", "{}", "Retry-After: 1\r\n");
 *     fault_limit(rule, 2);                                    // then the next rule that fits
 *     fault_reset(fault_on(server, "POST /sandboxes"));
 */

typedef struct fault_server fault_server_t;
typedef struct fault_rule fault_rule_t;

typedef struct fault_request {
  unsigned connection; /* 1 is the first that was accepted */
  unsigned number;     /* on that connection; 1 is the first */
  char *head;          /* with the request line; NUL-terminated */
  const char *method;
  const char *target; /* path and query */
  const char *path;
  char *body; /* NUL-terminated; the first FAULT_BODY_KEPT bytes */
  size_t body_len;
  uint64_t body_bytes; /* seen, kept or not */
  bool complete;       /* all of it was read */
  bool chunked;
  void *values; /* of fault_header() */
} fault_request_t;

enum { FAULT_BODY_KEPT = 1 << 20 };

/* --- the server ----------------------------------------------------------------------------- */

/* Listens on 127.0.0.1, any port. */
fault_server_t *fault_server_start(uv_loop_t *loop);
/* Closes everything; it is gone when the loop has seen to it. Takes void so that it fits
 * harness_at_stop(). */
void fault_server_close(void *server);
const char *fault_url(const fault_server_t *server); /* "http://127.0.0.1:port" */
uint16_t fault_port(const fault_server_t *server);
/* From now on no write is longer than so many bytes, and each has a turn of the loop to itself, so
 * that an answer is on its way for a while; 0: as it comes. */
void fault_pace(fault_server_t *server, size_t bytes);
/* Forgets rules and requests; connections stay. */
void fault_clear(fault_server_t *server);

unsigned fault_connections(const fault_server_t *server); /* accepted so far */
unsigned fault_connections_open(const fault_server_t *server);
unsigned fault_half_closes(const fault_server_t *server);   /* FINs before our last step was over */
uint64_t fault_bytes_written(const fault_server_t *server); /* taken by the kernel */

/* --- what it got ------------------------------------------------------------------------------ */

/* "POST /sandboxes", the query left out; "/sandboxes" for any method; NULL for all. Requests count
 * when their head has been read. */
unsigned fault_count(const fault_server_t *server, const char *what);
/* The nth of them, from 0; NULL when there are fewer. Valid until fault_clear(). */
fault_request_t *fault_request(const fault_server_t *server, const char *what, unsigned nth);
/* A header's value, the name in any case; NULL when it has none. */
const char *fault_header(fault_request_t *request, const char *name);
/* Requests that no rule fitted; they were answered with 404. */
unsigned fault_unexpected(const fault_server_t *server);

/* --- rules --------------------------------------------------------------------------------------
 */

/* A rule at the end of the list, for requests as in fault_count(), any number of times. */
fault_rule_t *fault_on(fault_server_t *server, const char *what);
/* Only so many times; then later rules have a chance. */
void fault_limit(fault_rule_t *rule, unsigned times);
/* fault_on() with a limit of one. */
fault_rule_t *fault_once(fault_server_t *server, const char *what);
/* Only on that connection, and only for that request of it; 0 means any. */
void fault_only(fault_rule_t *rule, unsigned connection, unsigned number);
/* Plays as soon as the head is there (the body is read meanwhile), or when so many bytes of the
 * body are. */
void fault_early(fault_rule_t *rule, uint64_t body_bytes);
/* From that moment on nothing is read from the connection. */
void fault_stop_reading(fault_rule_t *rule);
/* A rule without a request: played when connection number `connection` (0: any) is accepted. */
fault_rule_t *fault_on_accept(fault_server_t *server, unsigned connection);

/* --- steps, in the order of the calls. Bytes are copied.
 * ------------------------------------------ */

void fault_send(fault_rule_t *rule, const void *data, size_t len);
void fault_text(fault_rule_t *rule, const char *text);
/* One byte a write, one write a turn of the loop. */
void fault_send_bytewise(fault_rule_t *rule, const void *data, size_t len);
/* A whole answer with its Content-Length; `type` NULL for none; `headers` NULL or whole lines. */
void fault_answer(fault_rule_t *rule, int status, const char *type, const char *body,
                  const char *headers);
void fault_answer_bytes(fault_rule_t *rule, int status, const char *type, const void *body,
                        size_t len, const char *headers);
/* The head of a chunked answer, chunks, and the last one. */
void fault_head_chunked(fault_rule_t *rule, int status, const char *type, const char *headers);
void fault_chunk(fault_rule_t *rule, const void *data, size_t len);
void fault_last_chunk(fault_rule_t *rule);
/* Bytes made as they are needed, until `make` answers 0; `bytes` long chunks at most are asked for.
 * With `chunked` they are framed as chunks. */
typedef size_t (*fault_make)(void *ctx, char *to, size_t size);
void fault_generate(fault_rule_t *rule, fault_make make, void *ctx, bool chunked);
void fault_wait(fault_rule_t *rule, uint64_t ms);
/* Waits for fault_release(). */
void fault_hold(fault_rule_t *rule);
void fault_release(fault_server_t *server); /* all that are held now */
unsigned fault_held(const fault_server_t *server);
void fault_call(fault_rule_t *rule, void (*fn)(void *ctx), void *ctx);
/* Reads again after fault_stop_reading(), and goes on when the request is complete. */
void fault_read_on(fault_rule_t *rule);
/* Ends of the connection: our sending side only, both, or a reset. */
void fault_half_close(fault_rule_t *rule);
void fault_close(fault_rule_t *rule);
void fault_reset(fault_rule_t *rule);
/* Nothing, for ever; the connection stays open. */
void fault_hang(fault_rule_t *rule);

#endif
