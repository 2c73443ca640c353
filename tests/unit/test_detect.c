/* SPDX-License-Identifier: MIT */
#include "e2b/code.h"
#include "unit.h"

#define PY E2B_RUNTIME_PYTHON
#define JS E2B_RUNTIME_NODE

typedef struct sample {
  e2b_runtime_t expected;
  const char *why;
  const char *code;
} sample_t;

static const sample_t markers[] = {
    {PY, "print", "print('hello')"},
    {PY, "print, blank before the parenthesis", "print (x)"},
    {PY, "import", "import os"},
    {PY, "import of several", "import os, sys"},
    {PY, "import of a submodule", "import os.path"},
    {PY, "import under a name", "import numpy as np"},
    {PY, "from import", "from math import pi"},
    {PY, "from import of a sibling", "from . import x"},
    {PY, "from import of everything", "from math import *"},
    {PY, "from import over lines", "from math import (\n  pi,\n  e,\n)\n"},
    {PY, "def", "def f(x): return x"},
    {PY, "async def", "async def f():\n    await g()\n"},
    {PY, "f-string", "f\"{x}\""},
    {PY, "f-string in single quotes", "f'{x}'"},
    {PY, "raw string", "pattern = r'\\d+'"},
    {PY, "bytes", "data = b\"abc\""},
    {PY, "dunder", "__name__"},
    {PY, "two underscores in a name", "a__b"},
    {PY, "sys.", "sys.argv"},
    {PY, "json. alone", "json.dumps(x)"},
    {PY, "json. alone, a member", "json.a"},
    {PY, "class", "class A:\n    x = 1\n"},
    {PY, "class with a base", "class A(B):\n    x = 1\n"},
    {PY, "lambda", "f = lambda x: x + 1"},
    {PY, "lambda of nothing", "f = lambda: 0"},
    {PY, "pass", "pass"},
    {PY, "raise", "raise ValueError('no')"},
    {PY, "None", "x = None"},
    {PY, "True", "x = True"},
    {PY, "slice", "x[1:3]"},
    {PY, "slice from the end", "x[::-1]"},
    {PY, "comprehension", "[y * y for y in xs]"},
    {PY, "loop", "x = [1,2,3]\nfor i in x:\n    i"},
    {PY, "loop with two names", "for k, v in d.items():\n    k"},
    {PY, "while", "while x < 3:\n    x += 1\n"},
    {PY, "if without parentheses", "if x > 1:\n    y = 2\n"},
    {PY, "if with parentheses", "if (x > 1):\n    y = 2\n"},
    {PY, "if on one line", "if x: y = 2"},
    {PY, "header with a comment", "if x > 1:  # rarely\n    y = 2\n"},
    {PY, "try", "try:\n    x\nexcept Exception as e:\n    y\n"},
    {PY, "with", "with open('a') as f:\n    data = f.read()\n"},
    {PY, "match", "match x:\n    case 1:\n        y = 2\n"},
    {PY, "conditional expression", "y = 1 if x else 2"},
    {PY, "boolean words", "z = x and y"},
    {PY, "arguments in stars", "f(*args, **kwargs)"},
    {PY, "print statement", "print 'hello'"},
    {PY, "docstring", "\"\"\"Adds.\"\"\"\nx = 1"},
    {PY, "percent formatting", "'%s items' % n"},
    {PY, "join", "', '.join(names)"},
    {PY, "swap", "a, b = b, a"},
    {PY, "assignment in an expression", "if (n := f()) > 1:\n    g(n)"},
    {PY, "print of a library", "console.print('x')"},
    {PY, "statements on one line", "import os; print(os.getcwd())"},
    {PY, "semicolon at the end", "print(1);"},
    {PY, "import after a colon", "try: import json\nexcept ImportError: x = 1"},
    {PY, "numbers", "len([1, 2])"},
    {PY, "keyword arguments", "df.plot('a', kind='bar')"},

    {JS, "const", "const x = 1"},
    {JS, "let", "let x = 1;"},
    {JS, "var", "var x = 1;"},
    {JS, "destructuring", "const { a, b } = c"},
    {JS, "array destructuring", "let [a, b] = c"},
    {JS, "arrow", "xs.map(x => x + 1)"},
    {JS, "console.log", "console.log('hello')"},
    {JS, "require", "require('fs')"},
    {JS, "function", "function f() {}"},
    {JS, "function without a name", "setTimeout(function() { done() }, 10)"},
    {JS, "generator", "function* g() { yield 1 }"},
    {JS, "default import", "import fs from 'node:fs'"},
    {JS, "default import, double quotes", "import fs from \"node:fs\""},
    {JS, "named import", "import { readFile } from 'fs/promises'"},
    {JS, "named import without blanks", "import{a}from\"b\""},
    {JS, "import of all", "import * as path from 'path'"},
    {JS, "import of both", "import a, { b } from 'c'"},
    {JS, "named import over lines", "import {\n  a,\n  b,\n} from 'c'\n"},
    {JS, "import for effect", "import 'dotenv/config'"},
    {JS, "import called", "m = await import('fs')"},
    {JS, "type import", "import type { A } from './a'"},
    {JS, "export", "export default 1"},
    {JS, "export of names", "export { a, b }"},
    {JS, "export from", "export * from './a'"},
    {JS, "template literal", "`hello ${name}`"},
    {JS, "strict equality", "a === b"},
    {JS, "strict inequality", "print(a !== b)"},
    {JS, "__dirname", "__dirname"},
    {JS, "__filename in a call", "f(__filename)"},
    {JS, "__proto__", "x.__proto__"},
    {JS, "new", "new Date()"},
    {JS, "class", "class A { f() { return 1 } }"},
    {JS, "class with a base", "class A extends B {\n}\n"},
    {JS, "if with a brace", "if (json.a) {\n  f()\n}"},
    {JS, "try", "try { f() } catch (e) { g() }"},
    {JS, "loop", "for (let i = 0; i < 3; i++) f(i)"},
    {JS, "for of", "for (const x of xs) print(x)"},
    {JS, "for in", "for (const k in o) print(k)"},
    {JS, "optional chaining", "sys.a?.b"},
    {JS, "spread", "print(...xs)"},
    {JS, "logic", "a && print(a)"},
    {JS, "throw", "throw new Error('x')"},
    {JS, "module.exports", "module.exports = { print: 1 }"},
    {JS, "regular expression", "s.replace(/\"/g, '')"},
    {JS, "switch", "switch (x) {\n  case 1: f(); break;\n  default: g();\n}"},
    {JS, "function called at once", "!function () { print(1) }()"},
};

