/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "e2b/code.h"
#include "fuzz.h"

/* Any bytes are for one of the two, the same one each time, and nothing past their end is read. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  e2b_runtime_t runtime = e2b_detect_runtime((const char *)data, size);
  HOLDS(runtime == E2B_RUNTIME_PYTHON || runtime == E2B_RUNTIME_NODE);
  HOLDS(e2b_detect_runtime((const char *)data, size) == runtime);
  char *copy = malloc(size > 0 ? size : 1);
  HOLDS(copy != NULL);
  if (size > 0) memcpy(copy, data, size);
  HOLDS(e2b_detect_runtime(copy, size) == runtime);
  free(copy);
  return 0;
}
