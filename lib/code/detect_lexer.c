/* SPDX-License-Identifier: MIT */
#include "code/detect_lexer.h"

#include <string.h>

/* A slash that does not close within so many bytes starts no regular expression. The bound keeps
 * the whole linear. */
enum { REGEX_MAX = 500 };

bool e2b__code_is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '$' || (unsigned char)c >= 0x80;
}

bool e2b__code_is_blank(char c) {
  return c == ' ' || c == E2B__CODE_SLASH_COMMENT || c == E2B__CODE_HASH_COMMENT;
}

bool e2b__code_is_one_of(const char *list, char end, const char *word, size_t len) {
  while (*list != end) {
    size_t n = 0;
    while (list[n] != ' ' && list[n] != end)
      n++;
    if (n == len && memcmp(list, word, len) == 0) return true;
    list += n + (list[n] == ' ');
  }
  return false;
}

static bool is_newline(char c) {
  return c == '\n' || c == '\r';
}

static bool is_space(char c) {
  return (unsigned char)c <= ' ' && !is_newline(c);
}

/* The byte `ahead` of the current one; NUL past the end. */
static char peek(const e2b__code_lexer_t *lexer, size_t ahead) {
  return ahead < (size_t)(lexer->end - lexer->at) ? lexer->at[ahead] : '\0';
}

static void emit(e2b__code_line_t *line, char c) {
  line->text[line->len++] = c;
}

static void skip_line(e2b__code_lexer_t *lexer) {
  while (lexer->at < lexer->end && !is_newline(*lexer->at))
    lexer->at++;
}

static const char *after_spaces(const e2b__code_lexer_t *lexer, const char *p) {
  while (p < lexer->end && is_space(*p))
    p++;
  return p;
}

/* The end of the word at `p`, or of as much of it as matters. */
static const char *after_word(const e2b__code_lexer_t *lexer, const char *p) {
  const char *limit = lexer->end - p > E2B__CODE_WORD_MAX ? p + E2B__CODE_WORD_MAX : lexer->end;
  while (p < limit && e2b__code_is_word(*p))
    p++;
  return p;
}

static void take_word(e2b__code_lexer_t *lexer, e2b__code_line_t *line) {
  const char *word = lexer->at, *end = after_word(lexer, word);
  memcpy(line->text + line->len, word, (size_t)(end - word));
  line->len += (size_t)(end - word);
  while (lexer->at < lexer->end && e2b__code_is_word(*lexer->at))
    lexer->at++;
  lexer->operand =
      !e2b__code_is_one_of("return typeof case in of and or not if else elif await yield "
                           "do throw delete void instanceof",
                           '\0', word, (size_t)(end - word));
}

/* --- strings ---------------------------------------------------------------------------------- */

static void take_triple(e2b__code_lexer_t *lexer, e2b__code_line_t *line, char quote) {
  lexer->at += 3;
  while (lexer->at < lexer->end) {
    if (*lexer->at == quote && peek(lexer, 1) == quote && peek(lexer, 2) == quote) break;
    lexer->at += *lexer->at == '\\' && lexer->end - lexer->at > 1 ? 2 : 1;
  }
  lexer->at += lexer->at < lexer->end ? 3 : 0;
  emit(line, E2B__CODE_TRIPLE);
}

/* One that does not close ends with its line: it is an apostrophe, in a text or in JSX. */
static void take_string(e2b__code_lexer_t *lexer, e2b__code_line_t *line) {
  char quote = *lexer->at;
  lexer->operand = true;
  if (peek(lexer, 1) == quote && peek(lexer, 2) == quote) {
    take_triple(lexer, line, quote);
    return;
  }
  lexer->at++;
  while (lexer->at < lexer->end && *lexer->at != quote && !is_newline(*lexer->at)) {
    lexer->at += *lexer->at == '\\' && lexer->end - lexer->at > 1 ? 2 : 1;
  }
  lexer->at += peek(lexer, 0) == quote ? 1 : 0;
  emit(line, E2B__CODE_STRING);
}

/* Up to the backquote or to the "${" of code within. */
static void take_template_text(e2b__code_lexer_t *lexer, e2b__code_line_t *line) {
  while (lexer->at < lexer->end && *lexer->at != '`') {
    if (*lexer->at == '$' && peek(lexer, 1) == '{') {
      lexer->at += 2;
      lexer->braces[lexer->nesting - 1] = 0;
      lexer->operand = false;
      emit(line, '(');
      return;
    }
    lexer->at += *lexer->at == '\\' && lexer->end - lexer->at > 1 ? 2 : 1;
  }
  lexer->at += lexer->at < lexer->end ? 1 : 0;
  lexer->nesting--;
  lexer->operand = true;
}

