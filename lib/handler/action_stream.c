/* SPDX-License-Identifier: MIT */
#include "handler/handler.h"

/* GET: the one thing that is asked for so is a terminal's stream. */

void e2b__action_start_stream(e2b__handling_t *h, const e2b_http_request *request) {
  (void)request;
  e2b__handling_fail(h, 400, "GET requests only supported for terminal.stream action");
}
