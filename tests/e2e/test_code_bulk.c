/* SPDX-License-Identifier: MIT */
#include "support/scene.h"

#include <stdio.h>
#include <stdlib.h>

/* Code of any size and with any character in it, its input, output and surroundings. */

static e2b_run_options run_options;
static e2b_code_options code_options;

static e2b_code_options *in(e2b_runtime_t runtime) {
  E2B_INIT(&run_options);
  E2B_INIT(&code_options);
  code_options.runtime = runtime;
  code_options.run = &run_options;
  return &code_options;
}

static const e2b_execution_t *run(const char *code, const e2b_code_options *options) {
  return RAN(e2b_run_code(scene.sandbox, code, options));
}

static void need_both(void) {
  if (!scene_can("command -v python3 && command -v node")) {
    server_skip(&scene.server, "there is no python3 or no node");
  }
}

/* `filler` lines up to `size` bytes, then `last`. */
static char *long_code(const char *filler, size_t size, const char *last) {
  char *code = test_malloc(size + 200);
  const size_t len = strlen(filler);
  size_t at = 0;
  while (at < size) {
    memcpy(code + at, filler, len);
    at += len;
  }
  snprintf(code + at, 100, "%s", last);
  return code;
}

#define PYTHON_LINE "# filler filler filler filler filler filler filler\n"
#define NODE_LINE   "// filler filler filler filler filler filler filler\n"

static void code_of_any_size(void **state) {
  (void)state;
  need_both();
  static const size_t sizes[] = {90 << 10, 96 << 10, 100 << 10, 130 << 10, 132 << 10, 1 << 20};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    char *code = long_code(PYTHON_LINE, sizes[i], "print('end of python')\n");
    assert_out(run(code, in(E2B_RUNTIME_PYTHON)), "end of python\n");
    test_free(code);
    code = long_code(NODE_LINE, sizes[i], "console.log('end of node')\n");
    assert_out(run(code, in(E2B_RUNTIME_NODE)), "end of node\n");
    test_free(code);
  }
}

static void ten_megabytes(void **state) {
  (void)state;
  need_both();
  char *code = long_code(PYTHON_LINE, 10 << 20, "print('end of python')\n");
  assert_out(run(code, in(E2B_RUNTIME_PYTHON)), "end of python\n");
  test_free(code);
  code = long_code(NODE_LINE, 10 << 20, "console.log('end of node')\n");
  assert_out(run(code, in(E2B_RUNTIME_NODE)), "end of node\n");
  test_free(code);
}

static void long_code_fails_like_short_code(void **state) {
  (void)state;
  need_both();
  char *code = long_code(PYTHON_LINE, 200 << 10, "def f(:\n");
  const e2b_error_t *error =
      FAILS(E2B_ESYNTAX, e2b_run_code(scene.sandbox, code, in(E2B_RUNTIME_PYTHON)));
  assert_non_null(strstr(error->detail, "SyntaxError"));
  test_free(code);
  code = long_code(PYTHON_LINE, 200 << 10, "exec('1+')\n");
  assert_int_equal(run(code, in(E2B_RUNTIME_PYTHON))->exit_code, 1);
  test_free(code);
  code = long_code(NODE_LINE, 200 << 10, "let = = 1;\n");
  FAILS(E2B_ESYNTAX, e2b_run_code(scene.sandbox, code, in(E2B_RUNTIME_NODE)));
  test_free(code);
  code = long_code(NODE_LINE, 200 << 10, "JSON.parse('{')\n");
  assert_int_equal(run(code, in(E2B_RUNTIME_NODE))->exit_code, 1);
  test_free(code);
  code = long_code(NODE_LINE, 200 << 10, "import os from 'os'; console.log(await 1)\n");
  assert_out(run(code, in(E2B_RUNTIME_NODE)), "1\n");
  test_free(code);
}

static void every_character(void **state) {
  (void)state;
  need_both();
  assert_out(run("print('it\\'s \"q\" `b` $HOME \\\\ %s \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80')",
                 in(E2B_RUNTIME_PYTHON)),
             "it's \"q\" `b` $HOME \\ %s \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\n");
  assert_out(run("console.log('it\\'s \"q\" $HOME \\\\ %d \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80')",
                 in(E2B_RUNTIME_NODE)),
             "it's \"q\" $HOME \\ %d \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\n");
  assert_out(
      run("x = '''a\nb'''\r\nprint(x)\r\nif x:\r\n  print('crlf')\r\n", in(E2B_RUNTIME_PYTHON)),
      "a\nb\ncrlf\n");
  assert_out(run("let x = 1;\r\nconsole.log(x);\r\n", in(E2B_RUNTIME_NODE)), "1\n");
  assert_out(run("-1\nprint('minus')", in(E2B_RUNTIME_PYTHON)), "minus\n");
  assert_out(run("-1; console.log('minus')", in(E2B_RUNTIME_NODE)), "minus\n");
}

