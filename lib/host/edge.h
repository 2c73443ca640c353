/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_EDGE_H
#define E2B_LIB_HOST_EDGE_H

#include "host/dial.h"
#include "host/refusal.h"
#include "proto/http_head.h"

/* The way to the programs of a sandbox that listen on its ports: what the client sends is passed
 * on as it comes, and so is the answer. Each exchange has a connection of its own to the program;
 * libmicrohttpd reads the client's side. */

/* Whether the traffic token allows this. False: the request is routed to a refusal. */
bool e2b__host_edge_admits(e2b__host_request_t *request);
/* Passes the request on to request->port of request->sandbox. */
void e2b__host_edge_route(e2b__host_request_t *request);

typedef enum e2b__host_edge_body {
  E2B__EDGE_NO_BODY,
  E2B__EDGE_LENGTH,
  E2B__EDGE_CHUNKS,
  E2B__EDGE_TO_THE_END
} e2b__host_edge_body_t;

struct e2b__host_tunnel;

/* One exchange; part of the request's memory. */
typedef struct e2b__host_edge {
  e2b__host_request_t *request;
  e2b_host_t *host;
  e2b__host_sandbox_t *counted_in; /* whose `proxied` this is part of, or NULL */
  e2b__host_dial_t dial;
  e2b__host_wire_t *wire; /* to the program, or NULL */
  /* to the program */
  e2b__buffer_t up; /* head, then body */
  size_t up_sent;
  bool up_chunked;
  bool up_whole;  /* the client's body is complete */
  bool up_closed; /* the program takes no more; the rest is dropped */
  bool upgrade;   /* the client asked for another protocol */
  /* from it */
  e2b__buffer_t in; /* the head until it is complete */
  size_t in_seen;
  bool has_head;
  bool answered; /* its body is complete */
  e2b__host_edge_body_t body;
  uint64_t left;
  e2b__http_chunks_t chunks;
  e2b__host_stream_t stream;
  /* libmicrohttpd takes an answer only after the whole body: kept until then. */
  struct MHD_Response *response;
  unsigned status;
  e2b__host_refusal_t refusal;
  struct e2b__host_tunnel *tunnel; /* after 101 */
} e2b__host_edge_t;

/* edge_head.c: the request's head for the program. 0, E2B_EINVAL for what must not be passed on, or
 * E2B_ENOMEM. */
int e2b__host_edge_put_head(e2b__host_edge_t *edge);
/* The program's fields, but those that are between it and the host. */
int e2b__host_edge_copy_fields(struct MHD_Response *response, const e2b__http_head_t *head);

/* edge_answer.c: what the program sends. */
void e2b__host_edge_readable(e2b__host_edge_t *edge);
/* edge.c, for it: waits for what there is to wait for; closes what is over. */
void e2b__host_edge_settle(e2b__host_edge_t *edge);
/* There is no answer to be had from the program. */
void e2b__host_edge_refuse(e2b__host_edge_t *edge, e2b__host_refusal_t refusal);
/* edge->response and edge->status are there. */
void e2b__host_edge_deliver(e2b__host_edge_t *edge);

/* edge_tunnel.c: the response that makes a tunnel of both connections; takes edge->wire, of which
 * `data` has been read already. NULL: out of memory. */
struct MHD_Response *e2b__host_tunnel_response(e2b__host_edge_t *edge, const char *data,
                                               size_t len);
void e2b__host_tunnel_close(struct e2b__host_tunnel *tunnel);
/* The exchange is over. */
void e2b__host_tunnel_free(struct e2b__host_tunnel *tunnel);

#endif
