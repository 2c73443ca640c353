/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json.h"
#include "support/cells.h"

/* Cells: what their streams hold and in which order, how they are interrupted, and what happens
 * when a kernel or a client fails in the middle. */

static void lines_come_as_they_are_made(void **state) {
  (void)state;
  wire_exchange_t *exchange = cells_begin("import time, sys\n"
                                          "print('one', flush=True)\n"
                                          "while not globals().get('go'): time.sleep(0.01)",
                                          NULL);
  cells_until(exchange, "one");
  assert_false(exchange->done);
  cells_cut(exchange);
  cell_t *cell =
      cells_run("import sys\nprint('a'); print('b', file=sys.stderr); print('c'); 5", NULL);
  const char *order[] = {"number_of_executions", "stdout", "stderr", "stdout", "result",
                         "end_of_execution"};
  assert_int_equal(cJSON_GetArraySize(cell->lines), E2B__COUNT(order));
  for (int i = 0; i < (int)E2B__COUNT(order); i++)
    assert_string_equal(e2b__json_string(cJSON_GetArrayItem(cell->lines, i), "type", ""), order[i]);
  /* Members in their order, with blanks, and nothing but ASCII. */
  cell = cells_run("'h\\u00e9 \\U0001f600'", NULL);
  assert_non_null(strstr(cell->text,
                         "{\"type\": \"result\", \"text\": \"h\\u00e9 \\ud83d\\ude00\", "
                         "\"extra\": {}, \"is_main_result\": true}\n"));
  const char *stamp = cells_member(cells_run("print(1)", NULL), "stdout", 0, "timestamp");
  assert_string_equal(stamp + strlen(stamp) - 6, "+00:00");
}

static void output_of_programs_is_output(void **state) {
  (void)state;
  cells_need_isolation();
  cell_t *cell = cells_run("import os, subprocess, sys\n"
                           "print('1')\nsys.stdout.flush()\n"
                           "os.system('echo 2; echo e >&2')\n"
                           "subprocess.run(['echo', '3'], stdout=sys.stdout)\n"
                           "os.write(1, b'\\xe4\\xb8'); os.write(1, b'\\x96\\xff\\n')\n"
                           "sys.stdout.buffer.write('4\\n'.encode())\n"
                           "pid = os.fork()\n"
                           "if pid == 0:\n    print('child', flush=True); os._exit(0)\n"
                           "os.waitpid(pid, 0); None",
                           NULL);
  const char *out = cells_printed(cell, "stdout");
  static const char *const parts[] = {"1\n", "2\n",    "3\n", "\xe4\xb8\x96\xef\xbf\xbd\n",
                                      "4\n", "child\n"};
  for (size_t i = 0; i < E2B__COUNT(parts); i++)
    if (strstr(out, parts[i]) == NULL) fail_msg("no %s in %s", parts[i], out);
  assert_string_equal(cells_printed(cell, "stderr"), "e\n");
  /* What comes after a cell belongs to none. */
  cells_prints("import os, threading, time\n"
               "def late():\n"
               "    while not os.path.exists('go'): time.sleep(0.01)\n"
               "    print('late', flush=True)\n"
               "    os.rename('go', 'gone')\n"
               "threading.Thread(target=late).start()",
               NULL, "");
  wire_shell("cd /home/user && touch go && until [ -e gone ]; do sleep 0.01; done");
  cells_prints("print('now')", NULL, "now\n");
}

static void variables_of_a_cell_are_its_own(void **state) {
  (void)state;
  static const char *const env =
      "\"env_vars\":{\"FOO\":\"it's \\\"x\\\"\\n\\\\y\",\"HOME\":\"/h\"}";
  cells_value("import os; os.environ['FOO'] + os.environ['HOME']", env, "it\\'s \"x\"\\n\\\\y/h");
  cells_value("os.environ.get('FOO'), os.environ['HOME'] == '/h'", NULL, "(None, False)");
  cells_fails("os.environ['FOO']; 1/0", env, "ZeroDivisionError", NULL);
  cells_value("'FOO' in os.environ", NULL, "False");
}

