/* SPDX-License-Identifier: MIT */
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "agent/driver.h"

/* What the system has no more of. */

static void write_file(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  if (file == NULL) return;
  fputs(text, file);
  fclose(file);
}

/* Two pseudo-terminals for this process and its children, if it may. */
static bool have_two_terminals(void) {
  char map[64];
  snprintf(map, sizeof map, "%u %u 1\n", (unsigned)geteuid(), (unsigned)geteuid());
  if (geteuid() != 0) {
    if (unshare(CLONE_NEWUSER) != 0) return false;
    write_file("/proc/self/setgroups", "deny");
    write_file("/proc/self/uid_map", map);
  }
  return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
         mount("devpts", "/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=620,max=2") ==
             0 &&
         mount("/dev/pts/ptmx", "/dev/ptmx", NULL, MS_BIND, NULL) == 0;
}

/* The kernel may take a moment to have one back. */
static bool can_create(void *data) {
  client_t *client = data;
  client_say(client, "{'type':'create','id':'three','argv':['true']}");
  assert_int_equal(client_next(client), RECEIVED_TEXT);
  return strcmp(client_string(client, "type"), "attached") == 0;
}

static void without_pseudo_terminals_the_next_is_refused(void **state) {
  agent_t agent;
  (void)state;
  if (!have_two_terminals()) {
    print_message("no namespaces for this user\n");
    skip();
  }
  agent_start(&agent, NULL);
  client_t *one = client_open(&agent), *two = client_open(&agent), *three = client_open(&agent);
  client_create(one, "one", "echo ready; sleep 1000", "");
  client_create(two, "two", "echo ready; sleep 1000", "");
  client_say(three, "{'type':'create','id':'three','argv':['true']}");
  client_await(three, "error");
  assert_string_equal(client_string(three, "code"), "limit");
  assert_non_null(strstr(client_string(three, "message"), "no pseudo-terminal is left"));
  client_await_output(one, "ready");
  client_say(one, "{'type':'signal','signal':9}");
  client_await(one, "exit");
  await(can_create, three);
  client_await(three, "exit");
  client_close(one);
  client_close(two);
  client_close(three);
  agent_stop(&agent);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(without_pseudo_terminals_the_next_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
