/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_UNIT_SAMPLES_H
#define E2B_TESTS_UNIT_SAMPLES_H

#include "proto/filesystem.h"
#include "proto/process.h"

/* Every message of the daemon, every field filled in at least once, and what lies at the edges. */
typedef struct sample {
  const char *name;
  const e2b__message_t *type;
  const void *value;
  const char *json; /* as it should be written; NULL: not told here */
} sample;

extern const sample samples[];
extern const size_t samples_count;

/* A zeroed struct of the sample's type; free() it. */
void *sample_room(const sample *s);

#endif
