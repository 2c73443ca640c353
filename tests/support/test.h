/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_TEST_H
#define E2B_TESTS_SUPPORT_TEST_H

/* cmocka wants these before itself, in this order or any. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif
#ifndef UNDER_ASAN
#define UNDER_ASAN 0
#endif

#endif
