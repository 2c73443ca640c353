/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "code/detect_lexer.h"
#include "code/detect_pattern.h"
#include "e2b/code.h"

/* What a program is shows within its first pages. */
enum { LOOKED_AT = 64 * 1024 };

enum { PYTHON = 1, NODE = -1 };

/* Each counts once. 8 and more: not to be had in the other language; 4: seldom; less: a hint. */
typedef struct e2b__pattern {
  int language;
  int weight;
  const char *text;
} e2b__pattern_t;

static const e2b__pattern_t patterns[] = {
    /* The interpreter is said. */
    {PYTHON, 40, "^#!%*python%w"},
    {NODE, 40, "^#!%*%[node nodejs deno bun tsx]"},

    /* Modules. */
    {PYTHON, 12, "^from%_%*import"},
    {PYTHON, 8, "^import%_%d%_as%_%i"},
    {PYTHON, 6, "^import%_%d $"},
    {PYTHON, 3, "^import%_%d , %d"},
    {PYTHON, 1, "import%_%n"},
    {NODE, 16, "^import%*from %s"},
    {NODE, 12, "^import {"},
    {NODE, 12, "^import *"},
    {NODE, 12, "^import %s"},
    {NODE, 8, "import ( %s"},
    {NODE, 8, "} from %s"},
    {NODE, 12,
     "^export%_%[default const let var function class async type interface enum abstract]"},
    {NODE, 12, "^export {"},
    {NODE, 12, "^export *"},
    {NODE, 8, "require ( %s"},
    {NODE, 2, "require ("},
    {NODE, 8, "module.exports"},
    {NODE, 6, "^exports.%i"},
    {NODE, 8, "%[__dirname __filename]"},

    /* Definitions. */
    {PYTHON, 10, "def%_%i"},
    {PYTHON, 6, ") -> %n"},
    {PYTHON, 8, "^class%_%i :"},
    {PYTHON, 8, "^class%_%i (%*) : $"},
    {PYTHON, 8, "lambda :"},
    {PYTHON, 8, "lambda%_%i :"},
    {PYTHON, 8, "lambda%_%i ,"},
    {PYTHON, 4, "(self ,"},
    {PYTHON, 4, "(self )"},
    {PYTHON, 2, "^@%d"},
    {PYTHON, 4, ", *%i"},
    {PYTHON, 4, "( *%i"},
    {NODE, 10, "const%_%i"},
    {NODE, 10, "let%_%i"},
    {NODE, 10, "var%_%i"},
    {NODE, 10, "%[const let var]%_{"},
    {NODE, 10, "%[const let var]%_["},
    {NODE, 10, "function%_%i ("},
    {NODE, 5, "function *"},
    {NODE, 2, "function ("},
    {NODE, 10, "=>"},
    {NODE, 8, "class%_%i {"},
    {NODE, 8, "class%_%i%_extends"},
    {NODE, 5, "async ("},
    {NODE, 8, ") {"},
    {NODE, 8, ".#%i"},
    {NODE, 5, "...%i"},

    /* Statements. */
    {PYTHON, 8, "for%_%i in"},
    {PYTHON, 6, "for%_%i , %i"},
    {PYTHON, 6, "^%[if elif for while with match async except]%_%*: $"},
    {PYTHON, 4, "^%[if elif while with]%_%d%*:"},
    {PYTHON, 6, "^%[else try except finally] : $"},
    {PYTHON, 6, "^pass $"},
    {PYTHON, 5, "^raise%_%i"},
    {PYTHON, 3, "^%[del assert global nonlocal]%_%i"},
    {PYTHON, 4, "^%d =%*%_if%_%n"},
    {PYTHON, 4, "^return%_%*%_if%_%n"},
    {PYTHON, 4, "^%d =%*%_%[and or not]%_"},
    {PYTHON, 4, "^return%_%*%_%[and or not]%_"},
    {PYTHON, 3, "^%i , %i ="},
    {PYTHON, 3, "^print %s"},
    {PYTHON, 2, "^print%_%i $"},
    {NODE, 8, "^else {"},
    {NODE, 8, "^%[try do finally] {"},
    {NODE, 5, "catch ("},
    {NODE, 5, "^throw%_%i"},
    {NODE, 3, "^default :"},
    {NODE, 3, "^%[return break continue] ;"},
    {NODE, 1, "; $"},

    /* Expressions. */
    {PYTHON, 6, "%[f r b u fr rf br rb F R B U Rb rB RB Fr fR FR]%q"},
    {PYTHON, 6, "%t"},
    {PYTHON, 6, "[ :"},
    {PYTHON, 6, ": ]"},
    {PYTHON, 5, "[ %0 :"},
    {PYTHON, 4, ":="},
    {PYTHON, 4, "//="},
    {PYTHON, 3, "%s %% %i"},
    {PYTHON, 3, "%s %% ("},
    {PYTHON, 4, "%s. %[format join]"},
    {PYTHON, 3, "None"},
    {PYTHON, 3, "True"},
    {PYTHON, 3, "False"},
    {PYTHON, 3, "self.%i"},
    {PYTHON, 6, "super().%i"},
    {NODE, 8, "==="},
    {NODE, 8, "!=="},
    {NODE, 5, "&&"},
    {NODE, 5, "||"},
    {NODE, 4, "??"},
    {NODE, 4, "?."},
    {NODE, 2, "?"},
    {NODE, 3, "! %i"},
    {NODE, 4, "++ $"},
    {NODE, 4, "++)"},
    {NODE, 4, "%l"},
    {NODE, 4, "%r"},
    {NODE, 5, "new%_%i"},
    {NODE, 4, "typeof%_%n"},
    {NODE, 4, "instanceof"},
    {NODE, 3, "this.%n"},
    {NODE, 3, "</%i"},
    {NODE, 3, "%$"},
    {NODE, 2, "null"},
    {NODE, 2, "undefined"},
    {NODE, 2, "%[true false]"},

    /* Names. */
    {PYTHON, 3, "%[print pprint] ("},
    {PYTHON, 1, ".print ("},
    {PYTHON, 1, ", %i=%n"},
    {PYTHON, 1, ", %i=%s"},
    {PYTHON, 2, "%[json sys]."},
    {PYTHON, 1, "%.%[json sys]."},
    {PYTHON, 4, "json.%[dumps loads dump load]"},
    {PYTHON, 2, "%[os re np pd plt df math asyncio time random datetime itertools].%i"},
    {PYTHON, 2, "%[len range isinstance enumerate sorted zip str int float list dict tuple set] ("},
    {PYTHON, 1, "%.%u"},
    {PYTHON, 4, "%.%[__name__ __main__ __init__ __file__ __class__ __dict__ __doc__ __import__]"},
    {PYTHON, 2, ": %[str int float bool list dict Optional List Dict Any Callable]"},
    {NODE, 8, "console.%[log error warn info debug table dir time trace]"},
    {NODE, 4, "%[JSON Math Object Array Promise Number Date Buffer Reflect].%i"},
    {NODE, 3, "%[document window globalThis].%i"},
    {NODE, 3, "process.%[env argv nextTick cwd]"},
    {NODE, 3, "%[setTimeout setInterval setImmediate parseInt parseFloat fetch alert] ("},
    {NODE, 3, ".%[forEach then push toString addEventListener] ("},
    {NODE, 3, ".length"},
    {NODE, 4, "%.%[__proto__ __esModule __defineGetter__]"},
    {NODE, 4, ": %[string number boolean void unknown never]"},
    {NODE, 4, "%[private public protected readonly static]%_%i"},
    {NODE, 8, "^%[interface enum namespace]%_%i {"},

    /* Around the code. */
    {PYTHON, 8, "%m"},
    {PYTHON, 1, "%h"},
    {NODE, 4, "%c"},

    /* A shell's: neither's, so Node's. Its loops look like Python's. */
    {NODE, 6, "^#!%*%[sh bash zsh dash]"},
    {NODE, 8, "; %[do then]"},
    {NODE, 8, "^%[do then done fi esac] $"},
    {NODE, 2, "^%[echo cd ls sudo npm npx apt curl mkdir rm cp mv git cat]%_%w"},
};

