/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_API_CONTROL_H
#define E2B_LIB_API_CONTROL_H

#include "client/operation.h"

/* What all requests to the control plane share (protocol 3.1). */

/* op->url becomes the API's base URL and `path`, where a `%s` stands for `id`, escaped. */
int e2b__control_url(e2b__operation_t *op, const char *prefix, const char *id, const char *suffix);

/* The failure that an answer other than 2xx means; when the request itself failed, that. Strings
 * in the future's arena. `missing` is the code of a 404. */
e2b_error_t e2b__control_error(e2b__operation_t *op, const e2b__call_result_t *result, int missing);
/* Nonzero when the answer is 2xx; else the future is decided. */
bool e2b__control_ok(e2b__operation_t *op, const e2b__call_result_t *result, int missing);

#endif
