/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "proto/json.h"
#include "support/cells.h"

/* JavaScript, TypeScript and bash. */

static void javascript_keeps_what_cells_declare(void **state) {
  (void)state;
  cells_value("const x = 1; let {a, b: [c]} = {a: 2, b: [3]}; class A { m() { return a + c } }",
              JAVASCRIPT, "undefined");
  cells_value("new A().m() + x", JAVASCRIPT, "6");
  /* Declared again, and by a cell that awaits. */
  cells_value("const x = await Promise.resolve(5), {y} = {y: 6}\n"
              "async function g() { return x }\nclass Q {}\nfunction f() { return y }\nx + y",
              JAVASCRIPT, "11");
  cells_value("[x, y, f(), await g(), typeof Q].join()", JAVASCRIPT, "5,6,6,5,function");
  cells_value("{a: 1}", JAVASCRIPT, "{ a: 1 }");
  cells_value("(async () => 42)()", JAVASCRIPT, "42");
  cells_value("for (const i of [1, 2]) { await 0 }\n'it\\'s'", JAVASCRIPT, "it's");
  cells_prints("console.log('a'); process.stdout.write('b\\n')", JAVASCRIPT, "a\nb\n");
  assert_string_equal(cells_printed(cells_run("console.error('e')", JAVASCRIPT), "stderr"), "e\n");
  cells_prints("await new Promise(r => setTimeout(() => { console.log('late'); r() }, 50))",
               JAVASCRIPT, "late\n");
}

static void javascript_imports(void **state) {
  (void)state;
  cells_need_isolation();
  wire_shell("cd /home/user && mkdir -p node_modules/pkg && cat >node_modules/pkg/package.json "
             "<<<'{\"name\":\"pkg\",\"type\":\"module\",\"exports\":\"./index.js\"}' && "
             "cat >node_modules/pkg/index.js <<<'export const one = 1; export default 2' && "
             "cat >own.mjs <<<'export const own = 3'");
  cells_value("import fs, {readFileSync as read} from 'fs'\nimport * as path from 'node:path'\n"
              "import {\n  join\n} from 'path'\n"
              "[typeof fs.readFileSync, typeof read, typeof path.join, typeof join].join()",
              JAVASCRIPT, "function,function,function,function");
  cells_value("import two, {one} from 'pkg'\nimport {own} from './own.mjs'\none + two + own",
              JAVASCRIPT, "6");
  cells_value("(await import('pkg')).one", JAVASCRIPT, "1");
  cells_value("typeof require('os').cpus", JAVASCRIPT, "function");
  cells_value("export const e = 9\nexport default function d() {}\ne", JAVASCRIPT, "9");
  cells_value("await (await fetch('http://localhost:49999/health')).text()", JAVASCRIPT, "\"OK\"");
}

static void javascript_fails(void **state) {
  (void)state;
  cells_fails("throw new TypeError('x')", JAVASCRIPT, "TypeError", "x");
  cells_fails("await Promise.reject(new RangeError('y'))", JAVASCRIPT, "RangeError", "y");
  cells_fails("const q = (;", JAVASCRIPT, "SyntaxError", "Unexpected token ';'");
  cells_fails("throw 5", JAVASCRIPT, "Error", "5");
  /* Even an error that fails when it is looked at ends its cell. */
  cells_fails("throw Object.defineProperty(new Error(), 'name', {get() { throw new Error() }})",
              JAVASCRIPT, "Error", "<the error cannot be shown>");
  cell_t *cell = cells_run("\n\nnull.x", JAVASCRIPT);
  assert_non_null(strstr(cells_member(cell, "error", 0, "traceback"), "]:3"));
  cells_value("x = 1", JAVASCRIPT, "1");
  /* Outside of any cell's flow it is no end of the kernel. */
  cells_value("setTimeout(() => { throw new Error('outside') }, 0); "
              "await new Promise(r => setTimeout(r, 50)); x",
              JAVASCRIPT, "1");
  cells_fails("process.exit(3)", JAVASCRIPT, "ContextRestarting", "Context was restarted");
  cells_value("typeof x", JAVASCRIPT, "undefined");
}

static void javascript_is_interrupted_and_keeps_its_variables(void **state) {
  (void)state;
  static const char *const endless[] = {"while (true) {}", "await new Promise(() => {})"};
  cells_value("x = 7", JAVASCRIPT, "7");
  for (size_t i = 0; i < 4; i++) {
    wire_exchange_t *exchange = cells_begin(endless[i % 2], JAVASCRIPT);
    if (i < 2) cells_until(exchange, "number_of_executions");
    wire_turn();
    cells_cut(exchange);
    cells_value("x", JAVASCRIPT, "7");
  }
}

