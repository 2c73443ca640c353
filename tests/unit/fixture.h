/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_UNIT_FIXTURE_H
#define E2B_TESTS_UNIT_FIXTURE_H

#include <stddef.h>

/* A recorded exchange with the real daemon, bodies decoded. */
typedef struct fixture {
  int status;
  char *request;
  size_t request_len;
  char *response;
  size_t response_len;
} fixture;

/* Reads tests/fixtures/<name>.json; fails the test when it cannot. */
fixture fixture_load(const char *name);
void fixture_free(fixture *f);

#endif
