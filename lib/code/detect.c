/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "code/detect_lexer.h"
#include "e2b/code.h"

/* What a program is shows within its first pages. */
enum { LOOKED_AT = 64 * 1024 };

enum { PYTHON = 1, NODE = -1 };

/* A pattern stands for itself, at the start of a word and up to the end of one, except for
 *   ^    the start of a statement (first only)       %.   a member's name will do (first only)
 *   $    the end of a statement                      ' '  blanks, or none
 *   %_   blanks                                      %*   anything in the line
 *   %i   a name                                      %n   a name, number or keyword
 *   %d   a name with dots                            %0   a number
 *   %u   a name with two underscores in it           %$   a name with a dollar in it
 *   %w   the rest of a word                          %[a b]  one of these words
 *   %s   a string           %t   one in triple quotes       %q   either
 *   %l   a template literal      %r   a regular expression
 *   %c   a comment of slashes    %h   one of a hash          %m   a notebook's magic
 *   %%   a percent sign
 * Patterns with %* have to be selective before it, or time is wasted.
 *
 * Each counts once. 8 and more: not to be had in the other language; 4: seldom; less: a hint. */
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
    {NODE, 10, "function *"},
    {NODE, 3, "function ("},
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

/* --- matching --------------------------------------------------------------------------------- */

static const char *skip_blanks(const e2b__code_line_t *line, const char *at) {
  const char *end = line->text + line->len;
  while (at < end && e2b__code_is_blank(*at))
    at++;
  return at;
}

static const char *skip_word(const e2b__code_line_t *line, const char *at) {
  const char *end = line->text + line->len;
  while (at < end && e2b__code_is_word(*at))
    at++;
  return at;
}

/* After the name at `at`; NULL when there is none. Between names, operators are none. */
static const char *skip_name(const e2b__code_line_t *line, const char *at) {
  const char *next = skip_word(line, at);
  if (next == at || (*at >= '0' && *at <= '9')) return NULL;
  if (e2b__code_is_one_of("in is and or not if else for as", '\0', at, (size_t)(next - at))) {
    return NULL;
  }
  return next;
}

static const char *skip_dotted(const e2b__code_line_t *line, const char *at) {
  const char *end = line->text + line->len, *next = skip_name(line, at);
  while (next != NULL && next < end && *next == '.')
    next = skip_name(line, next + 1);
  return next;
}

static const char *skip_number(const e2b__code_line_t *line, const char *at) {
  const char *end = line->text + line->len, *start = at;
  while (at < end && *at >= '0' && *at <= '9')
    at++;
  return at > start ? at : NULL;
}

static const char *skip_word_with(const e2b__code_line_t *line, const char *at, const char *part) {
  const char *next = skip_word(line, at);
  size_t n = strlen(part);
  for (const char *p = at; (size_t)(next - p) >= n; p++) {
    if (memcmp(p, part, n) == 0) return next;
  }
  return NULL;
}

static const char *skip_one_of(const e2b__code_line_t *line, const char *at, const char *list) {
  const char *next = skip_word(line, at);
  return e2b__code_is_one_of(list, ']', at, (size_t)(next - at)) ? next : NULL;
}

static char placeholder_of(char class) {
  switch (class) {
  case 's': return E2B__CODE_STRING;
  case 't': return E2B__CODE_TRIPLE;
  case 'l': return E2B__CODE_TEMPLATE;
  case 'r': return E2B__CODE_REGEX;
  case 'm': return E2B__CODE_MAGIC;
  case 'c': return E2B__CODE_SLASH_COMMENT;
  case 'h': return E2B__CODE_HASH_COMMENT;
  default: return class; /* a percent sign */
  }
}

/* After what the class at `class`, the byte that follows the %, stands for; NULL when `at` has
 * something else. */