static const sample_t neither[] = {
    {JS, "not code", "invalid code"},
    {JS, "empty", ""},
    {JS, "blanks", " \n\t\r\n "},
    {JS, "arithmetic", "1 + 1"},
    {JS, "assignment, in both", "x = 5"},
    {JS, "prose", "Let me see what this is, and don't worry."},
    {JS, "JSON", "{\"a\": [1, 2.5, null, true], \"b\": {\"import\": \"print(1)\"}}"},
    {JS, "JSON over lines", "{\n  \"name\": \"def f()\",\n  \"private\": true\n}\n"},
    {JS, "shell", "ls -la /tmp && echo done"},
    {JS, "shell script", "#!/bin/bash\n# install\nset -e\nnpm install\n"},
    {JS, "shell loop", "for i in 1 2 3; do\n  echo $i\ndone\n"},
    {JS, "shell condition", "if [ -f x ]; then\n  cat x\nfi\n"},
    {JS, "HTML", "<!doctype html>\n<p>It's <b>print</b></p>"},
    {JS, "SQL", "SELECT a FROM b WHERE c = 'import'"},
    {JS, "a word that starts as a marker", "printer(define, importer)"},
    {JS, "a keyword of Python at an end", "x.def"},
};

static const sample_t misleading[] = {
    {JS, "import in a comment", "// import this\nx = 1"},
    {JS, "import in a block comment", "/*\nimport os\ndef f():\n    print(1)\n*/\nx = 1"},
    {JS, "print in a trailing comment", "x = f(y); // then print(y)"},
    {JS, "print in a string", "console.log(\"print(\")"},
    {JS, "Python in a string", "const s = 'import os\\ndef f(): pass'"},
    {JS, "Python in a template literal",
     "const code = `\nimport os\n\ndef f(x):\n    print(f\"{x}\")\n`;\nrun(code)"},
    {JS, "Python in a template literal without semicolons",
     "sandbox.run(`\nimport sys\nprint(sys.argv)\n`)"},
    {JS, "a template literal in another", "x = `a ${b ? `import ${c}` : '}'} def f(): print(1)`"},
    {JS, "an object's braces in a template literal",
     "x = `${f({ a: { b: 1 } })}\nimport os\nprint(1)\n`"},
    {JS, "apostrophe in a comment", "f(); // don't print\nconst x = 'import os'"},
    {JS, "apostrophe in a comment without semicolons", "f() // don't stop\nlet y = 'print(1)'"},
    {JS, "private members", "class A {\n  #json = 1;\n  #print() { return this.#json }\n}"},
    {JS, "private members without semicolons",
     "class A {\n  #x = 1\n  get x() { return this.#x }\n}"},
    {JS, "regular expressions with quotes",
     "const q = /['\"`]/g, d = s.split(/\\/\\/ def f(/)\nconsole.log('print(')"},
    {JS, "regular expression with slashes in a class", "u.replace(/[/'\"]/, '')"},
    {JS, "division is no regular expression", "const x = a / b; const y = 'import os' / 2"},
    {JS, "json as a name", "const json = await r.json()\nf(json.a)"},
    {JS, "json as a parameter", "function f(json) { return json.a }"},
    {JS, "sys as a name", "const sys = require('util')\nsys.inspect(1)"},
    {JS, "print as a name", "function print(x) { process.stdout.write(x) }\nprint('a')"},
    {JS, "self", "const self = this; self.print('x')"},
    {JS, "shebang of node", "#!/usr/bin/env node\nprint(json.a)"},
    {JS, "shebang, then a comment", "#!/usr/bin/env node\n// import os\n"},
    {JS, "True in an object", "const x = { True: 1, None: 2 }"},
    {JS, "URL in a string", "fetch('http://a.b/def f(x)').then(print)"},
    {JS, "Python started", "require('child_process').exec('python3 -c \"import os; print(1)\"')"},
    {JS, "JSX", "const a = <p>Don't print(this)</p>\nconst b = 1"},

    {PY, "const in a comment", "# const x = 1\nprint(x)"},
    {PY, "const in a comment alone", "# const x = 1"},
    {PY, "a comment without a blank", "#const x = () => 1\nprint(x)"},
    {PY, "statement in a comment", "#console.log('x');\nprint('x')"},
    {PY, "JavaScript in a string", "print(\"const x = () => 1\")"},
    {PY, "JavaScript in triple quotes",
     "page = \"\"\"\nconst x = () => 1;\nfunction f() { console.log('it') }\n\"\"\"\nprint(page)"},
    {PY, "JavaScript in single triple quotes",
     "js = '''\nimport x from \"y\"\nexport default x\n'''\nsave(js)"},
    {PY, "quotes in triple quotes", "s = \"\"\"say \"const x\" and ''' let y\"\"\"\nimport os"},
    {PY, "JavaScript in an f-string", "html = f\"<script>let x = {x};</script>\""},
    {PY, "apostrophe in a comment", "x = 1  # don't\nprint('let x = 1')  # it's"},
    {PY, "division that rounds", "mid = (a + b) // 2\nprint(mid)"},
    {PY, "division that rounds, of names", "print(a // b, 'x')\nfor i in range(a // b):\n    i"},
    {PY, "division that rounds, in place", "n //= 2\nprint(n)"},
    {PY, "a lone slash among parameters", "def f(a, /, b):\n    return a / b"},
    {PY, "names as JavaScript's keywords", "let = 1\nvar = 2\nprint(let, var)"},
    {PY, "a function called function", "result = function(x)\nprint(result)"},
    {PY, "shebang of python", "#!/usr/bin/env python3\nx = 1"},
    {PY, "shebang of python by path", "#!/usr/local/bin/python3.11 -u\r\nx = 1\r\n"},
    {PY, "byte order mark", "\xef\xbb\xbfimport os"},
    {PY, "lines that end in CR LF", "import os\r\nx = 1\r\n"},
    {PY, "null and true in a string", "json.loads('{\"a\": null, \"b\": true}')"},
    {PY, "escaped quotes", "print('it\\'s const x = 1', \"a \\\" => b\")"},
    {PY, "backslash at the end of a raw string", "p = r'a\\b'\nprint(p)"},
    {PY, "JavaScript run", "subprocess.run(['node', '-e', 'console.log(1)'])\nsys.exit(0)"},
    {PY, "console of a library",
     "from rich.console import Console\nconsole = Console()\nconsole.log('x')"},
    {PY, "names of other alphabets", "größe = 3\nprint(größe)"},
};

