/* SPDX-License-Identifier: MIT */
#include "handler/handler.h"

/* What may be asked for, and what each request must contain. The words of the refusals are part of
 * the contract with front ends. */

#define FILESYSTEM "Sandbox ID is required for filesystem operations"
#define TERMINAL   "Sandbox ID is required for terminal operations"
#define TEXT       E2B__NEEDS_TEXT
#define CONTENT    E2B__NEEDS_CONTENT
#define NUMBER     E2B__NEEDS_NUMBER
#define SIZE       "Cols and rows are required for resize action"

static const e2b__action_t actions[] = {
    {"create", NULL, E2B__NO_SANDBOX, false, {{0}}, e2b__action_create},
    {"destroy",
     "Sandbox ID is required for destroy action",
     E2B__SANDBOX_ID,
     false,
     {{0}},
     e2b__action_destroy},
    {"getInfo",
     "Sandbox ID is required for getInfo action",
     E2B__SANDBOX_ID,
     false,
     {{0}},
     e2b__action_get_info},
    {"list", NULL, E2B__NO_SANDBOX, false, {{0}}, e2b__action_list},
    {"runCode",
     NULL,
     E2B__SANDBOX_OR_NEW,
     true,
     {{"code", TEXT, "Code is required for runCode action"}, {0}},
     e2b__action_run_code},
    {"runCommand",
     NULL,
     E2B__SANDBOX_OR_NEW,
     true,
     {{"command", TEXT, "Command is required for runCommand action"}, {0}},
     e2b__action_run_command},
    {"filesystem.readFile",
     FILESYSTEM,
     E2B__SANDBOX,
     false,
     {{"path", TEXT, "File path is required for readFile action"}, {0}},
     e2b__action_read_file},
    {"filesystem.writeFile",
     FILESYSTEM,
     E2B__SANDBOX,
     false,
     {{"path", TEXT, "File path is required for writeFile action"},
      {"content", CONTENT, "File content is required for writeFile action"},
      {0}},
     e2b__action_write_file},
    {"filesystem.mkdir",
     FILESYSTEM,
     E2B__SANDBOX,
     false,
     {{"path", TEXT, "Directory path is required for mkdir action"}, {0}},
     e2b__action_mkdir},
    {"filesystem.readdir",
     FILESYSTEM,
     E2B__SANDBOX,
     false,
     {{"path", TEXT, "Directory path is required for readdir action"}, {0}},
     e2b__action_readdir},
    {"filesystem.exists",
     FILESYSTEM,
     E2B__SANDBOX,
     false,
     {{"path", TEXT, "Path is required for exists action"}, {0}},
     e2b__action_exists},
    {"filesystem.remove",
     FILESYSTEM,
     E2B__SANDBOX,
     false,
     {{"path", TEXT, "Path is required for remove action"}, {0}},
     e2b__action_remove},
    {"terminal.create", TERMINAL, E2B__SANDBOX, false, {{0}}, e2b__action_terminal_create},
    {"terminal.getById",
     TERMINAL,
     E2B__SANDBOX,
     false,
     {{"terminalId", TEXT, "Terminal ID is required for getById action"}, {0}},
     e2b__action_terminal_get},
    {"terminal.list", TERMINAL, E2B__SANDBOX, false, {{0}}, e2b__action_terminal_list},
    {"terminal.destroy",
     TERMINAL,
     E2B__SANDBOX,
     false,
     {{"terminalId", TEXT, "Terminal ID is required for destroy action"}, {0}},
     e2b__action_terminal_kill},
    {"terminal.write",
     TERMINAL,
     E2B__SANDBOX,
     false,
     {{"terminalId", TEXT, "Terminal ID is required for write action"},
      {"data", TEXT, "Data is required for write action"},
      {0}},
     e2b__action_terminal_write},
    {"terminal.resize",
     TERMINAL,
     E2B__SANDBOX,
     false,
     {{"terminalId", TEXT, "Terminal ID is required for resize action"},
      {"cols", NUMBER, SIZE},
      {"rows", NUMBER, SIZE},
      {0}},
     e2b__action_terminal_resize},
    {"terminal.kill",
     TERMINAL,
     E2B__SANDBOX,
     false,
     {{"terminalId", TEXT, "Terminal ID is required for kill action"}, {0}},
     e2b__action_terminal_kill},
};

const char *e2b__action_text(const e2b__handling_t *h, const char *field) {
  const char *text = e2b__json_string(h->body, field, "");
  return *text != '\0' ? text : NULL;
}

double e2b__action_number(const e2b__handling_t *h, const char *field) {
  return e2b__json_number(h->body, field, 0);
}

/* NULL when it is there and of the right kind. */
static const char *what_is_wrong(const e2b__handling_t *h, const struct e2b__requirement *need) {
  const cJSON *member = cJSON_GetObjectItemCaseSensitive(h->body, need->field);
  if (member == NULL || cJSON_IsNull(member)) return need->missing;
  switch (need->kind) {
  case E2B__NEEDS_NUMBER:
    if (!cJSON_IsNumber(member)) return "must be a number";
    return member->valuedouble > 0 ? NULL : need->missing;
  case E2B__NEEDS_CONTENT: return cJSON_IsString(member) ? NULL : "must be a string";
  case E2B__NEEDS_TEXT:
    if (!cJSON_IsString(member)) return "must be a string";
    return *member->valuestring != '\0' ? NULL : need->missing;
  default: return NULL;
  }
}

