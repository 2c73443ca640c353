/* SPDX-License-Identifier: MIT */
#include "support/scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Programs run to their end: what they are given, and how they end. */

static e2b_run_options with;

static e2b_run_options *fresh(void) {
  E2B_INIT(&with);
  return &with;
}

static const e2b_execution_t *run(const char *program, const char *const *args,
                                  const e2b_run_options *options) {
  return RAN(e2b_run_command(scene.sandbox, program, args, options));
}

static void output_arrives(void **state) {
  (void)state;
  const char *const args[] = {"hello", NULL};
  const e2b_execution_t *end = run("echo", args, NULL);
  assert_out(end, "hello\n");
  assert_err(end, "");
  assert_int_equal(end->exit_code, 0);
  assert_true(end->exited);
  assert_string_equal(end->status, "exit status 0");
  assert_true(end->pid > 1);
  assert_true(end->duration_us > 0);
  assert_string_equal(end->sandbox_id, e2b_sandbox_id(scene.sandbox));
  assert_string_equal(end->provider, "e2b");
  assert_int_equal(end->runtime, E2B_RUNTIME_AUTO);
}

static void arguments_arrive_as_given(void **state) {
  (void)state;
  const char *const args[] = {
      "[%s]",        "a b",        "$HOME",    "",        "it's",
      "say \"hi\"",  "line\nfeed", "`id`",     "*",       "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
      "back\\slash", "-n",         "; exit 9", "\ttab\r", NULL};
  const e2b_execution_t *end = run("printf", args, NULL);
  assert_out(end, "[a b][$HOME][][it's][say \"hi\"][line\nfeed][`id`][*]"
                  "[\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80][back\\slash][-n][; exit 9][\ttab\r]");
}

static void five_hundred_arguments(void **state) {
  (void)state;
  static char texts[500][8];
  const char *args[502] = {"%s\n"};
  char expected[500 * 8 + 1] = "";
  size_t len = 0;
  for (size_t i = 0; i < 500; i++) {
    snprintf(texts[i], sizeof texts[i], "a %03zu", i);
    args[i + 1] = texts[i];
    len += (size_t)snprintf(expected + len, sizeof expected - len, "a %03zu\n", i);
  }
  assert_out(run("printf", args, NULL), expected);
}

static void an_argument_too_long_is_refused(void **state) {
  (void)state;
  const size_t len = 140000;
  char *text = test_malloc(len + 1);
  memset(text, 'x', len);
  text[len] = '\0';
  const char *const args[] = {text, NULL};
  const e2b_error_t *error =
      FAILS(E2B_EREQUEST, e2b_run_command(scene.sandbox, "echo", args, NULL));
  assert_non_null(strstr(error->detail, "argument list too long"));
  test_free(text);
}

static void no_arguments_at_all(void **state) {
  (void)state;
  assert_int_equal(run("true", NULL, NULL)->exit_code, 0);
}

static void a_shell_line(void **state) {
  (void)state;
  const e2b_execution_t *end = RAN(e2b_run_shell(
      scene.sandbox, "printf '%s|' $((6 * 7)) \"a  b\" | tr '|' '.'; shopt -q login_shell", NULL));
  assert_out(end, "42.a  b.");
  assert_int_equal(end->exit_code, 0);
}

static void working_directory(void **state) {
  (void)state;
  assert_true(YES(e2b_files_mkdir(scene.sandbox, scene_path("a dir"), NULL)));
  e2b_run_options *options = fresh();
  options->cwd = scene_path("a dir");
  const e2b_execution_t *end = run("pwd", NULL, options);
  assert_bytes(end->stdout_data, scene_path("a dir\n"), strlen(options->cwd) + 1);
  options->cwd = "/";
  assert_out(run("pwd", NULL, options), "/\n");
  assert_string_equal(scene_shell("pwd"), scene_shell("cd ~; pwd"));
}

static void a_wrong_working_directory(void **state) {
  (void)state;
  e2b_run_options *options = fresh();
  options->cwd = "/no/such/directory";
  const e2b_error_t *error =
      FAILS(E2B_EREQUEST, e2b_run_command(scene.sandbox, "true", NULL, options));
  assert_non_null(strstr(error->detail, "/no/such/directory"));
  assert_string_equal(error->connect_code, "invalid_argument");
  assert_string_equal(error->operation, "e2b_run_command");
  assert_int_equal(error->sandbox, E2B_PRESENCE_ALIVE);
  options->cwd = "/etc/passwd";
  FAILS(E2B_EREQUEST, e2b_run_command(scene.sandbox, "true", NULL, options));
}

