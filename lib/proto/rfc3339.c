/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "e2b/error.h"
#include "proto/json.h"

#define EARLIEST INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */
#define LATEST   INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

enum { DAY = 86400, DAYS_OF_400_YEARS = 146097, DAYS_TO_1970 = 719468 };

typedef struct date {
  int year;
  int month; /* 1 to 12 */
  int day;   /* 1 to 31 */
} date;

/* Years run from March to February here, so that the leap day comes last; days are counted from
 * the first of March of the year 0. */
static int64_t days_of(date d) {
  int64_t year = d.month <= 2 ? d.year - 1 : d.year;
  int64_t era = year / 400;
  int64_t of_era = year % 400;
  int64_t month = (d.month + 9) % 12;
  int64_t of_year = (153 * month + 2) / 5 + d.day - 1;
  return era * DAYS_OF_400_YEARS + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
         DAYS_TO_1970;
}

static date date_of(int64_t days) {
  days += DAYS_TO_1970;
  int64_t era = days / DAYS_OF_400_YEARS;
  int64_t of_era = days % DAYS_OF_400_YEARS;
  int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
  int64_t month = (5 * of_year + 2) / 153;
  date d;
  d.day = (int)(of_year - (153 * month + 2) / 5) + 1;
  d.month = (int)(month < 10 ? month + 3 : month - 9);
  d.year = (int)(era * 400 + year) + (d.month <= 2);
  return d;
}

/* Date and time to the second; `seconds` is in range. */
static void put_seconds(int64_t seconds, char text[32]) {
  int64_t of_day = (seconds - EARLIEST) % DAY;
  date d = date_of((seconds - of_day) / DAY);
  int s = (int)of_day;
  snprintf(text, 32, "%04d-%02d-%02dT%02d:%02d:%02d", d.year % 10000, d.month, d.day, s / 3600,
           s / 60 % 60, s % 60);
}

void e2b__rfc3339_from_ms(int64_t unix_ms, char text[32]) {
  int64_t ms = unix_ms % 1000;
  int64_t seconds = unix_ms / 1000;
  if (ms < 0) {
    ms += 1000;
    seconds--;
  }
  if (seconds < EARLIEST) {
    seconds = EARLIEST;
    ms = 0;
  } else if (seconds > LATEST) {
    seconds = LATEST;
    ms = 999;
  }
  put_seconds(seconds, text);
  snprintf(text + 19, 13, ".%03dZ", (int)ms);
}

int e2b__rfc3339_format(int64_t seconds, int32_t nanos, char text[32]) {
  if (seconds < EARLIEST || seconds > LATEST || nanos < 0 || nanos > 999999999) return E2B_EINVAL;
  put_seconds(seconds, text);
  if (nanos == 0) {
    snprintf(text + 19, 13, "Z");
  } else if (nanos % 1000000 == 0) {
    snprintf(text + 19, 13, ".%03dZ", (int)nanos / 1000000);
  } else if (nanos % 1000 == 0) {
    snprintf(text + 19, 13, ".%06dZ", (int)nanos / 1000);
  } else {
    snprintf(text + 19, 13, ".%09dZ", (int)nanos);
  }
  return 0;
}

typedef struct cursor {
  const char *at;
  const char *end;
  bool failed;
} cursor;

static int digit(cursor *c, char text) {
  const unsigned value = (unsigned)(text - '0');
  if (value > 9) c->failed = true;
  return (int)value;
}

/* What is left has room for them. */
static inline int two_digits(cursor *c, int lowest, int highest) {
  const int value = digit(c, c->at[0]) * 10 + digit(c, c->at[1]);
  if (value < lowest || value > highest) c->failed = true;
  c->at += 2;
  return value;
}

static inline void take_mark(cursor *c, char mark) {
  if (*c->at++ != mark) c->failed = true;
}

static int32_t take_fraction(cursor *c) {
  int32_t nanos = 0;
  int32_t weight = 100000000;
  if (c->at == c->end || *c->at != '.') return 0;
  c->at++;
  if (c->at == c->end || *c->at < '0' || *c->at > '9') c->failed = true;
  for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++, weight /= 10) {
    nanos += weight * (*c->at - '0');
  }
  return nanos;
}

/* Seconds east of Greenwich. */
static int take_offset(cursor *c) {
  char sign = c->at < c->end ? *c->at++ : '\0';
  if (sign == 'Z' || sign == 'z') return 0;
  if (sign != '+' && sign != '-') {
    c->failed = true;
    return 0;
  }
  if (c->end - c->at != 5) {
    c->failed = true;
    return 0;
  }
  int hours = two_digits(c, 0, 23);
  take_mark(c, ':');
  int offset = hours * 3600 + two_digits(c, 0, 59) * 60;
  return sign == '-' ? -offset : offset;
}

static int days_in(int year, int month) {
  static const char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return days[month - 1] + (month == 2 && leap);
}

int e2b__rfc3339_parse(const char *text, size_t len, int64_t *seconds, int32_t *nanos) {
  if (len < sizeof "0001-01-01T00:00:00Z" - 1) return E2B_EPROTOCOL;
  cursor c = {text, text + len, false};
  date d;
  d.year = two_digits(&c, 0, 99) * 100;
  d.year += two_digits(&c, 0, 99);
  take_mark(&c, '-');
  d.month = two_digits(&c, 1, 12);
  take_mark(&c, '-');
  d.day = two_digits(&c, 1, 31);
  take_mark(&c, *c.at == 't' ? 't' : 'T');
  int hours = two_digits(&c, 0, 23);
  take_mark(&c, ':');
  int minutes = two_digits(&c, 0, 59);
  take_mark(&c, ':');
  int second = two_digits(&c, 0, 59);
  int32_t fraction = take_fraction(&c);
  int offset = take_offset(&c);
  if (c.failed || c.at != c.end || d.year == 0 || d.day > days_in(d.year, d.month)) {
    return E2B_EPROTOCOL;
  }
  int64_t value = days_of(d) * DAY + hours * 3600 + minutes * 60 + second - offset;
  if (value < EARLIEST || value > LATEST) return E2B_EPROTOCOL;
  *seconds = value;
  *nanos = fraction;
  return 0;
}
