/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_PROTO_MEDIA_TYPE_H
#define E2B_LIB_PROTO_MEDIA_TYPE_H

#include <stdbool.h>

#include "base/buffer.h"

/* Values of Content-Type and Content-Disposition: `type; name=value; name="quoted \"value\""`. */

/* Appends the value of a parameter, unquoted; name*=utf-8''%XX (RFC 2231) goes before a plain one.
 * 1 found, 0 absent, E2B_EPROTOCOL (the text is malformed anywhere, or names something twice),
 * E2B_ENOMEM, E2B_ETOOBIG. */
int e2b__media_param(const char *text, size_t len, const char *name, e2b__buffer_t *value);
/* Whether that is its type, whatever the case and the parameters. */
bool e2b__media_is(const char *text, size_t len, const char *type);

#endif
