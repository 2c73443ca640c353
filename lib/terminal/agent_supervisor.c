/* SPDX-License-Identifier: MIT */
#include "terminal/agent_supervisor.h"

#include <stdio.h>

#include "e2b/command.h"
#include "e2b/files.h"
#include "proto/json.h"
#include "terminal/agent_image.h"

/*  step        what runs                                leaves by
 *  RESTING     nothing                                  somebody asks -> ENSURING
 *  ENSURING    the installed agent, if there is one     an address -> RESTING; no agent that can be
 *                                                       executed -> UPLOADING
 *  UPLOADING   the image, to a name of this upload's    the upload's end -> INSTALLING
 *  INSTALLING  a rename, then the agent                 -> RESTING
 *
 * Any failure ends in RESTING too, and whoever waits is told. Two clients that do this at once end
 * with one agent: the rename is atomic, and the agent's own lock decides who serves. */
typedef enum supervisor_step { RESTING, ENSURING, UPLOADING, INSTALLING } supervisor_step;

enum { COMMAND_MS = 30000, PROTOCOL = 1 };

struct e2b__supervisor {
  struct e2b__supervisor *next; /* of the same sandbox, for another user */
  e2b_sandbox_t *sandbox;       /* held only while something runs */
  char *user;
  supervisor_step step;
  bool cannot_run; /* found out once */
  e2b__agent_address_t address;
  e2b__list_t waits;
  char upload[64]; /* the file's path in the user's home */
};

static const char ensure_script[] = "f=\"$HOME/.e2b/agent-$0\"; [ -x \"$f\" ] || exit 127; "
                                    "exec \"$f\" ensure";
static const char install_script[] =
    "cd \"$HOME\" && chmod 700 .e2b \"$1\" && mv -f \"$1\" \".e2b/agent-$0\" && "
    "exec \".e2b/agent-$0\" ensure";
const char e2b__agent_find_script[] =
    "for f in \"$HOME\"/.e2b/agent-*; do [ -x \"$f\" ] && exec \"$f\" find; done; echo '{}'";

static void release_all(struct e2b__supervisor *first) {
  while (first != NULL) {
    e2b__supervisor_t *next = first->next;
    e2b__free(first->user);
    e2b__free(first);
    first = next;
  }
}

e2b__supervisor_t *e2b__supervisor_of(e2b_sandbox_t *sandbox, const char *user) {
  for (e2b__supervisor_t *it = sandbox->supervisors; it != NULL; it = it->next) {
    if (user == NULL ? it->user == NULL : it->user != NULL && strcmp(it->user, user) == 0) {
      return it;
    }
  }
  e2b__supervisor_t *it = e2b__calloc(1, sizeof *it);
  char *own = e2b__strdup(user);
  if (it == NULL || (own == NULL && user != NULL)) {
    e2b__free(it);
    e2b__free(own);
    return NULL;
  }
  it->user = own;
  e2b__list_init(&it->waits);
  it->next = sandbox->supervisors;
  sandbox->supervisors = it;
  sandbox->release_supervisors = release_all;
  return it;
}

const e2b__agent_address_t *e2b__supervisor_address(const e2b__supervisor_t *supervisor) {
  return &supervisor->address;
}

int e2b__agent_address_parse(const char *text, size_t len, e2b__agent_address_t *address) {
  cJSON *json = e2b__json_parse(text, len);
  if (!cJSON_IsObject(json)) {
    cJSON_Delete(json);
    return E2B_EPROTOCOL;
  }
  int rc = json->child == NULL ? E2B_ENOTFOUND : 0;
  const int64_t port = e2b__json_int(json, "port", 0);
  const char *secret = e2b__json_string(json, "secret", "");
  const size_t digits = strspn(secret, "0123456789abcdef");
  if (rc == 0 && (e2b__json_int(json, "protocol", 0) != PROTOCOL || port < 1 || port > 65535 ||
                  digits != sizeof address->secret - 1 || secret[digits] != '\0')) {
    rc = E2B_EPROTOCOL;
  }
  if (rc == 0) {
    address->port = (uint16_t)port;
    memcpy(address->secret, secret, sizeof address->secret);
  }
  cJSON_Delete(json);
  return rc;
}

/* --- the end of a run --------------------------------------------------------------------------
 */

static void rest(e2b__supervisor_t *supervisor, const e2b_error_t *why) {
  e2b_sandbox_t *sandbox = supervisor->sandbox;
  e2b__list_t waits;
  e2b_error_t own;
  const e2b_error_t *error = NULL;
  if (why != NULL) {
    own = *why;
    own.operation = ""; /* it is the terminal's that failed */
    own.partial = NULL;
    error = &own;
  }
  supervisor->step = RESTING;
  e2b__list_init(&waits);
  e2b__list_move(&waits, &supervisor->waits);
  e2b__list_t *node;
  while ((node = e2b__list_take(&waits)) != NULL) {
    e2b__supervisor_wait_t *wait = E2B__CONTAINER(node, e2b__supervisor_wait_t, node);
    wait->done(wait, error);
  }
  if (supervisor->step == RESTING) supervisor->sandbox = NULL;
  e2b_sandbox_release(sandbox); /* may end the supervisor */
}

/* From the loop: the next step could not even begin. */
static void rest_unless_begun(e2b__supervisor_t *supervisor, int rc) {
  if (rc == 0) return;
  const e2b_error_t error = e2b__error(rc);
  rest(supervisor, &error);
}

