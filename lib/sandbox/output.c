/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"
#include "sandbox/command.h"

/* What a program prints, on its way to the user. */

void e2b__output_init(e2b_command_t *command, size_t which, e2b_output_cb callback,
                      const e2b_run_options *options) {
  e2b__output_t *output = &command->outputs[which];
  output->callback = callback;
  output->collect =
      options->collect == E2B_ON || (options->collect == E2B_DEFAULT && callback == NULL);
  e2b__buffer_init(&output->collected, options->max_output_bytes != 0
                                           ? options->max_output_bytes
                                           : command->sandbox->client->config.max_output_bytes);
}

/* A user's function: afterwards anything may have happened to the command. */
static void call_out(e2b_command_t *command, const e2b__output_t *output, const char *data,
                     size_t len) {
  if (len == 0 || command->state == E2B__COMMAND_LEFT) return;
  e2b__call_out_begin();
  output->callback(command, data, len, command->user_data);
  e2b__call_out_end();
}

/* A character that is cut at the end waits for its rest. Not inlined: bytes take the short way. */
__attribute__((noinline)) static void hand_over_text(e2b_command_t *command, e2b__output_t *output,
                                                     const char *data, size_t len) {
  while (output->tail_len > 0 && len > 0) {
    char joined[4];
    size_t have = output->tail_len;
    memcpy(joined, output->tail, have);
    joined[have++] = *data;
    if (e2b__utf8_tail(joined, have) == have) {
      output->tail[output->tail_len++] = *data++;
      len--;
      continue;
    }
    /* Complete with this byte, or not a character at all: then what waited goes alone. */
    const bool complete = e2b__utf8_valid(joined, have);
    output->tail_len = 0;
    call_out(command, output, joined, complete ? have : have - 1);
    if (complete) {
      data++;
      len--;
    }
  }
  if (len == 0) return; /* all of it went to what waits */
  const size_t cut = e2b__utf8_tail(data, len);
  if (cut > 0) memcpy(output->tail, data + len - cut, cut);
  output->tail_len = (uint8_t)cut;
  call_out(command, output, data, len - cut);
}

int e2b__output_take(e2b_command_t *command, e2b__output_t *output, e2b__str_t data) {
  output->bytes += data.len;
  if (output->collect) {
    int rc = e2b__buffer_append(&output->collected, data.ptr, data.len);
    if (rc != 0) return rc;
  }
  if (output->callback == NULL) return 0;
  if (command->text) {
    hand_over_text(command, output, data.ptr, data.len);
  } else {
    call_out(command, output, data.ptr, data.len);
  }
  return 0;
}

void e2b__output_flush(e2b_command_t *command) {
  for (size_t i = 0; i < E2B__COUNT(command->outputs); i++) {
    e2b__output_t *output = &command->outputs[i];
    const size_t len = output->tail_len;
    output->tail_len = 0;
    if (output->callback != NULL) call_out(command, output, output->tail, len);
  }
}