static const char *match_class(const e2b__code_line_t *line, const char *at, const char *class) {
  const char *next;
  switch (*class) {
  case '_': next = skip_blanks(line, at); return next > at ? next : NULL;
  case 'i': return skip_name(line, at);
  case 'n': next = skip_word(line, at); return next > at ? next : NULL;
  case 'd': return skip_dotted(line, at);
  case '0': return skip_number(line, at);
  case 'u': return skip_word_with(line, at, "__");
  case '$': return skip_word_with(line, at, "$");
  case 'w': return skip_word(line, at);
  case '[': return skip_one_of(line, at, class + 1);
  }
  if (at == line->text + line->len) return NULL;
  if (*class == 'q') return *at == E2B__CODE_STRING || *at == E2B__CODE_TRIPLE ? at + 1 : NULL;
  return *at == placeholder_of(*class) ? at + 1 : NULL;
}

static bool ends_statement(const e2b__code_line_t *line, const char *at) {
  at = skip_blanks(line, at);
  return at < line->text + line->len ? *at == ';' : line->ends;
}

static bool matches(const e2b__code_line_t *line, const char *at, const char *pattern);

static bool matches_later(const e2b__code_line_t *line, const char *at, const char *pattern) {
  const char *end = line->text + line->len;
  for (; at < end; at++) {
    bool inside = at > line->text && e2b__code_is_word(at[-1]) && e2b__code_is_word(*pattern);
    if (!inside && matches(line, at, pattern)) return true;
  }
  return matches(line, at, pattern);
}

static bool matches(const e2b__code_line_t *line, const char *at, const char *pattern) {
  const char *end = line->text + line->len;
  for (; *pattern != '\0'; pattern++) {
    if (*pattern == '%') {
      if (*++pattern == '*') return matches_later(line, at, pattern + 1);
      at = match_class(line, at, pattern);
      if (at == NULL) return false;
      if (*pattern == '[') pattern = strchr(pattern, ']');
    } else if (*pattern == ' ') {
      at = skip_blanks(line, at);
    } else if (*pattern == '$') {
      return ends_statement(line, at);
    } else {
      if (at == end || *at++ != *pattern) return false;
      bool word_goes_on = e2b__code_is_word(pattern[1]) && pattern[1] != '$';
      if (!word_goes_on && strncmp(pattern + 1, "%w", 2) != 0 && e2b__code_is_word(*pattern) &&
          at < end && e2b__code_is_word(*at)) {
        return false;
      }
    }
  }
  return true;
}

/* Whether `pattern` is at `at`, where something starts; a statement, when `fresh`. */
static bool matches_at(const e2b__code_line_t *line, const char *at, bool fresh,
                       const char *pattern) {
  bool member = at > line->text && at[-1] == '.';
  if (*pattern == '^') {
    if (!fresh) return false;
    pattern++;
  } else if (pattern[0] == '%' && pattern[1] == '.') {
    pattern += 2;
    member = false;
  }
  if (*pattern != '%' && *pattern != *at) return false;
  return !(member && e2b__code_is_word(*at)) && matches(line, at, pattern);
}

static int weigh_line(const e2b__code_line_t *line, bool *found) {
  const char *end = line->text + line->len;
  bool fresh = line->starts;
  int sum = 0;
  for (const char *at = line->text; at < end; at++) {
    if (*at == ' ') continue;
    if (at > line->text && e2b__code_is_word(at[-1]) && e2b__code_is_word(*at)) continue;
    for (size_t i = 0; i < PATTERNS; i++) {
      if (found[i] || !matches_at(line, at, fresh, patterns[i].text)) continue;
      found[i] = true;
      sum += patterns[i].language * patterns[i].weight;
    }
    if (!e2b__code_is_blank(*at)) fresh = strchr(";{}:", *at) != NULL;
  }
  return sum;
}

e2b_runtime_t e2b_detect_runtime(const char *code, size_t len) {
  bool found[PATTERNS] = {false};
  e2b__code_lexer_t lexer;
  e2b__code_line_t line;
  int sum = 0;
  if (code == NULL) return E2B_RUNTIME_NODE;
  e2b__code_lexer_init(&lexer, code, len < LOOKED_AT ? len : LOOKED_AT);
  while (e2b__code_lexer_next(&lexer, &line))
    sum += weigh_line(&line, found);
  return sum > 0 ? E2B_RUNTIME_PYTHON : E2B_RUNTIME_NODE;
}
