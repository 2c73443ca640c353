/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

#include "e2b/host.h"

/* The program e2b-host: the library with a command line. */

static const char help[] =
    "e2b-host: E2B's protocol on this machine, with real processes in namespaces of their own\n"
    "\n"
    "  --listen ADDRESS:PORT  where (default 127.0.0.1:3000; port 0: any free one)\n"
    "  --api-key e2b_...      what clients must send (default: a random key, see the output)\n"
    "  --state DIR            for the sandboxes' files (default: a directory of its own, removed\n"
    "                         at the end)\n"
    "  --python DIR           a Python environment for the template code-interpreter-v1\n"
    "  --max-sandboxes N      at once (default 1000)\n"
    "  --no-isolation         no namespaces: processes run as the caller, with the machine's\n"
    "                         files. Only where the machine is itself a sandbox\n"
    "  --tls                  not in this version\n"
    "  --verbose              say more on standard error\n"
    "  --help                 this text\n"
    "\n"
    "The first line of output is the URL, when it is ready; the second the key. Point clients at\n"
    "it with E2B_API_URL and E2B_SANDBOX_URL (both the URL) and E2B_API_KEY.\n";

static e2b_host_t *host;
static uv_signal_t signals[3];

static void on_log(e2b_log_level_t level, const char *line, void *user_data) {
  static const char *const names[] = {"", "error: ", "warning: ", "", "debug: ", "trace: "};
  (void)user_data;
  fprintf(stderr, "e2b-host: %s%s\n", names[level], line);
}

static void on_closed(void *user_data) {
  (void)user_data;
  for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
    uv_close((uv_handle_t *)&signals[i], NULL);
}

static void on_signal(uv_signal_t *handle, int number) {
  (void)handle;
  (void)number;
  e2b_host_close(host, on_closed, NULL);
}

static const char *value_of(int argc, char **argv, int *at) {
  if (*at + 1 < argc) return argv[++*at];
  fprintf(stderr, "e2b-host: %s needs a value\n", argv[*at]);
  exit(2);
}

static size_t number_of(const char *text) {
  char *end;
  unsigned long number = strtoul(text, &end, 10);
  if (*text >= '0' && *text <= '9' && *end == '\0' && number > 0) return number;
  fprintf(stderr, "e2b-host: '%s' is not a number above 0\n", text);
  exit(2);
}

static void parse(int argc, char **argv, e2b_host_options *o) {
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--listen") == 0)
      o->listen = value_of(argc, argv, &i);
    else if (strcmp(argv[i], "--api-key") == 0)
      o->api_key = value_of(argc, argv, &i);
    else if (strcmp(argv[i], "--state") == 0)
      o->state_dir = value_of(argc, argv, &i);
    else if (strcmp(argv[i], "--python") == 0)
      o->python_dir = value_of(argc, argv, &i);
    else if (strcmp(argv[i], "--max-sandboxes") == 0)
      o->max_sandboxes = number_of(value_of(argc, argv, &i));
    else if (strcmp(argv[i], "--no-isolation") == 0)
      o->no_isolation = 1;
    else if (strcmp(argv[i], "--verbose") == 0)
      o->log_level = E2B_LOG_DEBUG;
    else if (strcmp(argv[i], "--help") == 0) {
      fputs(help, stdout);
      exit(0);
    } else if (strcmp(argv[i], "--tls") == 0) {
      fprintf(stderr, "e2b-host: --tls is not in this version; use the plain URL\n");
      exit(2);
    } else {
      fprintf(stderr, "e2b-host: unknown option '%s' (see --help)\n", argv[i]);
      exit(2);
    }
  }
}

/* A sandbox and each of its processes hold descriptors. */
static void raise_descriptors(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv) {
  static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
  e2b_host_options options;
  char why[1024];

  E2B_INIT(&options);
  options.log = on_log;
  options.log_level = E2B_LOG_INFO;
  parse(argc, argv, &options);
  raise_descriptors();
  uv_loop_t *loop = uv_default_loop();
  if (e2b_host_start(loop, &options, &host, why, sizeof why) != 0) {
    fprintf(stderr, "e2b-host: %s\n", why);
    return 1;
  }
  for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
    uv_signal_init(loop, &signals[i]);
    uv_signal_start(&signals[i], on_signal, numbers[i]);
  }
  printf("%s\nE2B_API_KEY=%s\n", e2b_host_url(host), e2b_host_api_key(host));
  fflush(stdout);
  uv_run(loop, UV_RUN_DEFAULT);
  return uv_loop_close(loop) == 0 ? 0 : 1;
}