static const sample_t python_programs[] = {
    {PY, "pandas",
     "import pandas as pd\n\n"
     "df = pd.DataFrame({'a': [1, 2, 3], 'b': [4, 5, 6]})\n"
     "df['c'] = df['a'] * df['b']\n"
     "df.groupby('a').agg({'c': 'sum'})\n"},
    {PY, "pandas in chains",
     "df = (\n    pd.read_csv('x.csv')\n    .query('a > 1')\n    .assign(b=lambda d: d.a * 2)\n)\n"
     "df.head()\n"},
    {PY, "matplotlib",
     "import matplotlib.pyplot as plt\nimport numpy as np\n\n"
     "x = np.linspace(0, 2 * np.pi, 100)\nplt.plot(x, np.sin(x), label='sin')\n"
     "plt.legend(); plt.show();\n"},
    {PY, "asyncio",
     "import asyncio\n\nasync def fetch(n):\n    await asyncio.sleep(n)\n    return n\n\n"
     "async def main():\n    print(await asyncio.gather(*[fetch(i) for i in range(3)]))\n\n"
     "asyncio.run(main())\n"},
    {PY, "dataclasses",
     "from dataclasses import dataclass, field\n\n@dataclass(frozen=True)\nclass Point:\n"
     "    x: int\n    y: int = 0\n    tags: list[str] = field(default_factory=list)\n"},
    {PY, "decorators", "@app.route('/')\n@cached\ndef index():\n    return {'a': 1}\n"},
    {PY, "type hints",
     "def find(xs: list[int], n: int | None = None) -> dict[str, int]:\n"
     "    return {str(x): x for x in xs if x != n}\n"},
    {PY, "class",
     "class Stack:\n    \"\"\"A stack.\"\"\"\n\n    def __init__(self):\n        self.items = "
     "[]\n\n"
     "    def push(self, x):\n        self.items.append(x)\n\n"
     "s = Stack()\ns.push(1)\n"},
    {PY, "notebook with pip", "!pip install -q pandas\n\ndf = load('x')\ndf\n"},
    {PY, "notebook with magic", "%matplotlib inline\n%load_ext autoreload\n\nx = 1\n"},
    {PY, "notebook cell timed", "%%time\ntotal = sum(xs)\ntotal\n"},
    {PY, "notebook with a shell's wildcard", "!ls data/*.csv\nfiles = glob('*')\n"},
    {PY, "main",
     "#!/usr/bin/python\n# -*- coding: utf-8 -*-\nimport sys\n\ndef main():\n    sys.exit(0)\n\n"
     "if __name__ == '__main__':\n    main()\n"},
    {PY, "one line", "print(sum(int(x) for x in open('a').read().split()))"},
    {PY, "flask with a page",
     "from flask import Flask\napp = Flask(__name__)\n\nPAGE = '''\n<script>\n"
     "const f = async () => { const r = await fetch('/x'); console.log(r) }\n</script>\n'''\n\n"
     "@app.get('/')\ndef page():\n    return PAGE\n"},
    {PY, "requests",
     "import requests\n\nr = requests.get('https://a.b/c', timeout=3)\n"
     "data = r.json()\nprint(data['x'])\n"},
    {PY, "generator", "def g():\n    yield from range(3)\n\nlist(g())\n"},
    {PY, "sklearn",
     "from sklearn.linear_model import LinearRegression\n"
     "model = LinearRegression().fit(X, y)\nmodel.score(X, y)\n"},
    {PY, "no marker of the reference",
     "total = 0\nwhile total < 10:\n    total += 1\nelse:\n    total = -1\n"},
    {PY, "JavaScript translated",
     "const = 3.14\n\ndef area(r):\n    return const * r ** 2\n\nprint(area(2)) # => 12.56\n"},
};