static void empty_code(void **state) {
  (void)state;
  need_both();
  assert_int_equal(run("", in(E2B_RUNTIME_PYTHON))->exit_code, 0);
  assert_int_equal(run("", in(E2B_RUNTIME_NODE))->exit_code, 0);
  FAILS(E2B_EINVAL, e2b_run_code(scene.sandbox, NULL, NULL));
}

static void a_nul_in_it(void **state) {
  (void)state;
  need_both();
  static const char python[] = "print('a\0b')";
  e2b_code_options *options = in(E2B_RUNTIME_PYTHON);
  options->code_len = sizeof python - 1;
  e2b_future_t *future = scene_keep(e2b_run_code(scene.sandbox, python, options));
  /* Python refuses it since 3.12, and before in some ways. */
  const int rc = e2b_future_await(future, LONG_ENOUGH_MS);
  assert_true(rc == 0 || rc == E2B_ESYNTAX);
  static const char node[] = "console.log('a\0b'.length)";
  options = in(E2B_RUNTIME_NODE);
  options->code_len = sizeof node - 1;
  assert_out(run(node, options), "3\n");
}

static void standard_input(void **state) {
  (void)state;
  need_both();
  e2b_code_options *options = in(E2B_RUNTIME_PYTHON);
  run_options.stdin_data = "7\n8\n";
  run_options.stdin_len = 4;
  assert_out(run("print(int(input()) * int(input()))", options), "56\n");
  options = in(E2B_RUNTIME_NODE);
  run_options.stdin_data = "some text";
  run_options.stdin_len = 9;
  const char *code = "console.log(require('fs').readFileSync(0, 'utf8').length)";
  assert_out(run(code, options), "9\n");
  /* A module is started a second time: the input comes again, whole. */
  assert_out(run("import fs from 'fs';\nconsole.log(fs.readFileSync(0, 'utf8').length)", options),
             "9\n");
  char *big = long_code(PYTHON_LINE, 200 << 10, "print(input())\n");
  options = in(E2B_RUNTIME_PYTHON);
  run_options.stdin_data = "x";
  run_options.stdin_len = 1;
  FAILS(E2B_EINVAL, e2b_run_code(scene.sandbox, big, options));
  /* Nor may it stay open: the interpreter would wait for the end of the code. */
  options = in(E2B_RUNTIME_PYTHON);
  run_options.keep_stdin_open = 1;
  FAILS(E2B_EINVAL, e2b_run_code(scene.sandbox, big, options));
  test_free(big);
}

static void surroundings(void **state) {
  (void)state;
  need_both();
  const e2b_pair_t envs[] = {{"ANSWER", "forty two"}};
  e2b_code_options *options = in(E2B_RUNTIME_PYTHON);
  run_options.cwd = "/tmp";
  run_options.envs = envs;
  run_options.envs_count = 1;
  assert_out(run("import os\nprint(os.getcwd(), os.environ['ANSWER'])", options),
             "/tmp forty two\n");
  options->runtime = E2B_RUNTIME_NODE;
  assert_out(run("console.log(process.cwd(), process.env.ANSWER)", options), "/tmp forty two\n");
  assert_out(run("import p from 'node:process';\nconsole.log(p.cwd(), p.env.ANSWER)", options),
             "/tmp forty two\n");
}

static void a_user_of_choice(void **state) {
  (void)state;
  need_both();
  skip_unless(&scene.server, SERVER_ANY_USER, "there, all programs are of one user");
  e2b_code_options *options = in(E2B_RUNTIME_PYTHON);
  run_options.user = "root";
  assert_out(run("import os; print(os.getuid())", options), "0\n");
}

