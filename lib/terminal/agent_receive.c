/* SPDX-License-Identifier: MIT */
#include "proto/json.h"
#include "terminal/agent.h"

/* What the agent says. Output goes to the user straight from the socket's buffer. */

static void breach(e2b__agent_t *agent, const char *what) {
  e2b__arena_t arena = {0};
  const e2b_error_t error = e2b__error_text(&arena, E2B_EPROTOCOL, "%s: the terminal agent: %s",
                                            e2b_code_text(E2B_EPROTOCOL), what);
  e2b__agent_fail(agent, &error, true);
  e2b__arena_free(&arena);
}

/* --- output -------------------------------------------------------------------------------------
 */

static uint64_t big_endian(const unsigned char *b) {
  const uint64_t high = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
  const uint32_t low = (uint32_t)b[4] << 24 | (uint32_t)b[5] << 16 | (uint32_t)b[6] << 8 | b[7];
  return high << 32 | low;
}

static void on_data(void *ctx, const char *data, size_t len, bool first, bool last) {
  e2b__agent_t *agent = ctx;
  if (agent->state != E2B__AGENT_ATTACHED) {
    if (agent->state != E2B__AGENT_LEAVING) breach(agent, "output before the terminal");
    return;
  }
  if (first) agent->offset_len = 0;
  if (agent->offset_len < E2B__AGENT_OFFSET_BYTES) {
    size_t part = E2B__AGENT_OFFSET_BYTES - agent->offset_len;
    if (part > len) part = len;
    memcpy(agent->offset + agent->offset_len, data, part);
    agent->offset_len = (uint8_t)(agent->offset_len + part);
    data += part;
    len -= part;
    if (agent->offset_len < E2B__AGENT_OFFSET_BYTES) {
      if (last) breach(agent, "output without its offset");
      return;
    }
    const uint64_t accepted = big_endian(agent->offset);
    if (accepted != agent->accepted) {
      if (!e2b__agent_accept(agent, accepted)) {
        breach(agent, "accepted input that was not sent");
        return;
      }
      if (!e2b__terminal_room(agent->base.terminal)) return;
      if (agent->state != E2B__AGENT_ATTACHED) return;
    }
  }
  if (len == 0) return;
  e2b_terminal_t *terminal = agent->base.terminal;
  if (!e2b__terminal_data(terminal, data, len)) return;
  if (e2b__agent_acknowledge(agent) != 0) e2b__terminal_stalled(terminal);
}

/* --- control ------------------------------------------------------------------------------------
 */

static uint64_t offset_of(const cJSON *json, const char *name, uint64_t fallback) {
  const int64_t value = e2b__json_int(json, name, -1);
  return value >= 0 ? (uint64_t)value : fallback;
}

/* It has forgotten this writer, as it does when many others were lost meanwhile, and counts its
 * input from 0 again. Of what was on its way when the connection broke nobody knows. */
static bool begin_anew(e2b__agent_t *agent) {
  const bool certain = agent->sent == agent->accepted;
  agent->accepted = agent->sent = 0;
  if (certain) return true;
  e2b__arena_t arena = {0};
  const e2b_error_t error = e2b__error_text(
      &arena, E2B_ECONNLOST,
      "%s: the terminal agent has forgotten this viewer, and whether its last input "
      "arrived",
      e2b_code_text(E2B_ECONNLOST));
  e2b__agent_fail(agent, &error, true);
  e2b__arena_free(&arena);
  return false;
}

static void on_attached(e2b__agent_t *agent, const cJSON *json) {
  if (agent->state != E2B__AGENT_ATTACHING) {
    breach(agent, "attached twice");
    return;
  }
  e2b__terminal_opened_t opened = {0};
  opened.id = agent->id;
  opened.pid = (uint32_t)offset_of(json, "pid", 0);
  opened.cols = (uint16_t)offset_of(json, "cols", 0);
  opened.rows = (uint16_t)offset_of(json, "rows", 0);
  opened.lost = offset_of(json, "lost", 0);
  const uint64_t offset = offset_of(json, "offset", 0);
  e2b_terminal_t *terminal = agent->base.terminal;
  if (opened.lost > offset ||
      (e2b__agent_names_offset(agent) && offset - opened.lost != terminal->offset)) {
    breach(agent, "output from another place than asked for");
    return;
  }
  terminal->offset = offset - opened.lost;
  agent->acked = offset;
  agent->ring = (uint32_t)offset_of(json, "ring", 256 << 10);
  agent->window = (uint32_t)offset_of(json, "window", 64 << 10);
  const uint64_t input = offset_of(json, "input", 0);
  const bool forgotten =
      !e2b__json_bool(json, "known", true) || (input == 0 && agent->accepted > 0);
  if (forgotten && input == 0 && agent->sent > 0) {
    if (!begin_anew(agent)) return;
  } else if (!e2b__agent_accept(agent, input)) {
    breach(agent, "accepted input that was not sent, or takes some back");
    return;
  }
  agent->sent = input;
  agent->created = true;
  agent->state = E2B__AGENT_ATTACHED;
  e2b__endpoint_stop_clock(&agent->clock);
  e2b__buffer_free(&agent->request);
  if (!e2b__terminal_opened(terminal, &opened)) return;
  e2b__agent_pump(agent);
  e2b__terminal_room(terminal);
}

static void on_exit(e2b__agent_t *agent, const cJSON *json) {
  e2b_terminal_exit_t end = {1, (int)e2b__json_int(json, "code", -1),
                             (int)e2b__json_int(json, "signal", 0)};
  if (end.signal != 0) end.exit_code = -1;
  e2b_terminal_t *terminal = agent->base.terminal;
  if (offset_of(json, "offset", terminal->offset) != terminal->offset) {
    breach(agent, "an exit before the last output");
    return;
  }
  e2b__terminal_exited(terminal, &end);
}