/* False: answered. */
static bool check_requirements(e2b__handling_t *h) {
  const struct e2b__requirement *need = h->action->requires;
  for (; need->field != NULL; need++) {
    const char *wrong = what_is_wrong(h, need);
    if (wrong == NULL) continue;
    if (wrong == need->missing) {
      e2b__handling_fail(h, 400, "%s", wrong);
    } else {
      e2b__handling_fail(h, 400, "Field '%s' %s", need->field, wrong);
    }
    return false;
  }
  return true;
}

static cJSON_bool is_count(const cJSON *member) {
  return cJSON_IsNumber(member) && member->valuedouble >= 0;
}

static cJSON_bool is_size(const cJSON *member) {
  return is_count(member) && member->valuedouble <= UINT16_MAX;
}

/* Members that are not required, but whose wrong type would be passed over in silence. An object
 * stands before its members. False: answered. */
static bool check_types(e2b__handling_t *h) {
  static const struct {
    const char *object; /* NULL: the body itself */
    const char *field;
    cJSON_bool (*is)(const cJSON *member);
    const char *what;
  } members[] = {
      {NULL, "sandboxId", cJSON_IsString, "a string"},
      {NULL, "terminalId", cJSON_IsString, "a string"},
      {NULL, "runtime", cJSON_IsString, "a string"},
      {NULL, "encoding", cJSON_IsString, "a string"},
      {NULL, "cwd", cJSON_IsString, "a string"},
      {NULL, "nextToken", cJSON_IsString, "a string"},
      {NULL, "stream", cJSON_IsBool, "true or false"},
      {NULL, "options", cJSON_IsObject, "an object"},
      {"options", "sandboxId", cJSON_IsString, "a string"},
      {"options", "runtime", cJSON_IsString, "a string"},
      {"options", "timeout", is_count, "a number of milliseconds"},
      {NULL, "terminalOptions", cJSON_IsObject, "an object"},
      {"terminalOptions", "command", cJSON_IsString, "a string"},
      {"terminalOptions", "cwd", cJSON_IsString, "a string"},
      {"terminalOptions", "cols", is_size, "a number up to 65535"},
      {"terminalOptions", "rows", is_size, "a number up to 65535"},
  };
  for (size_t i = 0; i < E2B__COUNT(members); i++) {
    const char *in = members[i].object;
    const cJSON *object = in != NULL ? cJSON_GetObjectItemCaseSensitive(h->body, in) : h->body;
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, members[i].field);
    if (member == NULL || cJSON_IsNull(member) || members[i].is(member)) continue;
    e2b__handling_fail(h, 400, "Field '%s%s%s' must be %s", in != NULL ? in : "",
                       in != NULL ? "." : "", members[i].field, members[i].what);
    return false;
  }
  return true;
}

/* False: answered. */
static bool check_args(e2b__handling_t *h) {
  const cJSON *args = cJSON_GetObjectItemCaseSensitive(h->body, "args");
  bool good = args == NULL || cJSON_IsNull(args) || cJSON_IsArray(args);
  for (const cJSON *arg = good && args != NULL ? args->child : NULL; arg != NULL; arg = arg->next) {
    good = good && cJSON_IsString(arg);
  }
  if (!good) e2b__handling_fail(h, 400, "Field 'args' must be an array of strings");
  return good;
}

static bool begin_run(e2b__handling_t *h) {
  if (h->caller->runs >= h->handler->options.max_runs) {
    e2b__handling_fail(h, 429, "Too many runs at once (limit %u)", h->handler->options.max_runs);
    return false;
  }
  h->caller->runs++;
  h->running = true;
  return true;
}

static void run(e2b__handling_t *h) {
  h->action->run(h);
}

static const e2b__action_t *find(const char *name) {
  static const char prefix[] = "compute.sandbox.";
  if (strncmp(name, prefix, sizeof prefix - 1) != 0) return NULL;
  for (size_t i = 0; i < E2B__COUNT(actions); i++) {
    if (strcmp(actions[i].name, name + sizeof prefix - 1) == 0) return &actions[i];
  }
  return NULL;
}

void e2b__action_start(e2b__handling_t *h) {
  const cJSON *member = cJSON_GetObjectItemCaseSensitive(h->body, "action");
  const char *name = cJSON_IsString(member) ? member->valuestring : "undefined";
  h->action = find(name);
  if (h->action == NULL) {
    e2b__handling_fail(h, 400, "Unknown action: %s", name);
    return;
  }
  if (!check_types(h) || !check_args(h)) return;
  if (!e2b__handling_read_runtime(h, h->body, &h->asked)) return;
  const char *id = e2b__action_text(h, "sandboxId");
  if (id == NULL && h->action->sandbox_missing != NULL) {
    e2b__handling_fail(h, 400, "%s", h->action->sandbox_missing);
    return;
  }
  if (!check_requirements(h)) return;
  if (h->action->runs && !begin_run(h)) return;
  if (h->action->takes == E2B__NO_SANDBOX) {
    run(h);
  } else if (id != NULL) {
    e2b__handling_take_sandbox(h, id, h->action->takes != E2B__SANDBOX_ID, run);
  } else {
    e2b__handling_make_sandbox(h, run);
  }
}