static const sample_t node_programs[] = {
    {JS, "express",
     "const express = require('express')\nconst app = express()\n\n"
     "app.get('/', (req, res) => res.json({ ok: true }))\napp.listen(3000)\n"},
    {JS, "await fetch",
     "async function main() {\n  const r = await fetch('https://a.b')\n"
     "  const json = await r.json()\n  console.log(json.items.length)\n}\nmain()\n"},
    {JS, "top-level await", "const r = await fetch(url)\nconsole.log(await r.text())\n"},
    {JS, "class",
     "class Stack {\n  constructor() {\n    this.items = []\n  }\n  push(x) {\n"
     "    this.items.push(x)\n  }\n}\nnew Stack().push(1)\n"},
    {JS, "ESM",
     "import fs from 'node:fs'\nimport { join } from 'node:path'\n\n"
     "export const read = (p) => fs.readFileSync(join('.', p), 'utf8')\n"},
    {JS, "TypeScript",
     "interface User {\n  name: string\n  age?: number\n}\n\n"
     "export function greet(user: User): string {\n  return `Hello ${user.name}`\n}\n"},
    {JS, "TypeScript with decorators",
     "@Injectable()\nexport class Service {\n  private readonly x: number = 1\n"
     "  constructor(private http: Http) {}\n}\n"},
    {JS, "CommonJS",
     "'use strict';\nvar sys = require('sys');\nexports.print = function (x) {\n"
     "  sys.puts(x);\n};\n"},
    {JS, "promises",
     "readFile('a')\n  .then(data => JSON.parse(data))\n  .catch(err => console.error(err))\n"},
    {JS, "minified",
     "!function(e,t){var n=t.json;n.a&&print(n.b);for(var r in n)e[r]=n[r]}(this,window);"},
    {JS, "a page that holds Python",
     "// Runs Python in the sandbox.\nconst { Sandbox } = require('e2b')\n\n"
     "const code = `\nimport json\n\ndef main():\n    print(json.dumps({'a': "
     "None}))\n\nmain()\n`\n\n"
     "Sandbox.create().then(s => s.runCode(code))\n"},
    {JS, "old style", "var a = [];\nfor (var i = 0; i < 10; i++) {\n  a.push(i);\n}\nprint(a);\n"},
    {JS, "comment above", "/**\n * Print a def.\n * import x\n */\nmodule.exports = () => 1\n"},
    {JS, "bundler's names",
     "var __defProp = Object.defineProperty;\n__export(x, { a: () => a });\n"},
    {JS, "no declaration",
     "if (process.argv.length > 2) {\n  process.stdout.write('print(1)')\n} else {\n  "
     "process.exit(1)\n}\n"},
    {JS, "React",
     "import React, { useState } from 'react'\n\nexport default function App() {\n"
     "  const [n, setN] = useState(0)\n  return <p onClick={() => setN(n + 1)}>It's {n}</p>\n}\n"},
};

