/* SPDX-License-Identifier: MIT */
#ifndef E2B_CODE_DETECT_PATTERN_H
#define E2B_CODE_DETECT_PATTERN_H

#include "code/detect_lexer.h"

/* A pattern stands for itself, at the start of a word and up to the end of one, except for
 *   ^    the start of a statement (first only)       %.   a member's name will do (first only)
 *   $    the end of a statement                      ' '  blanks, or none
 *   %_   blanks                                      %*   anything, that is near in the line
 *   %i   a name                                      %n   a name, number or keyword
 *   %d   a name with dots                            %0   a number
 *   %u   a name with two underscores in it           %$   a name with a dollar in it
 *   %w   the rest of a word                          %[a b]  one of these words
 *   %s   a string           %t   one in triple quotes       %q   either
 *   %l   a template literal      %r   a regular expression
 *   %c   a comment of slashes    %h   one of a hash          %m   a notebook's magic
 *   %%   a percent sign */

/* Whether `pattern` is at `at` in `line`, where a word or a mark starts; a statement as well, when
 * `fresh`. */
bool e2b__code_pattern_is_at(const e2b__code_line_t *line, const char *at, bool fresh,
                             const char *pattern);

enum { E2B__CODE_LEAD_WORD = 128, E2B__CODE_LEADS };

/* The byte that whatever matches starts with; E2B__CODE_LEAD_WORD for a word of several kinds. */
size_t e2b__code_pattern_lead(const char *pattern);

#endif