static void take_template(e2b__code_lexer_t *lexer, e2b__code_line_t *line) {
  if (line->len == 0 && peek(lexer, 1) == '`' && peek(lexer, 2) == '`') {
    lexer->at += 3; /* the fence of a code block in Markdown */
    return;
  }
  lexer->at++;
  emit(line, E2B__CODE_TEMPLATE);
  if (lexer->nesting == E2B__CODE_NESTING_MAX) return;
  lexer->nesting++;
  take_template_text(lexer, line);
}

static void take_brace(e2b__code_lexer_t *lexer, e2b__code_line_t *line) {
  bool opens = *lexer->at++ == '{';
  lexer->operand = false;
  if (!opens && lexer->nesting > 0 && lexer->braces[lexer->nesting - 1] == 0) {
    emit(line, ')');
    take_template_text(lexer, line);
    return;
  }
  if (lexer->nesting > 0) {
    size_t *braces = &lexer->braces[lexer->nesting - 1];
    *braces = opens ? *braces + 1 : *braces - 1;
  }
  emit(line, opens ? '{' : '}');
}

/* --- slashes ---------------------------------------------------------------------------------- */

/* Whether two slashes after a value divide it, as in Python. In JavaScript a comment follows, of
 * which one word is harmless, and of which several cannot be an expression. */
static bool is_floor_division(const e2b__code_lexer_t *lexer) {
  if (peek(lexer, 2) == '=') return peek(lexer, 3) != '=';
  const char *p = after_spaces(lexer, lexer->at + 2);
  if (p == lexer->end) return false;
  if (*p == '(') return true;
  if (!e2b__code_is_word(*p)) return false;
  const char *next = after_spaces(lexer, after_word(lexer, p));
  if (next == lexer->end || !e2b__code_is_word(*next)) return next == lexer->end || *next != '\'';
  return e2b__code_is_one_of("if else for in and or not is as", '\0', next,
                             (size_t)(after_word(lexer, next) - next));
}

/* The length of a regular expression with its slashes; 0 when there is none. */
static size_t regex_length(const e2b__code_lexer_t *lexer) {
  bool in_class = false;
  for (size_t i = 1; i < REGEX_MAX; i++) {
    char c = peek(lexer, i);
    if (c == '\0' || is_newline(c)) return 0;
    if (c == '/' && !in_class) return i + 1;
    if (c == '[' || c == ']') in_class = c == '[';
    if (c == '\\') i++;
  }
  return 0;
}

/* The lone slash among a Python function's parameters. */
static bool is_parameter(const e2b__code_lexer_t *lexer, const e2b__code_line_t *line) {
  size_t len = line->len;
  while (len > 0 && e2b__code_is_blank(line->text[len - 1]))
    len--;
  char next = peek(lexer, 1);
  return len > 0 && line->text[len - 1] == ',' &&
         (next == ')' || (next == ',' && is_space(peek(lexer, 2))));
}

static void take_block_comment(e2b__code_lexer_t *lexer, e2b__code_line_t *line) {
  lexer->at += 2;
  while (lexer->at < lexer->end && !(*lexer->at == '*' && peek(lexer, 1) == '/'))
    lexer->at++;
  lexer->at += lexer->at < lexer->end ? 2 : 0;
  emit(line, E2B__CODE_SLASH_COMMENT);
}

static void take_slash(e2b__code_lexer_t *lexer, e2b__code_line_t *line) {
  char next = peek(lexer, 1);
  size_t regex = 0;
  if (next == '*') {
    take_block_comment(lexer, line);
  } else if (next == '/' && (!lexer->operand || !is_floor_division(lexer))) {
    skip_line(lexer);
    emit(line, E2B__CODE_SLASH_COMMENT);
  } else if (next != '/' && !lexer->operand && !is_parameter(lexer, line) &&
             (regex = regex_length(lexer)) > 0) {
    lexer->at += regex;
    lexer->at = after_word(lexer, lexer->at);
    lexer->operand = true;
    emit(line, E2B__CODE_REGEX);
  } else {
    emit(line, '/');
    if (next == '/') emit(line, '/');
    lexer->at += next == '/' ? 2 : 1;
    lexer->operand = false;
  }
}

/* --- hashes and notebooks --------------------------------------------------------------------- */

