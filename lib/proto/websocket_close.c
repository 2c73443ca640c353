/* SPDX-License-Identifier: MIT */
#include "proto/websocket_close.h"

bool e2b__websocket_close_code_ok(unsigned code) {
  /* The registered ones but those that stand for no frame at all, then the applications' own. */
  if (code >= 1000 && code <= 1014) return code != 1004 && code != 1005 && code != 1006;
  return code >= 3000 && code <= 4999;
}
