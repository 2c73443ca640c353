/* SPDX-License-Identifier: MIT */
#ifndef E2B_CODE_DETECT_LEXER_H
#define E2B_CODE_DETECT_LEXER_H

#include <stdbool.h>
#include <stddef.h>

/* Reads text that is Python or JavaScript, it is not known which, line by line. Strings, comments
 * and the like come out as one byte each, so that the words in them cannot mislead. A line is what
 * a reader takes for one: a string of several lines does not end it. */

enum {
  E2B__CODE_STRING = 1,
  E2B__CODE_TRIPLE,        /* a string in three quotes */
  E2B__CODE_TEMPLATE,      /* text in backquotes; code within it follows in parentheses */
  E2B__CODE_REGEX,         /* between slashes */
  E2B__CODE_MAGIC,         /* a notebook's line of "!command" or "%magic" */
  E2B__CODE_SLASH_COMMENT, /* of two slashes, or of slash and star */
  E2B__CODE_HASH_COMMENT /* "# text"; "#text" leaves nothing, it may be a comment or a private name
                          */
};

enum { E2B__CODE_LINE_MAX = 1024, E2B__CODE_WORD_MAX = 64, E2B__CODE_NESTING_MAX = 16 };

typedef struct e2b__code_line {
  char text[E2B__CODE_LINE_MAX];
  size_t len;
  bool starts, ends; /* false where a long line was cut */
} e2b__code_line_t;

typedef struct e2b__code_lexer {
  const char *start, *at, *end;
  bool cut;
  bool operand; /* a value stands before: a slash divides it */
  size_t nesting;
  size_t braces[E2B__CODE_NESTING_MAX]; /* open in the code of each template literal */
} e2b__code_lexer_t;

void e2b__code_lexer_init(e2b__code_lexer_t *lexer, const char *code, size_t len);
bool e2b__code_lexer_next(e2b__code_lexer_t *lexer, e2b__code_line_t *line);

/* Of names, numbers and keywords of either language. */
bool e2b__code_is_word(char c);
/* Blanks, and comments, which mean no more. */
bool e2b__code_is_blank(char c);
/* Whether `word` is one of those in `list`, which blanks separate and `end` ends. */
bool e2b__code_is_one_of(const char *list, char end, const char *word, size_t len);

#endif