static const char *name_of(e2b_runtime_t runtime) {
  return runtime == PY ? "Python" : runtime == JS ? "Node" : "neither";
}

static void check(const sample_t *samples, size_t count) {
  int wrong = 0;
  for (size_t i = 0; i < count; i++) {
    const sample_t *s = &samples[i];
    e2b_runtime_t got = e2b_detect_runtime(s->code, strlen(s->code));
    if (got == s->expected) continue;
    print_error("%s: %s, not %s:\n%s\n", s->why, name_of(got), name_of(s->expected), s->code);
    wrong++;
  }
  assert_int_equal(wrong, 0);
}

#define CHECK(samples) check(samples, sizeof(samples) / sizeof *(samples))

static void markers_tell(void **state) {
  (void)state;
  CHECK(markers);
}

static void what_is_neither_is_nodes(void **state) {
  (void)state;
  CHECK(neither);
}

static void strings_and_comments_do_not_mislead(void **state) {
  (void)state;
  CHECK(misleading);
}

static void programs_are_told(void **state) {
  (void)state;
  CHECK(python_programs);
  CHECK(node_programs);
}

static e2b_runtime_t detect_copy(const char *code, size_t len) {
  char *copy = malloc(len > 0 ? len : 1);
  assert_non_null(copy);
  memcpy(copy, code, len);
  e2b_runtime_t runtime = e2b_detect_runtime(copy, len);
  free(copy);
  return runtime;
}

