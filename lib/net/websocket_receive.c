/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <wslay/wslay.h>

#include "base/utf8.h"
#include "net/websocket_internal.h"

/* From frames to messages: the rules of RFC 6455, section 5, that wslay's frames leave to us. */

/* The peer broke the rules: it is told by a close frame, the owner by a code. */
static void break_off(e2b__websocket_t *websocket, unsigned close_code, int code, const char *why) {
  if (websocket->state == E2B__WEBSOCKET_OPEN) {
    const char payload[2] = {(char)(close_code >> 8), (char)close_code};
    e2b__codec_write(&websocket->socket, WSLAY_CONNECTION_CLOSE, true, payload, sizeof payload);
  }
  e2b__websocket_end_with(websocket, code, E2B_CLOCK_NONE, why, true);
}

static void break_rules(e2b__websocket_t *websocket, const char *why) {
  break_off(websocket, WSLAY_CODE_PROTOCOL_ERROR, E2B_EPROTOCOL, why);
}

/* --- control frames --------------------------------------------------------------------------- */

static void on_close(e2b__websocket_t *websocket) {
  const unsigned char *payload = (const unsigned char *)websocket->control;
  const size_t len = websocket->control_len;
  websocket->close_code = E2B__WEBSOCKET_NO_CODE;
  if (len == 1) {
    break_rules(websocket, "a close frame with half a code");
    return;
  }
  if (len >= 2) {
    websocket->close_code = (unsigned)payload[0] << 8 | payload[1];
    if (!e2b__websocket_close_code_ok(websocket->close_code)) {
      break_rules(websocket, "a close frame with a code that must not be sent");
      return;
    }
    if (!e2b__utf8_valid(websocket->control + 2, len - 2)) {
      break_off(websocket, WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA, E2B_EPROTOCOL,
                "a close frame whose reason is no UTF-8");
      return;
    }
    websocket->reason_at = 2;
  }
  websocket->control[len] = '\0';
  if (websocket->state == E2B__WEBSOCKET_OPEN) {
    e2b__codec_write(&websocket->socket, WSLAY_CONNECTION_CLOSE, true, payload, len >= 2 ? 2 : 0);
  }
  e2b__websocket_end_with(websocket, 0, E2B_CLOCK_NONE, "", true);
}

static void on_control(e2b__websocket_t *websocket, const e2b__frame_t *frame) {
  if (frame->first) websocket->control_len = 0;
  memcpy(websocket->control + websocket->control_len, frame->data, frame->len);
  websocket->control_len = (uint8_t)(websocket->control_len + frame->len);
  if (!frame->last) return;
  if (frame->opcode == WSLAY_CONNECTION_CLOSE) {
    on_close(websocket);
  } else if (frame->opcode == WSLAY_PING && websocket->state == E2B__WEBSOCKET_OPEN &&
             e2b__socket_pending(&websocket->socket) <= websocket->max_pending_bytes) {
    /* Of a peer that pings and does not read only the last pings need an answer. */
    e2b__codec_write(&websocket->socket, WSLAY_PONG, true, websocket->control,
                     websocket->control_len);
  }
}

/* --- data ------------------------------------------------------------------------------------- */

/* Checks what can be checked of the text so far; at the end all of it has to be. */
static bool text_ok(const char *text, size_t len, size_t *checked, bool end) {
  const size_t whole = len - e2b__utf8_tail(text + *checked, len - *checked);
  if (!e2b__utf8_valid(text + *checked, whole - *checked)) return false;
  *checked = whole;
  return !end || whole == len;
}

static void on_bad_text(e2b__websocket_t *websocket) {
  break_off(websocket, WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA, E2B_EPROTOCOL,
            "a text message that is no UTF-8");
}

static void hand_over(e2b__websocket_t *websocket, const char *data, size_t len) {
  const e2b__websocket_kind_t kind = websocket->kind;
  websocket->kind = 0;
  websocket->events->on_message(websocket->ctx, kind, data, len);
}

/* Binary, in pieces. */
static void pass_on(e2b__websocket_t *websocket, const e2b__frame_t *frame, bool last) {
  const bool first = !websocket->begun;
  if (frame->len == 0 && !last) return;
  websocket->begun = true;
  if (last) websocket->kind = 0;
  websocket->events->on_data(websocket->ctx, frame->data, frame->len, first, last);
}