static void javascript_programs_print(void **state) {
  (void)state;
  static const char env[] = JAVASCRIPT ",\"env_vars\":{\"FOO\":\"it's \\\"x\\\"\"}";
  cells_prints("require('child_process').execSync('echo child; echo $FOO', {stdio: 'inherit'})",
               env, "child\nit's \"x\"\n");
  cells_value("process.env.FOO", JAVASCRIPT, "undefined");
}

static void typescript_loses_its_types(void **state) {
  (void)state;
  cell_t *cell = cells_run("const n: number = 5; interface Z { a: string }; n", TYPESCRIPT);
  if (cells_line(cell, "error", 0) != NULL &&
      strstr(cells_member(cell, "error", 0, "value"), "cannot run TypeScript") != NULL) {
    print_message("         no TypeScript on this machine\n");
    skip();
  }
  assert_string_equal(cells_member(cell, "result", 0, "text"), "5");
  cells_value("enum E { A, B }; const f = <T,>(t: T): T => t; f<number>(n + E.B)", TYPESCRIPT, "6");
  cells_value("import { join } from 'path'\nconst s: string = join('a', 'b'); s", TYPESCRIPT,
              "a/b");
  cells_value("await Promise.resolve(join('c', 'd') as string)", TYPESCRIPT, "c/d");
  cells_value("type X = string", TYPESCRIPT, "undefined");
  cells_fails("let bad: = 3", TYPESCRIPT, "SyntaxError", NULL);
  /* JavaScript's kernel takes it too. */
  cells_value("const m: number = 1; m", JAVASCRIPT, "1");
}

static void bash_keeps_its_state(void **state) {
  (void)state;
  cells_prints("X=5; cd /tmp; f() { echo f $X; }", BASH, "");
  cells_prints("f; pwd; echo \"it's\" 'a\nb'", BASH, "f 5\n/tmp\nit's a\nb\n");
  cells_prints("for i in 1 2; do\n  echo $i\ndone | tac\ncat", BASH, "2\n1\n");
  static const char env[] = BASH ",\"env_vars\":{\"FOO\":\"it's \\\"$x\\\"\\n;\",\"X\":\"6\"}";
  cells_prints("printf %s \"$FOO\"; f; sh -c 'echo $X'", env, "it's \"$x\"\n;f 6\n6\n");
  cells_prints("echo [$FOO] $X", BASH, "[] 5\n");
  cells_fails("(exit 3)", BASH, "", "3");
  cells_prints("echo $?", BASH, "3\n");
  cells_prints("seq 100000 | tail -n 1; ( sleep 60 >/dev/null & )", BASH, "100000\n");
}

static void bash_fails(void **state) {
  (void)state;
  cells_prints("X=5", BASH, "");
  cell_t *cell = cells_run("echo out; echo err >&2; nosuchcommand", BASH);
  assert_string_equal(cells_member(cell, "error", 0, "value"), "127");
  assert_string_equal(cells_member(cell, "error", 0, "name"), "");
  assert_string_equal(cells_printed(cell, "stdout"),
                      "out\nerr\nbash: nosuchcommand: command not found\n");
  cells_fails("if", BASH, "", "2");
  cells_prints("echo $X", BASH, "5\n");
  /* The shell's own end. */
  cells_fails("exit 3", BASH, "", "3");
  cells_prints("echo [$X]", BASH, "[]\n");
  cells_fails("kill -9 $$", BASH, "ContextRestarting", NULL);
  cells_prints("echo again", BASH, "again\n");
}

static void bash_is_interrupted_and_keeps_its_variables(void **state) {
  (void)state;
  static const char *const endless[] = {"sleep 300; echo no", "while :; do :; done"};
  cells_prints("X=7", BASH, "");
  for (size_t i = 0; i < 4; i++) {
    wire_exchange_t *exchange = cells_begin(endless[i % 2], BASH);
    if (i < 2) cells_until(exchange, "number_of_executions");
    wire_turn();
    cells_cut(exchange);
    cells_prints("echo $X", BASH, "7\n");
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CELLS_TEST(javascript_keeps_what_cells_declare),
      CELLS_TEST(javascript_imports),
      CELLS_TEST(javascript_fails),
      CELLS_TEST(javascript_is_interrupted_and_keeps_its_variables),
      CELLS_TEST(javascript_programs_print),
      CELLS_TEST(typescript_loses_its_types),
      CELLS_TEST(bash_keeps_its_state),
      CELLS_TEST(bash_fails),
      CELLS_TEST(bash_is_interrupted_and_keeps_its_variables),
  };
  CELLS_RUN(tests);
}