static void values_that_json_does_not_know(void **state) {
  (void)state;
  cell_t *cell = cells_run("{'big': 2**70, 'max': 2**64 - 1, (1, 2): float('inf')}", NULL);
  assert_null(cJSON_GetObjectItemCaseSensitive(cells_line(cell, "result", 0), "json"));
  cell = cells_run("import pandas as pd, decimal\n"
                   "pd.DataFrame({'d': [decimal.Decimal('1.5')], 'b': [2**70]})",
                   NULL);
  char *data = cJSON_PrintUnformatted(
      cJSON_GetObjectItemCaseSensitive(cells_line(cell, "result", 0), "data"));
  assert_string_equal(data, "{\"d\":[\"1.5\"],\"b\":[1.1805916207174113e+21]}");
  cJSON_free(data);
  cells_value("print('\\ud800'); 1", NULL, "1");
}

/* Whether the client's connection is closed while the cell runs, or before it has begun. */
/* E2B's template does not cut long lists, and its shell has these modules without an import. */
static void results_are_as_in_the_template(void **state) {
  (void)state;
  cell_t *cell = cells_run("list(range(2000))", NULL);
  const char *text = cells_member(cell, "result", 0, "text");
  assert_non_null(strstr(text, " 1999]"));
  assert_null(strstr(text, "..."));
  cells_prints("print(os.path.sep, IPython.__name__, sys.byteorder != '')", NULL,
               "/ IPython True\n");
  cells_prints("%who", NULL, "Interactive namespace is empty.\n");
}

static void leave(const char *code, const char *more, bool begun) {
  wire_exchange_t *exchange = cells_begin(code, more);
  if (begun)
    cells_until(exchange, "number_of_executions");
  else
    wire_turn();
  cells_cut(exchange);
}

static void a_client_that_goes_interrupts(void **state) {
  (void)state;
  cells_prints("x = 1", NULL, "");
  for (int i = 0; i < 8; i++) {
    leave("import time\ntime.sleep(300)", NULL, i % 2 == 0);
    cells_value("x", NULL, "1");
  }
  leave("import subprocess\nsubprocess.run(['sleep', '300'])", NULL, true);
  cells_value("x", NULL, "1");
  leave("while True: pass", NULL, true);
  cells_value("x", NULL, "1");
  /* One that catches it is asked again. */
  leave("import time\nn = 0\nwhile n < 2:\n  try: time.sleep(300)\n"
        "  except KeyboardInterrupt: n += 1",
        NULL, true);
  cells_value("n", NULL, "2");
}

static void a_kernels_death_is_told(void **state) {
  (void)state;
  static const char *const deaths[] = {"import os; os._exit(1)",
                                       "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
                                       "import os; print('x', flush=True); os.abort()"};
  for (size_t i = 0; i < E2B__COUNT(deaths); i++) {
    cells_prints("x = 1", NULL, "");
    wire_exchange_t *dying = cells_begin(deaths[i], NULL);
    wire_exchange_t *waiting = cells_begin("1 + 1", NULL);
    cell_t *cell = cells_take(dying);
    assert_true(cell->ended);
    assert_string_equal(cells_member(cell, "error", 0, "name"), "ContextRestarting");
    assert_string_equal(cells_member(cell, "error", 0, "value"), "Context was restarted");
    cell = cells_take(waiting);
    assert_true(cell->ended);
    assert_string_equal(cells_member(cell, "result", 0, "text"), "2");
    assert_int_equal(
        e2b__json_int(cells_line(cell, "number_of_executions", 0), "execution_count", 0), 1);
    cells_fails("x", NULL, "NameError", NULL);
  }
  cells_prints("x = 1; print('bye'); exit()", NULL, "bye\n");
  cells_fails("x", NULL, "NameError", NULL);
  /* A child that has the kernel's pipes outlives it. */
  cell_t *cell = cells_run("import os, time\nif os.fork() == 0:\n  time.sleep(60)\n"
                           "else:\n  os._exit(1)",
                           NULL);
  assert_string_equal(cells_member(cell, "error", 0, "name"), "ContextRestarting");
}