static void collect(e2b__websocket_t *websocket, const e2b__frame_t *frame, bool last) {
  const bool text = websocket->kind == WSLAY_TEXT_FRAME;
  e2b__buffer_t *message = &websocket->message;
  if (frame->first && frame->length > message->ceiling - message->len) {
    break_off(websocket, WSLAY_CODE_MESSAGE_TOO_BIG, E2B_ETOOBIG, "a message is too long");
    return;
  }
  if (last && message->len == 0) { /* all of it lies in the decoder's buffer */
    size_t checked = 0;
    if (text && !text_ok(frame->data, frame->len, &checked, true)) {
      on_bad_text(websocket);
    } else {
      hand_over(websocket, frame->data, frame->len);
    }
    return;
  }
  if (e2b__buffer_append(message, frame->data, frame->len) != 0) {
    e2b__websocket_end_with(websocket, E2B_ENOMEM, E2B_CLOCK_NONE, "", false);
    return;
  }
  if (text && !text_ok(message->data, message->len, &websocket->checked, last)) {
    on_bad_text(websocket);
    return;
  }
  if (!last) return;
  e2b__buffer_t whole = *message;
  e2b__buffer_init(message, whole.ceiling);
  websocket->checked = 0;
  hand_over(websocket, whole.data, whole.len);
  e2b__buffer_free(&whole);
}

static void on_data(e2b__websocket_t *websocket, const e2b__frame_t *frame) {
  if (frame->first) {
    const bool continues = frame->opcode == WSLAY_CONTINUATION_FRAME;
    if (continues != (websocket->kind != 0)) {
      break_rules(websocket, continues ? "a continuation of no message"
                                       : "a message in the middle of another");
      return;
    }
    if (!continues) {
      websocket->kind = frame->opcode;
      websocket->begun = false;
    }
  }
  const bool last = frame->fin && frame->last;
  if (websocket->kind == WSLAY_BINARY_FRAME && websocket->events->on_data != NULL) {
    pass_on(websocket, frame, last);
  } else {
    collect(websocket, frame, last);
  }
}

static void on_frame(e2b__websocket_t *websocket, const e2b__frame_t *frame) {
  const bool known = frame->opcode <= WSLAY_BINARY_FRAME ||
                     (frame->opcode >= WSLAY_CONNECTION_CLOSE && frame->opcode <= WSLAY_PONG);
  if (frame->reserved != 0) {
    break_rules(websocket, "a frame with reserved bits");
  } else if (frame->masked) {
    break_rules(websocket, "a masked frame");
  } else if (!known) {
    break_rules(websocket, "a frame of an unknown kind");
  } else if (wslay_is_ctrl_frame(frame->opcode)) {
    on_control(websocket, frame);
  } else if (websocket->state == E2B__WEBSOCKET_OPEN) {
    on_data(websocket, frame);
  } /* else it crossed our close frame: nobody wants it */
}

static bool wanted(const e2b__websocket_t *websocket) {
  return websocket->state == E2B__WEBSOCKET_CLOSING ||
         (websocket->state == E2B__WEBSOCKET_OPEN && !websocket->paused);
}

void e2b__websocket_receive(e2b__websocket_t *websocket) {
  e2b__frame_t frame;
  int rc = 0;
  while (wanted(websocket) &&
         (rc = e2b__codec_next(&websocket->codec, &websocket->socket, &frame)) > 0) {
    on_frame(websocket, &frame);
    if (e2b__codec_drained(&websocket->codec, &websocket->socket))
      break; /* most often: one read, one frame */
  }
  if (rc == E2B_EPROTOCOL) {
    break_rules(websocket, "a frame that is malformed");
  } else if (rc == E2B_ECONNLOST) {
    const char *why;
    const int code = e2b__socket_end(&websocket->socket, &why);
    e2b__websocket_end_with(websocket, code != 0 ? code : E2B_ECONNLOST, E2B_CLOCK_NONE,
                            code != 0 ? why : "it was ended without a close frame", false);
  } else if (rc != 0 && rc != 1) {
    e2b__websocket_end_with(websocket, rc, E2B_CLOCK_NONE, "", false);
  }
  e2b__codec_rest(&websocket->codec, websocket->socket.dialer);
}
