/* SPDX-License-Identifier: MIT */
#include "support/scene.h"

#include <stdio.h>
#include <stdlib.h>

/* Code in Python and JavaScript: which interpreter, what counts as a syntax error, what is data. */

static e2b_runtime_t runtime;

static const e2b_code_options *in(e2b_runtime_t which) {
  static e2b_code_options options;
  E2B_INIT(&options);
  options.runtime = which;
  return &options;
}

static const e2b_execution_t *run(const char *code) {
  return RAN(e2b_run_code(scene.sandbox, code, in(runtime)));
}

static void python(void) {
  runtime = E2B_RUNTIME_PYTHON;
  if (!scene_can("command -v python3")) server_skip(&scene.server, "there is no python3");
}

static void node(void) {
  runtime = E2B_RUNTIME_NODE;
  if (!scene_can("command -v node")) server_skip(&scene.server, "there is no node");
}

static void both(void) {
  python();
  node();
  runtime = E2B_RUNTIME_AUTO;
}

/* The code ran, and ended with 1 and such an error on stderr; what it printed before is there. */
static void assert_raises(const char *code, const char *printed, const char *kind) {
  const e2b_execution_t *end = run(code);
  assert_int_equal(end->exit_code, 1);
  assert_out(end, printed);
  if (strstr(end->stderr_data.ptr, kind) == NULL) {
    print_error("no %s in: %s\n", kind, end->stderr_data.ptr);
    fail();
  }
}

static void assert_unparsable(const char *code, const char *kind) {
  const e2b_error_t *error = FAILS(E2B_ESYNTAX, e2b_run_code(scene.sandbox, code, in(runtime)));
  assert_int_equal(strncmp(error->message, "Syntax error", 12), 0);
  assert_non_null(strstr(error->message, kind));
  assert_non_null(strstr(error->detail, kind));
  assert_string_equal(error->operation, "e2b_run_code");
  assert_int_equal(error->sandbox, E2B_PRESENCE_ALIVE);
}

/* --- which interpreter --------------------------------------------------------------------------
 */

static void python_runs(void **state) {
  (void)state;
  python();
  const e2b_execution_t *end = run("import json\n"
                                   "data = {\"message\": \"Hello from Python\"}\n"
                                   "print(json.dumps(data))\n");
  assert_out(end, "{\"message\": \"Hello from Python\"}\n");
  assert_int_equal(end->exit_code, 0);
  assert_int_equal(end->runtime, E2B_RUNTIME_PYTHON);
  assert_string_equal(end->provider, "e2b");
}

static void node_runs(void **state) {
  (void)state;
  node();
  const e2b_execution_t *end = run("const data = { message: \"Hello from Node.js\" };\n"
                                   "console.log(JSON.stringify(data));\n");
  assert_out(end, "{\"message\":\"Hello from Node.js\"}\n");
  assert_int_equal(end->runtime, E2B_RUNTIME_NODE);
}

static void the_runtime_is_detected(void **state) {
  (void)state;
  both();
  assert_out(run("print(\"Auto-detected as Python\")"), "Auto-detected as Python\n");
  assert_int_equal(run("print(1)")->runtime, E2B_RUNTIME_PYTHON);
  assert_int_equal(run("def f():\n  pass\n")->runtime, E2B_RUNTIME_PYTHON);
  assert_int_equal(run("console.log(1)")->runtime, E2B_RUNTIME_NODE);
  assert_int_equal(run("let x = 1;")->runtime, E2B_RUNTIME_NODE);
}

static void prefer_node(e2b_client_options *options) {
  options->runtime = E2B_RUNTIME_NODE;
}

static void call_over_client_over_detection(void **state) {
  (void)state;
  both();
  /* Valid in both: a sum. */
  const char *code = "1 + 1";
  assert_int_equal(RAN(e2b_run_code(scene.sandbox, code, in(E2B_RUNTIME_PYTHON)))->runtime,
                   E2B_RUNTIME_PYTHON);
  assert_int_equal(RAN(e2b_run_code(scene.sandbox, code, in(E2B_RUNTIME_NODE)))->runtime,
                   E2B_RUNTIME_NODE);
  skip_unless(&scene.server, SERVER_CONTROL, "one client more needs a sandbox to connect to");
  e2b_client_t *client = scene_client(prefer_node);
  e2b_future_t *future = e2b_sandbox_connect(client, e2b_sandbox_id(scene.sandbox), NULL);
  e2b_sandbox_t *sandbox = e2b_future_sandbox(OK(future));
  const char *looks_like_python = "print = console.log\nprint('node')";
  const e2b_execution_t *end = RAN(e2b_run_code(sandbox, looks_like_python, NULL));
  assert_int_equal(end->runtime, E2B_RUNTIME_NODE);
  assert_out(end, "node\n");
  end = RAN(e2b_run_code(sandbox, "print('py')", in(E2B_RUNTIME_PYTHON)));
  assert_int_equal(end->runtime, E2B_RUNTIME_PYTHON);
  e2b_sandbox_release(sandbox);
}

/* --- what is an error ---------------------------------------------------------------------------
 */