static void its_time_is_limited(void **state) {
  (void)state;
  need_both();
  e2b_code_options *options = in(E2B_RUNTIME_PYTHON);
  run_options.timeout_ms = 1500;
  const e2b_error_t *error =
      FAILS(E2B_ETIMEDOUT,
            e2b_run_code(scene.sandbox, "print('begun', flush=True)\nwhile True: pass\n", options));
  assert_int_equal(error->clock, E2B_CLOCK_LIFETIME);
  assert_out(error->partial, "begun\n");
}

typedef struct sink {
  char text[200];
  size_t len;
  size_t calls;
} sink;

static void on_output(e2b_command_t *command, const char *data, size_t len, void *user_data) {
  sink *to = user_data;
  (void)command;
  assert_true(len < sizeof to->text - to->len);
  memcpy(to->text + to->len, data, len);
  to->len += len;
  to->text[to->len] = '\0';
  to->calls++;
}

static void output_comes_when_it_is_printed(void **state) {
  (void)state;
  need_both();
  sink to = {"", 0, 0};
  e2b_code_options *options = in(E2B_RUNTIME_PYTHON);
  run_options.on_stdout = on_output;
  run_options.user_data = &to;
  run("import time\nprint('first')\ntime.sleep(0.5)\nprint('second')\n", options);
  assert_string_equal(to.text, "first\nsecond\n");
  assert_true(to.calls >= 2);
  options->runtime = E2B_RUNTIME_NODE;
  to.len = 0;
  /* Restarted as a module, it prints once. */
  run("import os from 'os';\nconsole.log('once'); await 1;", options);
  assert_string_equal(to.text, "once\n");
  to.len = 0;
  FAILS(E2B_ESYNTAX, e2b_run_code(scene.sandbox, "invalid code", options));
  assert_int_equal(to.len, 0);
}

static void errors_to_a_callback(void **state) {
  (void)state;
  need_both();
  sink to = {"", 0, 0};
  e2b_code_options *options = in(E2B_RUNTIME_PYTHON);
  run_options.on_stderr = on_output;
  run_options.user_data = &to;
  const e2b_execution_t *end =
      run("import sys; print('told', file=sys.stderr); sys.exit(1)", options);
  assert_int_equal(end->exit_code, 1);
  assert_string_equal(to.text, "told\n");
  to.len = 0;
  const e2b_error_t *error = FAILS(E2B_ESYNTAX, e2b_run_code(scene.sandbox, "def f(:", options));
  assert_non_null(strstr(error->detail, "SyntaxError"));
}

static void large_output(void **state) {
  (void)state;
  need_both();
  const size_t len = 8000001;
  assert_int_equal(run("print('x' * 8000000)", in(E2B_RUNTIME_PYTHON))->stdout_data.len, len);
  assert_int_equal(run("process.stdout.write('x'.repeat(8000000) + '\\n')", in(E2B_RUNTIME_NODE))
                       ->stdout_data.len,
                   len);
  FAILS(E2B_ETOOBIG, e2b_run_code(scene.sandbox, "print('x' * 100000000)", in(E2B_RUNTIME_PYTHON)));
}

static void data_science(void **state) {
  (void)state;
  if (!scene_can("python3 -c 'import numpy, pandas'")) {
    server_skip(&scene.server, "its Python has no numpy or no pandas");
  }
  const e2b_execution_t *end = run("import pandas as pd\n"
                                   "import numpy as np\n"
                                   "\n"
                                   "data = {'A': [1, 2, 3], 'B': [4, 5, 6]}\n"
                                   "df = pd.DataFrame(data)\n"
                                   "print(df)\n"
                                   "print(f\"Sum: {df.sum().sum()}\")\n",
                                   NULL);
  assert_out(end, "   A  B\n0  1  4\n1  2  5\n2  3  6\nSum: 21\n");
  assert_int_equal(end->runtime, E2B_RUNTIME_PYTHON);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE_TEST(code_of_any_size),
      SCENE_TEST(ten_megabytes),
      SCENE_TEST(long_code_fails_like_short_code),
      SCENE_TEST(every_character),
      SCENE_TEST(empty_code),
      SCENE_TEST(a_nul_in_it),
      SCENE_TEST(standard_input),
      SCENE_TEST(surroundings),
      SCENE_TEST(a_user_of_choice),
      SCENE_TEST(its_time_is_limited),
      SCENE_TEST(output_comes_when_it_is_printed),
      SCENE_TEST(errors_to_a_callback),
      SCENE_TEST(large_output),
      SCENE_TEST(data_science),
  };
  return cmocka_run_group_tests_name("code_bulk", tests, scene_open, scene_close);
}