static void programs_may_be_cut_anywhere(void **state) {
  (void)state;
  const char *code = "from a import b\nx = f\"{b}\" '''c''' # d\n`e ${ {f: `g`} }` /* h */ // i\n"
                     "j = /[k]/ #l(\n!m n\n\"\\";
  for (size_t len = 0; len <= strlen(code); len++) {
    e2b_runtime_t runtime = detect_copy(code, len);
    assert_true(runtime == PY || runtime == JS);
  }
  assert_int_equal(detect_copy("import os", 9), PY);
  assert_int_equal(detect_copy("import os", 6), JS);
}

static void any_bytes_will_do(void **state) {
  (void)state;
  char bytes[4096];
  for (size_t i = 0; i < sizeof bytes; i++)
    bytes[i] = (char)(i * 37 + i / 256);
  e2b_runtime_t runtime = detect_copy(bytes, sizeof bytes);
  assert_true(runtime == PY || runtime == JS);
  assert_int_equal(e2b_detect_runtime("\x7f"
                                      "ELF\x02\x01\x01\0\0\0\xff\xfe",
                                      12),
                   JS);
  assert_int_equal(e2b_detect_runtime("x = 1\0\nimport os\n", 17), PY);
  assert_int_equal(e2b_detect_runtime("\x01\x02\x03\x04\x05\x06\x07", 7), JS);
  assert_int_equal(e2b_detect_runtime(NULL, 0), JS);
}

static void only_the_first_64_kib_count(void **state) {
  (void)state;
  enum { LIMIT = 64 * 1024 };
  const char *code = "import os\n";
  char *text = malloc(LIMIT + 100);
  assert_non_null(text);
  memset(text, '\n', LIMIT + 100);
  memcpy(text + LIMIT, code, strlen(code));
  assert_int_equal(e2b_detect_runtime(text, LIMIT + 100), JS);
  memcpy(text + LIMIT - 10, code, strlen(code));
  assert_int_equal(e2b_detect_runtime(text, LIMIT + 100), PY);
  free(text);
}

static void long_lines_are_read_to_their_end(void **state) {
  (void)state;
  enum { LEN = 50000 };
  char *text = malloc(LEN + 32);
  assert_non_null(text);
  memset(text, '+', LEN);
  strcpy(text + LEN, " const x = 1; import os");
  assert_int_equal(e2b_detect_runtime(text, strlen(text)), JS);
  strcpy(text + LEN, ";print(f'x')");
  assert_int_equal(e2b_detect_runtime(text, strlen(text)), PY);
  memset(text, 'a', LEN);
  strcpy(text + LEN, ";print(f'x')");
  assert_int_equal(e2b_detect_runtime(text, strlen(text)), PY);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(markers_tell),
      cmocka_unit_test(what_is_neither_is_nodes),
      cmocka_unit_test(strings_and_comments_do_not_mislead),
      cmocka_unit_test(programs_are_told),
      cmocka_unit_test(programs_may_be_cut_anywhere),
      cmocka_unit_test(any_bytes_will_do),
      cmocka_unit_test(only_the_first_64_kib_count),
      cmocka_unit_test(long_lines_are_read_to_their_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