/* The first line of a script, as it is. */
static void take_interpreter(e2b__code_lexer_t *lexer, e2b__code_line_t *line) {
  while (lexer->at < lexer->end && !is_newline(*lexer->at) && line->len < E2B__CODE_LINE_MAX / 2) {
    emit(line, (unsigned char)*lexer->at < ' ' ? ' ' : *lexer->at);
    lexer->at++;
  }
  skip_line(lexer);
}

/* A private name of a JavaScript class: "this.#x", "#x = 1", "#x;", "#x() {". */
static bool is_private_name(const e2b__code_lexer_t *lexer, const e2b__code_line_t *line) {
  if (line->len > 0 && line->text[line->len - 1] == '.') return true;
  const char *p = after_spaces(lexer, after_word(lexer, lexer->at + 1));
  return p < lexer->end && (*p == '=' || *p == ';' || *p == '(');
}

static void take_hash(e2b__code_lexer_t *lexer, e2b__code_line_t *line) {
  if (lexer->at == lexer->start && peek(lexer, 1) == '!') {
    take_interpreter(lexer, line);
    return;
  }
  bool word = e2b__code_is_word(peek(lexer, 1));
  if (word && is_private_name(lexer, line)) {
    emit(line, *lexer->at++);
    return;
  }
  if (!word) emit(line, E2B__CODE_HASH_COMMENT);
  skip_line(lexer);
}

/* "%matplotlib inline", "%%time", "!pip install x"; "!done && next()" is JavaScript. */
static bool is_magic(const e2b__code_lexer_t *lexer, const e2b__code_line_t *line) {
  if (!line->starts || line->len > 0) return false;
  if (*lexer->at == '%') return peek(lexer, 1) == '%' || e2b__code_is_word(peek(lexer, 1));
  const char *word = lexer->at + 1, *end = after_word(lexer, word);
  if (end == word || e2b__code_is_one_of("function async await new this typeof", '\0', word,
                                         (size_t)(end - word))) {
    return false;
  }
  const char *next = after_spaces(lexer, end);
  if (next == lexer->end || is_newline(*next)) return true;
  return next > end && (e2b__code_is_word(*next) || strchr("-./~\"'{", *next) != NULL);
}

/* --- lines ------------------------------------------------------------------------------------ */

static void take_mark(e2b__code_lexer_t *lexer, e2b__code_line_t *line) {
  char c = *lexer->at;
  if ((c == '!' || c == '%') && is_magic(lexer, line)) {
    emit(line, E2B__CODE_MAGIC);
    skip_line(lexer);
    return;
  }
  lexer->at++;
  emit(line, c);
  /* What closes a tag is no regular expression either. */
  lexer->operand = c == ')' || c == ']' || c == '<';
}

static void take(e2b__code_lexer_t *lexer, e2b__code_line_t *line) {
  char c = *lexer->at;
  if (e2b__code_is_word(c)) {
    take_word(lexer, line);
  } else if (is_space(c) || c == 0x7f) {
    lexer->at++;
    emit(line, ' ');
    lexer->at = after_spaces(lexer, lexer->at);
  } else {
    switch (c) {
    case '"':
    case '\'': take_string(lexer, line); break;
    case '`': take_template(lexer, line); break;
    case '{':
    case '}': take_brace(lexer, line); break;
    case '/': take_slash(lexer, line); break;
    case '#': take_hash(lexer, line); break;
    default: take_mark(lexer, line);
    }
  }
}

void e2b__code_lexer_init(e2b__code_lexer_t *lexer, const char *code, size_t len) {
  memset(lexer, 0, sizeof *lexer);
  if (len >= 3 && memcmp(code, "\xef\xbb\xbf", 3) == 0) code += 3, len -= 3;
  lexer->start = lexer->at = len > 0 ? code : "";
  lexer->end = lexer->start + len;
}

bool e2b__code_lexer_next(e2b__code_lexer_t *lexer, e2b__code_line_t *line) {
  if (lexer->at == lexer->end) return false;
  line->len = 0;
  line->starts = !lexer->cut;
  lexer->cut = false;
  while (lexer->at < lexer->end && !is_newline(*lexer->at)) {
    if (line->len > E2B__CODE_LINE_MAX - E2B__CODE_WORD_MAX) {
      lexer->cut = true;
      line->ends = false;
      return true;
    }
    take(lexer, line);
  }
  if (lexer->at < lexer->end) lexer->at++;
  lexer->operand = false;
  line->ends = true;
  return true;
}
