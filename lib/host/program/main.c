/* SPDX-License-Identifier: MIT */
#include <netdb.h>
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
    "  --processes N          in each sandbox at once, threads included (default 1024)\n"
    "  --memory-mb N          of all programs of a sandbox (default 4096): past it the largest\n"
    "                         is killed\n"
    "  --disk-mb N            of all files of a sandbox (default 10240): past it none can be\n"
    "                         written to\n"
    "  --no-isolation         no namespaces: processes run as the caller, with the machine's\n"
    "                         files. Only where the machine is itself a sandbox\n"
    "  --tls                  https under a domain, for clients that take no URLs\n"
    "  --domain NAME          with --tls (default e2b.localhost)\n"
    "  --ca-dir DIR           with --tls: where the certificate authority is kept (default\n"
    "                         $XDG_STATE_HOME/e2b-host, or ~/.local/state/e2b-host)\n"
    "  --verbose              say more on standard error: a line for each request\n"
    "  --help                 this text\n"
    "\n"
    "The first line of output is the URL, when it is ready; the second the key. Point clients at\n"
    "it with E2B_API_URL and E2B_SANDBOX_URL (both the URL) and E2B_API_KEY. With --tls, more\n"
    "lines of that form say what is needed instead of the URLs.\n";

static e2b_host_t *host;
static uv_signal_t signals[3];
static uv_getaddrinfo_t lookup;
static char name[200]; /* the domain without its port */

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
  uv_cancel((uv_req_t *)&lookup);
  e2b_host_close(host, on_closed, NULL);
}

static const char *value_of(int argc, char **argv, int *at) {
  if (*at + 1 < argc) return argv[++*at];
  fprintf(stderr, "e2b-host: %s needs a value\n", argv[*at]);
  exit(2);
}

static size_t number_of(int argc, char **argv, int *at) {
  const char *option = argv[*at], *text = value_of(argc, argv, at);
  char *end;
  unsigned long number = strtoul(text, &end, 10);
  if (*text >= '0' && *text <= '9' && *end == '\0' && number > 0) return number;
  fprintf(stderr, "e2b-host: %s needs a number above 0, not '%s'\n", option, text);
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
      o->max_sandboxes = number_of(argc, argv, &i);
    else if (strcmp(argv[i], "--processes") == 0)
      o->processes = number_of(argc, argv, &i);
    else if (strcmp(argv[i], "--memory-mb") == 0)
      o->memory_mb = number_of(argc, argv, &i);
    else if (strcmp(argv[i], "--disk-mb") == 0)
      o->disk_mb = number_of(argc, argv, &i);
    else if (strcmp(argv[i], "--no-isolation") == 0)
      o->no_isolation = 1;
    else if (strcmp(argv[i], "--tls") == 0)
      o->tls = 1;
    else if (strcmp(argv[i], "--domain") == 0)
      o->domain = value_of(argc, argv, &i);
    else if (strcmp(argv[i], "--ca-dir") == 0)
      o->ca_dir = value_of(argc, argv, &i);
    else if (strcmp(argv[i], "--verbose") == 0)
      o->log_level = E2B_LOG_DEBUG;
    else if (strcmp(argv[i], "--help") == 0) {
      fputs(help, stdout);
      exit(0);
    } else {
      fprintf(stderr, "e2b-host: unknown option '%s' (see --help)\n", argv[i]);
      exit(2);
    }
  }
}

/* ---- names ---- */

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *result) {
  (void)req;
  uv_freeaddrinfo(result);
  if (status == 0 || status == UV_ECANCELED) return;
  fprintf(stderr,
          "e2b-host: this machine does not resolve api.%s: Node.js and older Python clients will\n"
          "e2b-host: not find it. For names under localhost, install libnss-myhostname or use\n"
          "e2b-host: systemd-resolved; libe2b, curl and the Python SDK 2.63 need neither.\n",
          name);
}

/* Sandboxes' names come and go, so /etc/hosts is no way; what makes the system's resolver answer
 * is best said by whoever sees that it does not. */
static void check_names(uv_loop_t *loop) {
  const char *domain = e2b_host_domain(host);
  char api[256];
  if (domain == NULL) return;
  snprintf(name, sizeof name, "%.*s", (int)strcspn(domain, ":"), domain);
  snprintf(api, sizeof api, "api.%s", name);
  uv_getaddrinfo(loop, &lookup, on_resolved, api, NULL, NULL);
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
  if (e2b_host_domain(host) != NULL)
    printf("E2B_DOMAIN=%s\nNODE_EXTRA_CA_CERTS=%s\nSSL_CERT_FILE=%s\n", e2b_host_domain(host),
           e2b_host_ca_file(host), e2b_host_ca_file(host));
  fflush(stdout);
  check_names(loop);
  uv_run(loop, UV_RUN_DEFAULT);
  return uv_loop_close(loop) == 0 ? 0 : 1;
}