enum { PATTERNS = sizeof patterns / sizeof patterns[0] };

/* --- weighing --------------------------------------------------------------------------------- */

/* What is yet to be found, as chains of patterns that start with the same byte, or with a word.
 * Numbers are one more than the pattern's; 0 ends a chain. */
typedef struct e2b__search {
  unsigned char first[E2B__CODE_LEADS], next[PATTERNS + 1];
  int sum;
} e2b__search_t;

_Static_assert(PATTERNS < 255, "numbers of patterns are bytes");

static void start_search(e2b__search_t *search) {
  memset(search, 0, sizeof *search);
  for (size_t i = PATTERNS; i > 0; i--) {
    unsigned char *first = &search->first[e2b__code_pattern_lead(patterns[i - 1].text)];
    search->next[i] = *first;
    *first = (unsigned char)i;
  }
}

static void search_chain(e2b__search_t *search, size_t lead, const e2b__code_line_t *line,
                         const char *at, bool fresh) {
  unsigned char *link = &search->first[lead];
  while (*link != 0) {
    const e2b__pattern_t *pattern = &patterns[*link - 1];
    if (e2b__code_pattern_is_at(line, at, fresh, pattern->text)) {
      search->sum += pattern->language * pattern->weight;
      *link = search->next[*link]; /* each counts once */
    } else {
      link = &search->next[*link];
    }
  }
}

static void search_line(e2b__search_t *search, const e2b__code_line_t *line) {
  const char *end = line->text + line->len;
  bool fresh = line->starts, inside = false;
  for (const char *at = line->text; at < end; at++) {
    bool word = e2b__code_is_word(*at);
    if (*at == ' ' || (word && inside)) {
      inside = word;
      continue;
    }
    inside = word;
    if ((unsigned char)*at < E2B__CODE_LEAD_WORD)
      search_chain(search, (size_t)*at, line, at, fresh);
    if (word) search_chain(search, E2B__CODE_LEAD_WORD, line, at, fresh);
    if (!e2b__code_is_blank(*at)) fresh = strchr(";{}:", *at) != NULL;
  }
}

e2b_runtime_t e2b_detect_runtime(const char *code, size_t len) {
  e2b__code_lexer_t lexer;
  e2b__code_line_t line;
  e2b__search_t search;
  if (code == NULL) return E2B_RUNTIME_NODE;
  start_search(&search);
  e2b__code_lexer_init(&lexer, code, len < LOOKED_AT ? len : LOOKED_AT);
  while (e2b__code_lexer_next(&lexer, &line))
    search_line(&search, &line);
  return search.sum > 0 ? E2B_RUNTIME_PYTHON : E2B_RUNTIME_NODE;
}