static void rest_in_vain(e2b__supervisor_t *supervisor, const char *why) {
  E2B__LOG(&supervisor->sandbox->client->log, E2B_LOG_WARN,
           "sandbox %s: the terminal agent does not run there: %.300s",
           supervisor->sandbox->record.id, why);
  supervisor->cannot_run = true;
  e2b__arena_t arena = {0};
  e2b_error_t error =
      e2b__error_text(&arena, E2B_EUNIMPLEMENTED,
                      "not supported by the server: the terminal agent does not run in this "
                      "sandbox: %.300s",
                      why);
  error.detail = why;
  error.sandbox = E2B_PRESENCE_ALIVE;
  rest(supervisor, &error);
  e2b__arena_free(&arena);
}

/* --- the steps ----------------------------------------------------------------------------------
 */

static int run(e2b__supervisor_t *supervisor, supervisor_step step, const char *script,
               e2b_future_cb done) {
  const char *const args[] = {"-c", script, e2b__agent_image_hash,
                              step == INSTALLING ? supervisor->upload : NULL, NULL};
  e2b_run_options options;
  E2B_INIT(&options);
  options.user = supervisor->user;
  options.timeout_ms = COMMAND_MS;
  supervisor->step = step;
  return e2b_future_then(e2b_run_command(supervisor->sandbox, "/bin/sh", args, &options), done,
                         supervisor);
}

/* The agent's own complaint, unlike a shell's or the system's, proves that it can run. */
static bool is_from_agent(const e2b_execution_t *execution) {
  return strncmp(execution->stderr_data.ptr, "e2b-agent: ", 11) == 0;
}

static bool take_address(e2b__supervisor_t *supervisor, const e2b_execution_t *execution) {
  if (execution->exit_code != 0 ||
      e2b__agent_address_parse(execution->stdout_data.ptr, execution->stdout_data.len,
                               &supervisor->address) != 0) {
    return false;
  }
  supervisor->address.generation++;
  return true;
}

/* What came of running the agent. False: it is not there, or cannot be executed. */
static bool conclude(e2b__supervisor_t *supervisor, e2b_future_t *future) {
  const e2b_execution_t *execution = e2b_future_execution(future);
  if (execution == NULL) {
    rest(supervisor, e2b_future_error(future));
  } else if (take_address(supervisor, execution)) {
    rest(supervisor, NULL);
  } else if (is_from_agent(execution)) {
    e2b__arena_t arena = {0};
    e2b_error_t error =
        e2b__error_text(&arena, E2B_EUNAVAILABLE, "service unavailable: the terminal agent: %.300s",
                        execution->stderr_data.ptr);
    error.detail = execution->stderr_data.ptr;
    rest(supervisor, &error);
    e2b__arena_free(&arena);
  } else {
    return false;
  }
  return true;
}

static void on_installed(e2b_future_t *future, void *user_data) {
  e2b__supervisor_t *supervisor = user_data;
  if (conclude(supervisor, future)) return;
  const e2b_execution_t *execution = e2b_future_execution(future);
  rest_in_vain(supervisor,
               execution->stderr_data.len > 0 ? execution->stderr_data.ptr : execution->status);
}

static void on_uploaded(e2b_future_t *future, void *user_data) {
  e2b__supervisor_t *supervisor = user_data;
  const e2b_error_t *error = e2b_future_error(future);
  if (error == NULL) {
    rest_unless_begun(supervisor, run(supervisor, INSTALLING, install_script, on_installed));
  } else if (error->code == E2B_ESERVER || error->code == E2B_EREQUEST ||
             error->code == E2B_ENOSPACE || error->code == E2B_EUNIMPLEMENTED) {
    rest_in_vain(supervisor, error->message); /* a home that cannot be written */
  } else {
    rest(supervisor, error);
  }
}

static int upload(e2b__supervisor_t *supervisor) {
  uint64_t number = 0;
  uv_random(NULL, NULL, &number, sizeof number, 0, NULL);
  snprintf(supervisor->upload, sizeof supervisor->upload, ".e2b/agent-%s.%016llx",
           e2b__agent_image_hash, (unsigned long long)number);
  e2b_file_options options;
  E2B_INIT(&options);
  options.user = supervisor->user;
  supervisor->step = UPLOADING;
  return e2b_future_then(e2b_files_write(supervisor->sandbox, supervisor->upload, e2b__agent_image,
                                         e2b__agent_image_size, &options),
                         on_uploaded, supervisor);
}

static void on_ensured(e2b_future_t *future, void *user_data) {
  e2b__supervisor_t *supervisor = user_data;
  if (conclude(supervisor, future)) return;
  if (e2b__agent_image_size > 0) {
    rest_unless_begun(supervisor, upload(supervisor));
  } else {
    rest_in_vain(supervisor, "this library was built without it");
  }
}

void e2b__supervisor_wait_init(e2b__supervisor_wait_t *wait,
                               void (*done)(e2b__supervisor_wait_t *, const e2b_error_t *)) {
  e2b__list_init(&wait->node);
  wait->done = done;
}

int e2b__supervisor_ensure(e2b__supervisor_t *supervisor, e2b_sandbox_t *sandbox,
                           e2b__supervisor_wait_t *wait) {
  if (supervisor->cannot_run) return E2B_EUNIMPLEMENTED;
  if (supervisor->step == RESTING) {
    supervisor->sandbox = e2b_sandbox_acquire(sandbox);
    const int rc = run(supervisor, ENSURING, ensure_script, on_ensured);
    if (rc != 0) {
      supervisor->step = RESTING;
      supervisor->sandbox = NULL;
      e2b_sandbox_release(sandbox);
      return rc;
    }
  }
  e2b__list_append(&supervisor->waits, &wait->node);
  return 0;
}