static void environment(void **state) {
  (void)state;
  const e2b_pair_t envs[] = {
      {"PLAIN", "yes"}, {"ODD", "a b=c;$HOME'\"\n\xc3\xa4"}, {"EMPTY", ""}, {"HOME", "/elsewhere"}};
  e2b_run_options *options = fresh();
  options->envs = envs;
  options->envs_count = 4;
  const char *const args[] = {
      "-c", "printf '%s|%s|%s|%s' \"$PLAIN\" \"$ODD\" \"${EMPTY-unset}\" \"$HOME\"", NULL};
  assert_out(run("sh", args, options), "yes|a b=c;$HOME'\"\n\xc3\xa4||/elsewhere");
  const char *const plain[] = {"-c", "echo \"$USER $LOGNAME ${PLAIN-unset}\"; command -v ls", NULL};
  const e2b_execution_t *end = run("sh", plain, NULL);
  assert_non_null(strstr(end->stdout_data.ptr, " unset\n"));
  assert_non_null(strstr(end->stdout_data.ptr, "/ls\n"));
}

static void users(void **state) {
  (void)state;
  skip_unless(&scene.server, SERVER_ANY_USER, "there, all programs are of one user");
  const char *const args[] = {"-c", "id -un; id -u; echo $HOME $USER", NULL};
  e2b_run_options *options = fresh();
  options->user = "root";
  assert_out(run("sh", args, options), "root\n0\n/root root\n");
  options->user = "user";
  const char *out = run("sh", args, options)->stdout_data.ptr;
  assert_int_equal(strncmp(out, "user\n", 5), 0);
  assert_non_null(strstr(out, "/home/user user\n"));
  assert_out(run("id", (const char *const[]){"-un", NULL}, NULL), "user\n");
}

static void an_unknown_user(void **state) {
  (void)state;
  e2b_run_options *options = fresh();
  options->user = "nobody-of-that-name";
  const e2b_error_t *error =
      FAILS(E2B_EAUTH, e2b_run_command(scene.sandbox, "true", NULL, options));
  assert_non_null(strstr(error->detail, "nobody-of-that-name"));
  /* Which credentials were refused matters: the sandbox is fine. */
  assert_int_equal(error->sandbox, E2B_PRESENCE_ALIVE);
}

static void exit_codes_are_data(void **state) {
  (void)state;
  static const int codes[] = {0, 1, 2, 3, 42, 126, 127, 128, 137, 255};
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    char line[32];
    char status[32];
    snprintf(line, sizeof line, "exit %d", codes[i]);
    snprintf(status, sizeof status, "exit status %d", codes[i]);
    const e2b_execution_t *end = RAN(e2b_run_shell(scene.sandbox, line, NULL));
    assert_int_equal(end->exit_code, codes[i]);
    assert_true(end->exited);
    assert_string_equal(end->status, status);
  }
}

static void a_program_that_is_not_there(void **state) {
  (void)state;
  const e2b_execution_t *end = run("/no/such/program", NULL, NULL);
  assert_int_equal(end->exit_code, 127);
  assert_non_null(strstr(end->stderr_data.ptr, "/no/such/program"));
  assert_non_null(strstr(end->stderr_data.ptr, "No such file or directory"));
  end = run("no-such-program-in-the-path", NULL, NULL);
  assert_int_equal(end->exit_code, 127);
}

static void a_program_that_cannot_run(void **state) {
  (void)state;
  OK(e2b_files_write(scene.sandbox, scene_path("plain.txt"), "x", 1, NULL));
  const e2b_execution_t *end = run(scene_path("plain.txt"), NULL, NULL);
  assert_int_equal(end->exit_code, 126);
  assert_non_null(strstr(end->stderr_data.ptr, "Permission denied"));
  assert_int_equal(run("/tmp", NULL, NULL)->exit_code, 126);
}

static void ended_by_a_signal(void **state) {
  (void)state;
  const char *const killed[] = {"-c", "kill -KILL $$", NULL};
  const e2b_execution_t *end = run("sh", killed, NULL);
  assert_int_equal(end->exit_code, -1);
  assert_false(end->exited);
  assert_string_equal(end->status, "signal: killed");
  const char *const terminated[] = {"-c", "echo last; kill -TERM $$", NULL};
  end = run("sh", terminated, NULL);
  assert_int_equal(end->exit_code, -1);
  assert_string_equal(end->status, "signal: terminated");
  assert_out(end, "last\n");
}

static void standard_streams_stay_apart(void **state) {
  (void)state;
  const e2b_execution_t *end = RAN(e2b_run_shell(
      scene.sandbox, "for i in 1 2 3; do echo out$i; echo err$i >&2; done; exit 3", NULL));
  assert_out(end, "out1\nout2\nout3\n");
  assert_err(end, "err1\nerr2\nerr3\n");
  assert_int_equal(end->exit_code, 3);
}

static bool runs(uint32_t pid) {
  const e2b_process_list_t *list = e2b_future_process_list(OK(e2b_command_list(scene.sandbox)));
  for (size_t i = 0; i < list->count; i++) {
    if (list->items[i].pid == pid) return true;
  }
  return false;
}

static void a_lifetime(void **state) {
  (void)state;
  e2b_run_options *options = fresh();
  options->timeout_ms = 700;
  const e2b_error_t *error =
      FAILS(E2B_ETIMEDOUT,
            e2b_run_shell(scene.sandbox, "echo begun; echo bad >&2; exec sleep 600", options));
  assert_int_equal(error->clock, E2B_CLOCK_LIFETIME);
  assert_non_null(error->partial);
  assert_out(error->partial, "begun\n");
  assert_err(error->partial, "bad\n");
  assert_int_equal(error->sandbox, E2B_PRESENCE_ALIVE);
  /* It is not only given up: it dies. */
  for (unsigned tries = 0; runs(error->partial->pid); tries++) {
    scene_pace(tries);
  }
}

