/* SPDX-License-Identifier: MIT */
#include "support/nginx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/foreign.h"
#include "support/test.h"

struct nginx {
  char folder[64];
  foreign_t *process; /* NULL: not started */
};

bool nginx_installed(void) {
  if (foreign_find("nginx") != NULL) return true;
  print_message("SKIPPED: nginx is not installed\n");
  return false;
}

nginx_t *nginx_new(void) {
  nginx_t *nginx = calloc(1, sizeof *nginx);
  assert_non_null(nginx);
  strcpy(nginx->folder, "/tmp/e2b-test-nginx-XXXXXX");
  assert_non_null(mkdtemp(nginx->folder));
  chmod(nginx->folder, 0755); /* started by root, it works as somebody else */
  return nginx;
}

const char *nginx_folder(const nginx_t *nginx) {
  return nginx->folder;
}

void nginx_file(const nginx_t *nginx, const char *name, const char *text) {
  char path[128];
  snprintf(path, sizeof path, "%s/%s", nginx->folder, name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
  assert_int_equal(fclose(file), 0);
}

void nginx_start(nginx_t *nginx, uv_loop_t *loop, const char *http, const int *listeners,
                 unsigned listeners_count) {
  char config[8192], inherited[64] = "NGINX=", path[128];
  const char *at = nginx->folder;
  const int len =
      snprintf(config, sizeof config,
               "daemon off; worker_processes 1; pid %s/pid; error_log stderr;\n"
               "worker_rlimit_nofile 8192; events { worker_connections 4096; }\n"
               "http { client_body_temp_path %s/a; proxy_temp_path %s/b;\n"
               "fastcgi_temp_path %s/c; uwsgi_temp_path %s/d; scgi_temp_path %s/e;\n%s}\n",
               at, at, at, at, at, at, http);
  assert_true(len > 0 && (size_t)len < sizeof config);
  nginx_file(nginx, "nginx.conf", config);
  snprintf(path, sizeof path, "%s/nginx.conf", at);
  for (unsigned i = 0; i < listeners_count; i++) {
    snprintf(inherited + strlen(inherited), sizeof inherited - strlen(inherited), "%u;", 3 + i);
  }
  const char *const args[] = {foreign_find("nginx"), "-e", "stderr", "-p", at, "-c", path, NULL};
  /* It takes the sockets over, as after an upgrade of its own. */
  const char *const env[] = {inherited, NULL};
  nginx->process = foreign_start(loop, args, env, false, listeners, listeners_count);
  for (unsigned i = 0; i < listeners_count; i++) {
    close(listeners[i]);
  }
}

void nginx_stop(void *ctx) {
  nginx_t *nginx = ctx;
  char line[128];
  if (nginx->process != NULL) foreign_stop(nginx->process);
  snprintf(line, sizeof line, "rm -rf '%s'", nginx->folder);
  assert_int_equal(system(line), 0);
  free(nginx);
}
