/* SPDX-License-Identifier: MIT */
#ifndef E2B_TESTS_SUPPORT_REPLAY_H
#define E2B_TESTS_SUPPORT_REPLAY_H

/* Exchanges that were recorded with the real servers, said again to the host: status, headers, body
 * and events must be the same. What differs stands in tests/host/replay-differences.txt, each
 * difference with its reason; one that is not listed fails, and so does one that is listed and not
 * there. Process ids, watcher ids and tokens are learned from the answers and put into later
 * requests and expectations. */

#include "support/wire.h"

typedef enum replay_verb {
  REPLAY_DONE,  /* the scene's end */
  REPLAY_ASK,   /* sends the recorded request, awaits the whole answer and compares it */
  REPLAY_SEND,  /* sends it */
  REPLAY_BEGIN, /* sends it and awaits the stream's first event */
  REPLAY_END,   /* awaits the end of what was begun and compares */
  REPLAY_CUT,   /* hangs up and compares what has come */
  REPLAY_HALF,  /* closes the sending side of what was begun */
  REPLAY_UNTIL, /* awaits as many of its events as `flags` says, keepalives not counted */
  REPLAY_SHELL  /* a shell line in the sandbox, as root; what was learned stands in it */
} replay_verb;

enum {
  REPLAY_SHAPE = 1, /* values are of the moment: only their types count */
  REPLAY_KINDS = 2, /* of events only the sequence of their kinds counts */
  REPLAY_PULSE = 4  /* keepalives are part of it; else how many came is chance */
};

typedef struct replay_step {
  replay_verb verb;
  const char *what; /* the recording's name, or the shell line */
  unsigned flags;
} replay_step;

/* Skips the test where recordings cannot be repeated: without a root of its own, and, when they are
 * of `kept` files, where files keep neither owners nor attributes. */
void replay_needs(bool kept);
/* Skips it for another reason. */
void replay_skip(const char *reason);
/* Runs a scene with the recordings of a folder of tests/fixtures/replay, in wire.sandbox. */
void replay(const char *folder, const replay_step *steps);
/* From now on `live` stands where recordings have `recorded`. */
void replay_learn(const char *recorded, const char *live);
/* Signatures in recorded paths are made with this token; NULL: they stay. */
void replay_sign(const char *token);
/* Last of all: each recording of the folder took part, and each listed difference was met. */
void replay_complete(const char *folder);

/* ---- between its files ---- */

/* Tells one difference; the list decides what it is. */
void replay_differs(const char *recording, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Fails when there was a difference that is not listed. */
void replay_judge(void);
/* Whether the list says that the recording takes no part. */
bool replay_excused(const char *recording);
/* Fails for the differences of a folder that are listed and were not met. */
void replay_unmet(const char *folder);

/* One side's body as text: decoded and unpacked. */
typedef struct replay_body {
  const char *recording;
  const char *path, *type; /* of the request; of the recorded answer */
  e2b__buffer_t recorded, live;
  unsigned flags;
} replay_body;

void replay_compare(const replay_body *body);
/* How many whole events there are that are no keepalives. */
unsigned replay_events(const char *type, const char *data, size_t len);
/* Takes an envelope off *data; false when there is no whole one. */
bool replay_envelope(const char **data, size_t *len, unsigned *flags, const char **payload,
                     size_t *size);
/* A packed body or payload in plain, in its place. */
void replay_unpack(e2b__buffer_t *body);

#endif