static void on_gap(e2b__agent_t *agent, const cJSON *json) {
  e2b_terminal_t *terminal = agent->base.terminal;
  const uint64_t lost = offset_of(json, "lost", 0);
  if (offset_of(json, "offset", terminal->offset + lost) != terminal->offset + lost) {
    breach(agent, "a gap that does not lead to the next output");
    return;
  }
  agent->acked = terminal->offset + lost; /* it counts as acknowledged */
  e2b__terminal_gap(terminal, lost);
}

static int code_of(const e2b__agent_t *agent, const char *word) {
  static const struct {
    const char *word;
    int code;
  } codes[] = {{"not_found", E2B_ENOTFOUND},  {"invalid", E2B_EREQUEST},
               {"no_program", E2B_ENOTFOUND}, {"no_cwd", E2B_EREQUEST},
               {"limit", E2B_ELIMIT},         {"system", E2B_ESERVER}};
  /* It had been there: the agent was started anew, or has forgotten a program that ended. */
  if (strcmp(word, "not_found") == 0 && agent->base.terminal->state == E2B__TERMINAL_LOST) {
    return E2B_ENORESULT;
  }
  for (size_t i = 0; i < E2B__COUNT(codes); i++) {
    if (strcmp(word, codes[i].word) == 0) return codes[i].code;
  }
  return E2B_ESERVER;
}

static void on_error(e2b__agent_t *agent, const cJSON *json) {
  e2b__arena_t arena = {0};
  const char *message = e2b__json_string(json, "message", "");
  const int code = code_of(agent, e2b__json_string(json, "code", ""));
  e2b_error_t error = e2b__error_text(&arena, code, "%s: %.500s", e2b_code_text(code), message);
  error.detail = message;
  error.sandbox = E2B_PRESENCE_ALIVE;
  if (agent->state == E2B__AGENT_ATTACHED) {
    e2b__agent_answer_signal(agent, false, &error);
  } else {
    e2b__agent_fail(agent, &error, code != E2B_ESERVER);
  }
  e2b__arena_free(&arena);
}

static void on_control(e2b__agent_t *agent, const char *type, const cJSON *json) {
  e2b_terminal_t *terminal = agent->base.terminal;
  if (strcmp(type, "attached") == 0) {
    on_attached(agent, json);
  } else if (strcmp(type, "error") == 0) {
    on_error(agent, json);
  } else if (agent->state != E2B__AGENT_ATTACHED) {
    breach(agent, "news of a terminal before it is attached");
  } else if (strcmp(type, "exit") == 0) {
    on_exit(agent, json);
  } else if (strcmp(type, "input") == 0) {
    if (!e2b__agent_accept(agent, offset_of(json, "offset", agent->accepted))) {
      breach(agent, "accepted input that was not sent");
    } else {
      e2b__terminal_room(terminal);
    }
  } else if (strcmp(type, "gap") == 0) {
    on_gap(agent, json);
  } else if (strcmp(type, "size") == 0 && !terminal->resized) {
    terminal->cols = (uint16_t)offset_of(json, "cols", terminal->cols);
    terminal->rows = (uint16_t)offset_of(json, "rows", terminal->rows);
  } else if (strcmp(type, "signalled") == 0) {
    e2b__agent_answer_signal(agent, e2b__json_bool(json, "found", false), NULL);
  } /* else something newer than this library */
}

static void on_message(void *ctx, e2b__websocket_kind_t kind, const char *data, size_t len) {
  e2b__agent_t *agent = ctx;
  (void)kind; /* binary comes in pieces */
  if (agent->state == E2B__AGENT_LEAVING) return;
  cJSON *json = e2b__json_parse(data, len);
  if (!cJSON_IsObject(json)) {
    cJSON_Delete(json);
    /* Or there was no memory to read it: the next connection tells. */
    const e2b_error_t error = e2b__error(E2B_EPROTOCOL);
    e2b__agent_fail(agent, &error, false);
    return;
  }
  on_control(agent, e2b__json_string(json, "type", ""), json);
  cJSON_Delete(json);
}

/* --- the connection -----------------------------------------------------------------------------
 */

static void on_open(void *ctx, const char *protocol) {
  e2b__agent_t *agent = ctx;
  if (protocol == NULL || strcmp(protocol, E2B__AGENT_PROTOCOL) != 0) {
    breach(agent, "another protocol");
    return;
  }
  agent->state = E2B__AGENT_ATTACHING;
  const int rc = e2b__agent_send_hello(agent);
  if (rc == 0) {
    e2b__agent_start_clock(agent);
    return;
  }
  const e2b_error_t error = e2b__error(rc);
  e2b__agent_fail(agent, &error, rc != E2B_ENOMEM && rc != E2B_ECLOSED);
}

static void on_drain(void *ctx) {
  e2b__agent_t *agent = ctx;
  if (agent->state == E2B__AGENT_ATTACHED) e2b__agent_pump(agent);
}

static void on_closed(void *ctx, const e2b__websocket_end_t *end) {
  e2b__agent_t *agent = ctx;
  if (agent->state == E2B__AGENT_LEAVING) {
    e2b__agent_left(agent);
  } else {
    e2b__agent_gone(agent, end);
  }
}

const e2b__websocket_events_t e2b__agent_events = {on_open, on_message, on_data, on_drain,
                                                   on_closed};