static void python_that_does_not_parse(void **state) {
  (void)state;
  python();
  assert_unparsable("def f(:\n  print(1)\n", "SyntaxError");
  assert_unparsable("print('unterminated", "SyntaxError");
  assert_unparsable("if True:\nprint(1)\n", "IndentationError");
  assert_unparsable("print('before')\nx = = 1\n", "SyntaxError");
  assert_unparsable("return 1\n", "SyntaxError");
}

static void node_that_does_not_parse(void **state) {
  (void)state;
  node();
  assert_unparsable("invalid code", "SyntaxError");
  assert_unparsable("console.log('before'); let = = 1;", "SyntaxError");
  assert_unparsable("function (", "SyntaxError");
  assert_unparsable("import x from 'node:os'; let x = 1; }", "SyntaxError");
}

static void invalid_code(void **state) {
  (void)state;
  node();
  runtime = E2B_RUNTIME_AUTO;
  assert_unparsable("invalid code", "SyntaxError");
}

static void python_errors_at_run_time(void **state) {
  (void)state;
  python();
  assert_raises("print('x')\n1/0\n", "x\n", "ZeroDivisionError");
  assert_raises("1/0", "", "ZeroDivisionError");
  assert_raises("raise SyntaxError('mine')", "", "SyntaxError: mine");
  assert_raises("exec('1+')", "", "SyntaxError");
  assert_raises("eval('def')", "", "SyntaxError");
  assert_raises("import json\njson.loads('{')", "", "JSONDecodeError");
  assert_raises("print(undefined_name)", "", "NameError");
  assert_raises("import no_such_module_anywhere", "", "ModuleNotFoundError");
  assert_int_equal(run("import sys; sys.exit(3)")->exit_code, 3);
  assert_int_equal(run("import sys; sys.exit('SyntaxError: told')")->exit_code, 1);
  assert_int_equal(run("import os; os.kill(os.getpid(), 9)")->exit_code, -1);
}

static void python_imports_a_broken_file(void **state) {
  (void)state;
  python();
  OK(e2b_files_write(scene.sandbox, scene_path("broken_module.py"), "def f(:\n", 8, NULL));
  char code[256];
  snprintf(code, sizeof code, "import sys\nsys.path.insert(0, '%s')\nimport broken_module\n",
           scene_path(""));
  assert_raises(code, "", "SyntaxError");
}

static void node_errors_at_run_time(void **state) {
  (void)state;
  node();
  assert_raises("console.log('x'); null.y", "x\n", "TypeError");
  assert_raises("JSON.parse('{')", "", "SyntaxError");
  assert_raises("eval('let = =')", "", "SyntaxError");
  assert_raises("new Function('(')", "", "SyntaxError");
  assert_raises("throw new SyntaxError('mine')", "", "SyntaxError: mine");
  assert_raises("new RegExp('(')", "", "SyntaxError");
  assert_raises("undefinedName", "", "ReferenceError");
  assert_raises("require('no-such-module')", "", "Cannot find module");
  assert_raises("Promise.reject(new SyntaxError('later'))", "", "SyntaxError: later");
  assert_int_equal(run("process.exit(3)")->exit_code, 3);
  assert_int_equal(run("process.kill(process.pid, 'SIGKILL')")->exit_code, -1);
}

static void node_requires_a_broken_file(void **state) {
  (void)state;
  node();
  OK(e2b_files_write(scene.sandbox, scene_path("broken.js"), "let = = 1;", 10, NULL));
  char code[256];
  snprintf(code, sizeof code, "console.log('a'); require('%s')", scene_path("broken.js"));
  assert_raises(code, "a\n", "SyntaxError");
  snprintf(code, sizeof code, "require('%s')", scene_path("broken.js"));
  assert_raises(code, "", "SyntaxError");
}

/* --- modules ------------------------------------------------------------------------------------
 */

static void modules_and_await(void **state) {
  (void)state;
  node();
  assert_out(run("import os from 'node:os';\nconsole.log(typeof os.cpus);"), "function\n");
  assert_out(run("const x = await Promise.resolve(5);\nconsole.log(x)"), "5\n");
  assert_out(run("import { basename } from 'path';\nconst x = await 7;\n"
                 "console.log(basename('/a/b'), x);\nexport default 1;"),
             "b 7\n");
  assert_raises("const x = await Promise.resolve(5);\nconsole.log(x);\nJSON.parse('{')", "5\n",
                "SyntaxError");
  assert_raises("await Promise.reject(new SyntaxError('mine'))", "", "SyntaxError: mine");
  assert_out(run("const os = require('os'); console.log(typeof os.cpus)"), "function\n");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE_TEST(python_runs),
      SCENE_TEST(node_runs),
      SCENE_TEST(the_runtime_is_detected),
      SCENE_TEST(call_over_client_over_detection),
      SCENE_TEST(python_that_does_not_parse),
      SCENE_TEST(node_that_does_not_parse),
      SCENE_TEST(invalid_code),
      SCENE_TEST(python_errors_at_run_time),
      SCENE_TEST(python_imports_a_broken_file),
      SCENE_TEST(node_errors_at_run_time),
      SCENE_TEST(node_requires_a_broken_file),
      SCENE_TEST(modules_and_await),
  };
  return cmocka_run_group_tests_name("code", tests, scene_open, scene_close);
}
