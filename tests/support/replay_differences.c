/* SPDX-License-Identifier: MIT */
#include "support/replay.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

/* The list of known differences: lines "recording | what | reason"; "what?" may be there or not. */

enum { LISTED = 256, LINE = 512 };

static struct listed {
  char line[LINE];
  const char *recording, *what;
  bool met; /* or need not be */
} listed[LISTED];

static size_t count;
static unsigned unlisted;

static char *trim(char *text) {
  text += strspn(text, " ");
  size_t len = strlen(text);
  while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\n'))
    text[--len] = '\0';
  return text;
}

static void read_list(void) {
  if (count > 0) return;
  FILE *file = fopen(E2B_FIXTURES "/../host/replay-differences.txt", "r");
  assert_non_null(file);
  while (count < LISTED && fgets(listed[count].line, LINE, file) != NULL) {
    struct listed *entry = &listed[count];
    if (entry->line[0] == '#' || entry->line[0] == '\n') continue;
    char *first = strchr(entry->line, '|'), *second = first ? strchr(first + 1, '|') : NULL;
    if (second == NULL || trim(second + 1)[0] == '\0') fail_msg("no reason: %s", entry->line);
    *first = *second = '\0';
    entry->recording = trim(entry->line);
    char *what = trim(first + 1);
    size_t len = strlen(what);
    entry->met = len > 0 && what[len - 1] == '?';
    if (entry->met) what[len - 1] = '\0';
    entry->what = what;
    count++;
  }
  assert_true(count > 0 && count < LISTED);
  fclose(file);
}

static bool meet(const char *recording, const char *what) {
  bool any = false;
  read_list();
  for (size_t i = 0; i < count; i++) {
    if (strcmp(listed[i].what, what) != 0 || fnmatch(listed[i].recording, recording, 0) != 0)
      continue;
    listed[i].met = any = true;
  }
  return any;
}

void replay_differs(const char *recording, const char *fmt, ...) {
  char what[LINE], *detail;
  va_list args;
  va_start(args, fmt);
  vsnprintf(what, sizeof what, fmt, args);
  va_end(args);
  /* "what: recorded against live" */
  detail = strstr(what, ": ");
  if (detail != NULL) *detail = '\0';
  if (meet(recording, what)) return;
  print_error("%s | %s | %s\n", recording, what, detail != NULL ? detail + 2 : "");
  unlisted++;
}

bool replay_excused(const char *recording) {
  return meet(recording, "not replayed");
}

void replay_judge(void) {
  unsigned found = unlisted;
  unlisted = 0;
  if (found > 0) fail_msg("%u differences that are not listed", found);
}

void replay_unmet(const char *folder) {
  unsigned stale = 0;
  size_t len = strlen(folder);
  read_list();
  for (size_t i = 0; i < count; i++) {
    if (listed[i].met || strncmp(listed[i].recording, folder, len) != 0 ||
        listed[i].recording[len] != '/')
      continue;
    print_error("listed, but not there: %s | %s\n", listed[i].recording, listed[i].what);
    stale++;
  }
  assert_int_equal(stale, 0);
}
