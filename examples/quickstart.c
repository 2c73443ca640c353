/* SPDX-License-Identifier: MIT */

/* The whole way once: a sandbox, Python and Node.js, a command, files, the end. Every operation
 * returns at once with a future, and e2b_future_then() says what is to happen when it is decided.
 * Here all futures have one continuation, on_step(), which shows the result and starts the next. */

#include <stdio.h>
#include <string.h>

#include "support.h"

typedef struct app {
  demo_t demo;
  e2b_sandbox_t *sandbox;
  size_t step;
  int failed;
  int done;
} app_t;

/* ---- what is started, and how its result is shown ---- */

static const char python_code[] = "import pandas as pd\n"
                                  "import numpy as np\n"
                                  "\n"
                                  "data = {'A': [1, 2, 3], 'B': [4, 5, 6]}\n"
                                  "df = pd.DataFrame(data)\n"
                                  "print(df)\n"
                                  "print(f\"Sum: {df.sum().sum()}\")\n";

static const char node_code[] = "const data = { message: \"Hello from Node.js\" };\n"
                                "console.log(JSON.stringify(data));\n";

static e2b_future_t *create(app_t *app) {
  return e2b_sandbox_create(app->demo.client, NULL);
}

static int show_sandbox(app_t *app, e2b_future_t *future) {
  app->sandbox = e2b_future_sandbox(future);
  printf("%s\n", e2b_sandbox_id(app->sandbox));
  return 1;
}

static e2b_future_t *run_python(app_t *app) {
  e2b_code_options options;
  E2B_INIT(&options);
  options.runtime = E2B_RUNTIME_PYTHON;
  return e2b_run_code(app->sandbox, python_code, &options);
}

static e2b_future_t *run_node(app_t *app) {
  e2b_code_options options;
  E2B_INIT(&options);
  options.runtime = E2B_RUNTIME_NODE;
  return e2b_run_code(app->sandbox, node_code, &options);
}

static e2b_future_t *run_detected(app_t *app) {
  return e2b_run_code(app->sandbox, "print(\"Auto-detected as Python\")", NULL);
}

static int show_execution(app_t *app, e2b_future_t *future) {
  const e2b_execution_t *result = e2b_future_execution(future);
  (void)app;
  printf("%s", result->stdout_data.ptr);
  fprintf(stderr, "%s", result->stderr_data.ptr);
  /* What the program answers is data; that it should be 0 is this example's own wish. */
  if (result->exit_code != 0) fprintf(stderr, "it ended with %s\n", result->status);
  return result->exit_code == 0;
}

static e2b_future_t *make_directory(app_t *app) {
  return e2b_files_mkdir(app->sandbox, "project/data", NULL);
}

static int show_made(app_t *app, e2b_future_t *future) {
  (void)app;
  printf("project/data %s\n", e2b_future_bool(future) ? "is new" : "was there already");
  return 1;
}

static e2b_future_t *write_file(app_t *app) {
  static const char text[] = "print(\"Hello World\")\n";
  return e2b_files_write(app->sandbox, "project/hello.py", text, strlen(text), NULL);
}

static int show_written(app_t *app, e2b_future_t *future) {
  (void)app;
  printf("%s\n", e2b_future_file_info(future)->path);
  return 1;
}

static e2b_future_t *read_file(app_t *app) {
  return e2b_files_read(app->sandbox, "project/hello.py", NULL);
}

static int show_bytes(app_t *app, e2b_future_t *future) {
  (void)app;
  printf("%s", e2b_future_bytes(future)->ptr);
  return 1;
}

static e2b_future_t *list_directory(app_t *app) {
  return e2b_files_list(app->sandbox, "project", 1, NULL);
}

static int show_list(app_t *app, e2b_future_t *future) {
  static const char *const types[] = {"other", "file", "directory"};
  const e2b_file_list_t *list = e2b_future_file_list(future);
  (void)app;
  for (size_t i = 0; i < list->count; i++)
    printf("%-10s %6lld  %s\n", types[list->items[i].type], (long long)list->items[i].size,
           list->items[i].name);
  return list->count == 2;
}

static e2b_future_t *run_command(app_t *app) {
  static const char *const args[] = {"-la", "project", NULL};
  return e2b_run_command(app->sandbox, "ls", args, NULL);
}

static e2b_future_t *remove_file(app_t *app) {
  return e2b_files_remove(app->sandbox, "project/hello.py", NULL);
}

static e2b_future_t *ask_exists(app_t *app) {
  return e2b_files_exists(app->sandbox, "project/hello.py", NULL);
}

static int show_there(app_t *app, e2b_future_t *future) {
  (void)app;
  printf("%s\n", e2b_future_bool(future) ? "yes" : "no");
  return e2b_future_bool(future);
}

static int show_gone(app_t *app, e2b_future_t *future) {
  return !show_there(app, future);
}

static e2b_future_t *get_info(app_t *app) {
  return e2b_sandbox_get_info(app->sandbox);
}

static int show_info(app_t *app, e2b_future_t *future) {
  const e2b_sandbox_info_t *info = e2b_future_sandbox_info(future);
  (void)app;
  printf("id %s, provider %s, status %s, template %s\n", info->id, info->provider, info->status,
         info->template_id);
  return info->state == E2B_SANDBOX_RUNNING;
}

static e2b_future_t *destroy(app_t *app) {
  return e2b_sandbox_kill(app->sandbox);
}

static const struct step {
  const char *title;
  e2b_future_t *(*start)(app_t *app);
  int (*show)(app_t *app, e2b_future_t *future); /* nonzero when it is as it should be */
} steps[] = {
    {"create a sandbox", create, show_sandbox},
    {"run Python", run_python, show_execution},
    {"run Node.js", run_node, show_execution},
    {"run code, the language detected", run_detected, show_execution},
    {"make a directory", make_directory, show_made},
    {"write a file", write_file, show_written},
    {"read it", read_file, show_bytes},
    {"list the directory", list_directory, show_list},
    {"run a command: ls -la project", run_command, show_execution},
    {"does the file exist?", ask_exists, show_there},
    {"remove it", remove_file, NULL},
    {"does it still exist?", ask_exists, show_gone},
    {"what the server knows of the sandbox", get_info, show_info},
    {"destroy the sandbox", destroy, NULL},
};

enum { STEPS = sizeof steps / sizeof steps[0] };

/* ---- from step to step ---- */

static void on_step(e2b_future_t *future, void *user_data);

static void start_step(app_t *app) {
  printf("\n%zu. %s\n", app->step + 1, steps[app->step].title);
  e2b_future_then(steps[app->step].start(app), on_step, app);
}

/* Called from the loop, never from inside the call that started the operation. The future and the
 * plain data in it are valid until this returns. After a failure the last step is still done. */
static void on_step(e2b_future_t *future, void *user_data) {
  app_t *app = user_data;
  const struct step *step = &steps[app->step];
  int last = app->step == STEPS - 1;
  if (demo_failed(future) || (step->show != NULL && !step->show(app, future))) app->failed = 1;
  if (last || app->sandbox == NULL) demo_close(&app->demo);
  if (app->demo.closing) {
    app->done = last;
  } else {
    app->step = app->failed ? STEPS - 1 : app->step + 1;
    start_step(app);
  }
}

int main(void) {
  app_t app = {.sandbox = NULL};
  if (demo_start(&app.demo, uv_default_loop()) == 0) {
    start_step(&app);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  }
  e2b_sandbox_release(app.sandbox);
  return demo_finish(&app.demo, app.done && !app.failed);
}
