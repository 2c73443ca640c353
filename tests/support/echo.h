/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_ECHO_H
#define E2B_TESTS_SUPPORT_ECHO_H

/* A WebSocket server for `python3 -c` in a sandbox, which has no library for that: it says its port
 * on the first line, tells each client the target that was asked for, and sends back what comes.
 * "bye" makes it close with 4001, "drop" hang up. It chooses the sub-protocol "chat". */
extern const char echo_program[];

#endif
