/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_PROTO_BASE64_H
#define E2B_LIB_PROTO_BASE64_H

#include <stddef.h>

/* Standard alphabet with padding on output; input may also be URL-safe and unpadded. */
size_t e2b__base64_encoded_size(size_t len);
/* Room for that many bytes at `out`; no NUL. */
void e2b__base64_encode(const void *data, size_t len, char *out);
/* An upper bound of what decoding yields. */
size_t e2b__base64_decoded_bound(size_t len);
/* 0 and *written, or E2B_EPROTOCOL. In place (out == text) is allowed. */
int e2b__base64_decode(const char *text, size_t len, char *out, size_t *written);

#endif
