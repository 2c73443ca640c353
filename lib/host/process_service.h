/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_PROCESS_SERVICE_H
#define E2B_LIB_HOST_PROCESS_SERVICE_H

#include "host/connect.h"
#include "host/process.h"

extern const e2b__host_method_t e2b__host_process_methods[];

/* Between process_service.c and process_input.c. */
e2b__host_process_t *e2b__host_select(e2b__host_call_t *call,
                                      const e2b__process_selector_t *selector, bool ended_too);
void e2b__host_send_input_call(e2b__host_call_t *call, const void *message);
void e2b__host_close_stdin_call(e2b__host_call_t *call, const void *message);
void e2b__host_stream_input_call(e2b__host_call_t *call, const void *message);
void e2b__host_stream_input_end(e2b__host_call_t *call);

#endif