static void cancelling_kills_the_program(void **state) {
  (void)state;
  const char *mark = scene_path("mark");
  char line[256];
  snprintf(line, sizeof line, "echo $$ >%s; exec sleep 600", mark);
  e2b_future_t *future = scene_keep(e2b_run_shell(scene.sandbox, line, NULL));
  for (unsigned tries = 0; !YES(e2b_files_exists(scene.sandbox, mark, NULL)) ||
                           BYTES(e2b_files_read(scene.sandbox, mark, NULL))->len == 0;
       tries++) {
    scene_pace(tries);
  }
  assert_int_equal(e2b_future_cancel(future), 0);
  assert_int_equal(e2b_future_await(future, 0), E2B_ECANCELED);
  snprintf(line, sizeof line, "while kill -0 $(cat %s) 2>/dev/null; do sleep 0.02; done", mark);
  scene_shell(line);
}

static void a_grandchild_that_keeps_the_output(void **state) {
  (void)state;
  /* The result waits for all who may still write, and has what they wrote. */
  const e2b_execution_t *end =
      RAN(e2b_run_shell(scene.sandbox, "(sleep 0.3; echo late) & echo soon; exit 5", NULL));
  assert_out(end, "soon\nlate\n");
  assert_int_equal(end->exit_code, 5);
  /* One that lets go of it does not hold anything up. */
  end = RAN(e2b_run_shell(scene.sandbox, "sleep 30 >/dev/null 2>&1 </dev/null & echo $!", NULL));
  assert_int_equal(end->exit_code, 0);
  char line[64];
  snprintf(line, sizeof line, "kill %ld", strtol(end->stdout_data.ptr, NULL, 10));
  scene_shell(line);
}

/* Whatever the server, and the program that embeds it, have open is not theirs. */
static void nothing_else_is_open(void **state) {
  (void)state;
  if (scene.server.host == NULL) {
    server_skip(&scene.server, "what a daemon inherited is its own affair");
  }
  const int fd = dup(STDIN_FILENO); /* without FD_CLOEXEC, as in many an application */
  assert_true(fd > 2);
  e2b_sandbox_t *sandbox = MADE(e2b_sandbox_create(scene.client, NULL));
  const char *const args[] = {"-c", "cd /proc/self/fd && echo *", NULL};
  const char *out = RAN(e2b_run_command(sandbox, "sh", args, NULL))->stdout_data.ptr;
  close(fd);
  const size_t shells_own = strspn(out, "0123456789 \n");
  assert_int_equal(shells_own, strlen(out));
  for (const char *at = out; *at != '\0'; at += strcspn(at, " \n") + 1) {
    const long number = strtol(at, NULL, 10); /* the shell itself reads the directory */
    assert_true(number <= 3 || number == 10);
  }
}

static void wrong_calls(void **state) {
  (void)state;
  FAILS(E2B_EINVAL, e2b_run_command(scene.sandbox, NULL, NULL, NULL));
  FAILS(E2B_EINVAL, e2b_run_shell(scene.sandbox, NULL, NULL));
  const e2b_pair_t nameless[] = {{NULL, "x"}};
  e2b_run_options *options = fresh();
  options->envs = nameless;
  options->envs_count = 1;
  FAILS(E2B_EINVAL, e2b_run_command(scene.sandbox, "true", NULL, options));
  options = fresh();
  options->cwd = "/\xff";
  const e2b_error_t *error =
      FAILS(E2B_EINVAL, e2b_run_command(scene.sandbox, "true", NULL, options));
  assert_non_null(strstr(error->message, "UTF-8"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE_TEST(output_arrives),
      SCENE_TEST(arguments_arrive_as_given),
      SCENE_TEST(five_hundred_arguments),
      SCENE_TEST(an_argument_too_long_is_refused),
      SCENE_TEST(no_arguments_at_all),
      SCENE_TEST(a_shell_line),
      SCENE_TEST(working_directory),
      SCENE_TEST(a_wrong_working_directory),
      SCENE_TEST(environment),
      SCENE_TEST(users),
      SCENE_TEST(an_unknown_user),
      SCENE_TEST(exit_codes_are_data),
      SCENE_TEST(a_program_that_is_not_there),
      SCENE_TEST(a_program_that_cannot_run),
      SCENE_TEST(ended_by_a_signal),
      SCENE_TEST(standard_streams_stay_apart),
      SCENE_TEST(a_lifetime),
      SCENE_TEST(cancelling_kills_the_program),
      SCENE_TEST(a_grandchild_that_keeps_the_output),
      SCENE_TEST(nothing_else_is_open),
      SCENE_TEST(wrong_calls),
  };
  return cmocka_run_group_tests_name("commands", tests, scene_open, scene_close);
}
