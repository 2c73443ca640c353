/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_TERMINAL_AGENT_IMAGE_H
#define E2B_LIB_TERMINAL_AGENT_IMAGE_H

#include <stddef.h>

/* The terminal agent's program as this build made it: a static executable for the processor that
 * the library was built for. */

extern const unsigned char e2b__agent_image[];
/* 0 when the library was built without it (E2B_EMBED_AGENT=OFF). */
extern const size_t e2b__agent_image_size;
/* The first 16 hexadecimal digits of its SHA-256: names the program's file in a sandbox. */
extern const char e2b__agent_image_hash[];

#endif
