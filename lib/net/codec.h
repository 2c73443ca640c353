/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_NET_CODEC_H
#define E2B_LIB_NET_CODEC_H

#include "net/socket.h"

/* WebSocket frames by wslay, on a socket. wslay's frame context is 4.2 KB, most of it its input
 * buffer, and is needed only while a frame is being read or made: so there is one for making, and
 * those for reading are lent from the dialer's small stock. An idle connection has none. */

typedef struct e2b__codec {
  struct wslay_frame_context *decoder; /* NULL: between two frames */
  uint64_t got;                        /* of the payload of the frame under way */
  uint32_t ahead;                      /* bytes that the decoder got and has not given out */
  bool inside;                         /* a frame */
  bool over;                           /* the socket has come to its end */
} e2b__codec_t;

/* A piece of a frame: all of its payload, or what has arrived of it. */
typedef struct e2b__frame {
  uint8_t opcode;
  uint8_t reserved; /* bits */
  bool fin;
  bool masked;
  bool first; /* piece of the frame */
  bool last;
  uint64_t length; /* of the frame's payload */
  const char *data;
  size_t len;
} e2b__frame_t;

/* The next piece. 1; 0: nothing now; E2B_EPROTOCOL, E2B_ENOMEM, or E2B_ECONNLOST at the end of the
 * socket. The piece is valid until the next call. */
int e2b__codec_next(e2b__codec_t *codec, e2b__socket_t *socket, e2b__frame_t *frame);
/* The next call would find nothing. False does not promise that there is something. */
bool e2b__codec_drained(const e2b__codec_t *codec, const e2b__socket_t *socket);
/* Gives the decoder back when nothing is in it, or, at the end, whatever is in it. */
void e2b__codec_rest(e2b__codec_t *codec, e2b__dialer_t *dialer);
void e2b__codec_free(e2b__codec_t *codec, e2b__dialer_t *dialer);

/* Writes one frame, masked. 0, E2B_ECLOSED, or E2B_ENOMEM. */
int e2b__codec_write(e2b__socket_t *socket, uint8_t opcode, bool fin, const void *data, size_t len);

void e2b__codec_free_shared(e2b__dialer_t *dialer);

#endif
