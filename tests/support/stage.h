/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_STAGE_H
#define E2B_TESTS_SUPPORT_STAGE_H

#include "support/faults.h"

/* A server that answers everything the library can ask, and a table of everything it can be asked:
 * for tests of what holds for every operation alike. */

/* Above zero while the test is inside a call into the library: no callback may come then. */
extern unsigned stage_inside;
#define CALL(expression)                                 \
  __extension__({                                        \
    stage_inside++;                                      \
    __typeof__(expression) stage_result_ = (expression); \
    stage_inside--;                                      \
    stage_result_;                                       \
  })
#define CALL_VOID(expression) (stage_inside++, (void)(expression), (void)stage_inside--)

/* For callbacks, out of which no test must jump. */
#define REQUIRE(condition) ((condition) ? (void)0 : stage_broken(#condition, __FILE__, __LINE__))
_Noreturn void stage_broken(const char *what, const char *file, int line);

typedef struct stage {
  faults_t f;
  char sandbox_url[64];
  e2b_command_t *command; /* attached, runs until it is killed or its input is closed */
  e2b_upload_t *upload;
  size_t upload_left;       /* to be written still */
  e2b_command_t *output_of; /* inside on_callback() only: whose output it is */
  e2b_transfer_t *data_of;
  unsigned callbacks; /* of all kinds but futures */
  unsigned outcomes;  /* futures that called back */
  int last_code;
  unsigned closed; /* calls of on_closed */
  /* Called first thing in every callback of data, if set. */
  void (*on_callback)(struct stage *s, const char *kind);
} stage_t;

/* A client, its sandbox, and the whole script. */
void stage_open(stage_t *s, const e2b_rpc_encoding_t *encoding);
/* The same with the client's options changed before. */
void stage_open_with(stage_t *s, const e2b_rpc_encoding_t *encoding,
                     void (*change)(e2b_client_options *options));
/* Rules for every request; rules that were there before come first. */
void stage_script(faults_t *f);
/* The program of stage->command. */
void stage_attach(stage_t *s);
/* Turns the loop until nothing is pending, on the wire or in line. */
void stage_settle(stage_t *s);
/* Closes the client (if it is not closing), and releases whatever the stage still has after
 * on_closed; on_closed must have come once. */
void stage_close(stage_t *s);
/* What client options ask for as on_closed. */
void stage_on_closed(void *stage);

/* Callbacks that check that nobody is inside the library, and count; user_data is the stage. */
void stage_on_output(e2b_command_t *command, const char *data, size_t len, void *user_data);
void stage_on_drain(e2b_command_t *command, void *user_data);
void stage_on_data(e2b_transfer_t *transfer, const char *data, size_t len, void *user_data);
/* Writes what is left of the upload, then ends it. */
void stage_on_upload_drain(e2b_upload_t *upload, void *user_data);
void stage_on_future(e2b_future_t *future, void *user_data);
/* Options with the first two. */
void stage_run_options(stage_t *s, e2b_run_options *options);

typedef struct operation {
  const char *name;
  e2b_future_t *(*start)(stage_t *s);
  bool on_command;              /* needs stage->command */
  void (*prepare)(faults_t *f); /* rules of its own, or NULL */
} operation_t;

extern const operation_t operations[];
extern const size_t operations_count;

/* A stream's answer made of programs: their output, then their exit, in one piece or several. */
void stage_program(faults_t *f, fault_rule_t *rule, const char *out, const char *err,
                   unsigned exit_code);

#endif