static void much_of_it(void **state) {
  (void)state;
  cell_t *cell = cells_run("for i in range(200000): print(i)", NULL);
  assert_int_equal(strlen(cells_printed(cell, "stdout")), 1288890);
  cell = cells_run("from IPython.display import display\nfor i in range(2000): display(i)\n'end'",
                   NULL);
  assert_string_equal(cells_member(cell, "result", 2000, "text"), "end");
  /* A line of 20 MB, and code of 5 MB. */
  cell = cells_run("'x' * 20_000_000", NULL);
  assert_int_equal(strlen(cells_member(cell, "result", 0, "text")), 20000000);
  char *code = malloc(5000000);
  assert_non_null(code);
  memset(code, 'y', 5000000);
  memcpy(code, "len('", 5);
  memcpy(code + 5000000 - 3, "')", 3);
  cells_value(code, NULL, "4999992");
  free(code);
}

/* A client that does not read: its kernel waits, the host keeps little of it, others go on. */
static void a_slow_client_slows_its_kernel(void **state) {
  (void)state;
  wire_exchange_t *slow =
      cells_begin("import os\nfor i in range(4000): os.write(1, b'x' * 9999 + b'\\n')\n"
                  "print('done')",
                  NULL);
  cells_until(slow, "xxx");
  assert_int_equal(curl_easy_pause(slow->easy, CURLPAUSE_RECV), CURLE_OK);
  size_t had = slow->body.len;
  for (int i = 0; i < 3; i++)
    cells_value("'other'", cells_in(cells_context("{}")), "other");
  assert_int_equal(slow->body.len, had);
  assert_false(slow->done);
  assert_int_equal(curl_easy_pause(slow->easy, CURLPAUSE_CONT), CURLE_OK);
  cell_t *cell = cells_take(slow);
  assert_true(cell->ended);
  assert_int_equal(strlen(cells_printed(cell, "stdout")), 40000005);
}

/* Nothing that could be said in the middle of a line would be understood: the answer is cut. */
static void a_death_inside_a_line_cuts_the_answer(void **state) {
  (void)state;
  char line[64];
  const char *pid = cells_member(cells_run("import os; os.getpid()", NULL), "result", 0, "text");
  snprintf(line, sizeof line, "kill -9 %s", pid);
  wire_exchange_t *exchange = cells_begin("'x' * 30_000_000", NULL);
  cells_until(exchange, "xxx");
  assert_int_equal(curl_easy_pause(exchange->easy, CURLPAUSE_RECV), CURLE_OK);
  wire_shell(line);
  assert_int_equal(curl_easy_pause(exchange->easy, CURLPAUSE_CONT), CURLE_OK);
  cell_t *cell = cells_take(exchange);
  assert_false(cell->ended);
  cells_value("1", NULL, "1");
}

static void silence_is_broken_every_five_seconds(void **state) {
  (void)state;
  cell_t *cell = cells_run("import time; time.sleep(5.5); 'x'", NULL);
  assert_string_equal(e2b__json_string(cJSON_GetArrayItem(cell->lines, 1), "type", ""),
                      "keepalive");
  assert_int_equal(cJSON_GetArraySize(cell->lines), 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CELLS_TEST(lines_come_as_they_are_made),
      CELLS_TEST(output_of_programs_is_output),
      CELLS_TEST(variables_of_a_cell_are_its_own),
      CELLS_TEST(values_that_json_does_not_know),
      CELLS_TEST(results_are_as_in_the_template),
      CELLS_TEST(a_client_that_goes_interrupts),
      CELLS_TEST(a_kernels_death_is_told),
      CELLS_TEST(much_of_it),
      CELLS_TEST(a_slow_client_slows_its_kernel),
      CELLS_TEST(a_death_inside_a_line_cuts_the_answer),
      CELLS_TEST(silence_is_broken_every_five_seconds),
  };
  CELLS_RUN(tests);
}
