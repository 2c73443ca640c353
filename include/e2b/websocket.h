/* SPDX-License-Identifier: MIT */
#ifndef E2B_WEBSOCKET_H
#define E2B_WEBSOCKET_H

#include "e2b/sandbox.h"

#ifdef __cplusplus
extern "C" {
#endif

/* WebSockets (RFC 6455): to a port in a sandbox, or to any server. On the client's loop, by its
 * proxy (http:// only) and with its authorities; no extensions. Operations on a NULL handle do
 * nothing and answer NULL or E2B_EINVAL. */
typedef struct e2b_websocket e2b_websocket_t;

typedef enum e2b_message_kind {
  E2B_MESSAGE_TEXT = 1, /* valid UTF-8 */
  E2B_MESSAGE_BINARY = 2
} e2b_message_kind_t;

/* A whole message, lent for the call; nothing follows its last byte, no NUL. From the loop, never
 * before the handle was yielded. */
typedef void (*e2b_message_cb)(e2b_websocket_t *websocket, e2b_message_kind_t kind,
                               const char *data, size_t len, void *user_data);
/* A piece of a binary message as it arrives. An empty message is one empty piece. */
typedef void (*e2b_message_piece_cb)(e2b_websocket_t *websocket, const char *data, size_t len,
                                     int first, int last, void *user_data);
/* After E2B_EAGAIN: there is room again. */
typedef void (*e2b_websocket_drain_cb)(e2b_websocket_t *websocket, void *user_data);

/* How the peer ended it. */
typedef struct e2b_websocket_end {
  unsigned close_code; /* of its close frame; 1005 when that named none */
  const char *reason;  /* UTF-8; "" when none */
} e2b_websocket_end_t;

/* The last callback, of a connection that was open; not after the last release, and not when the
 * client is closed. `error` is NULL when
 * close frames went both ways, whoever began. `end` is what the peer said, NULL when it said
 * nothing. Both are lent for the call. */
typedef void (*e2b_websocket_closed_cb)(e2b_websocket_t *websocket, const e2b_error_t *error,
                                        const e2b_websocket_end_t *end, void *user_data);

typedef struct e2b_websocket_options {
  size_t size;
  const e2b_pair_t *headers; /* of the request, beside those of the handshake */
  size_t headers_count;
  const char *protocols; /* sub-protocols to offer: "a, b"; the server may choose one of them */

  uint64_t connect_timeout_ms; /* until it is open; default the client's */
  uint64_t ping_interval_ms;   /* nothing came for so long: a ping; default 30,000 */
  uint64_t silence_timeout_ms; /* nothing came for so long: it is lost; default 90,000. Not while
                                  it is paused */
  uint64_t close_timeout_ms;   /* for the peer's answer to a close; default 5,000 */
  size_t max_message_bytes;    /* of a message given whole; default 64 MiB */
  size_t max_pending_bytes;    /* that wait to be sent, past which E2B_EAGAIN; default 1 MiB */
  e2b_toggle_t quick_ack;      /* TCP_QUICKACK; default off */

  e2b_message_cb on_message;
  /* Instead of on_message for binary messages, which then are neither collected nor limited. */
  e2b_message_piece_cb on_piece;
  e2b_websocket_drain_cb on_drain;
  e2b_websocket_closed_cb on_closed;
  void *user_data;
} e2b_websocket_options;

/* Opens a WebSocket to a ws://, wss://, http:// or https:// URL. Yields e2b_future_websocket().
 * Cancelling hangs up. Errors: E2B_EINVAL (the URL, a header, the sub-protocols), E2B_EDNS,
 * E2B_ECONNECT, E2B_ETLS (the message says what is wrong with the certificate), E2B_ETIMEDOUT
 * (E2B_CLOCK_CONNECT), E2B_ECONNLOST, E2B_EPROTOCOL, E2B_EUNIMPLEMENTED (a proxy of another kind);
 * when the server answers something else than an upgrade, what that answer stands for: E2B_EAUTH,
 * E2B_EFORBIDDEN, E2B_ENOTFOUND, E2B_ERATE, E2B_EUNAVAILABLE and others, with `http_status` and
 * `retry_after_ms`. */
E2B_API e2b_future_t *e2b_websocket_connect(e2b_client_t *client, const char *url,
                                            const e2b_websocket_options *options);

/* The same to a server that listens on `port` in the sandbox, also on loopback only; `path` with
 * its query, escaped; NULL is "/". Host, routing and traffic token are seen to (protocol 1.3, 1.6,
 * 7.5). Errors beside those above: E2B_EPORTCLOSED, E2B_ESANDBOXGONE, and E2B_EAUTH also for a
 * traffic token that is missing or wrong. */
E2B_API e2b_future_t *e2b_sandbox_websocket(e2b_sandbox_t *sandbox, uint16_t port, const char *path,
                                            const e2b_websocket_options *options);

/* The handle that one of the two yielded, with a reference of its own. */
E2B_API e2b_websocket_t *e2b_future_websocket(const e2b_future_t *future);
E2B_API e2b_websocket_t *e2b_websocket_acquire(e2b_websocket_t *websocket);
/* The last reference hangs up, without a close frame; NULL is allowed. */
E2B_API void e2b_websocket_release(e2b_websocket_t *websocket);

/* The sub-protocol that the server chose; "" when none. As long as the handle. */
E2B_API const char *e2b_websocket_protocol(const e2b_websocket_t *websocket);

/* Sends a message. Copied as far as the socket does not take it at once. 0; E2B_EAGAIN, and
 * on_drain follows, when max_pending_bytes wait (a message of any size is taken when nothing does);
 * E2B_EINVAL for text that is no UTF-8, or in the middle of a message sent in parts; E2B_ECLOSED
 * when it is closed, closing or lost; E2B_ETOOBIG past 512 MiB; E2B_ENOMEM. */
E2B_API int e2b_websocket_send(e2b_websocket_t *websocket, e2b_message_kind_t kind,
                               const void *data, size_t len);
/* Sends a part of a message; `kind` is that of the first part. */
E2B_API int e2b_websocket_send_part(e2b_websocket_t *websocket, e2b_message_kind_t kind,
                                    const void *data, size_t len, int last);
/* Bytes that wait for the socket. */
E2B_API size_t e2b_websocket_pending_bytes(const e2b_websocket_t *websocket);

/* Stops and goes on reading the socket: no message comes, no news of the end, and the peer's pings
 * are not answered. May be called anywhere. */
E2B_API void e2b_websocket_pause(e2b_websocket_t *websocket);
E2B_API void e2b_websocket_resume(e2b_websocket_t *websocket);

/* Says goodbye, behind all that waits to be sent: no message comes after this call, on_closed and
 * the outcome follow when the peer has answered. `code` is 0 for none, 1000, or one that RFC 6455
 * allows a client; `reason` may be NULL, and is cut at 123 bytes. Ends a pause; a second call does
 * nothing. */
E2B_API void e2b_websocket_close(e2b_websocket_t *websocket, unsigned code, const char *reason);

/* The end, whenever it comes or has come: yields e2b_future_websocket_end(), or fails with
 * E2B_ECONNLOST, E2B_ETIMEDOUT (E2B_CLOCK_SILENCE; E2B_CLOCK_REQUEST for a peer that did not answer
 * a close), E2B_EPROTOCOL, E2B_ETOOBIG, E2B_ESANDBOXGONE. It keeps the connection, as a handle
 * does. */
E2B_API e2b_future_t *e2b_websocket_wait(e2b_websocket_t *websocket);
E2B_API const e2b_websocket_end_t *e2b_future_websocket_end(const e2b_future_t *future);

#ifdef __cplusplus
}
#endif

#endif
