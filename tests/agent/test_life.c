/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/driver.h"
#include "terminal/agent_image.h"

/* How agents begin and end, and that there is one. */

static const char *const ensure[] = {"ensure", NULL};
static const char *const find[] = {"find", NULL};

static void a_second_ensure_finds_the_first(void **state) {
  agent_t *agent = *state, again;
  char line[512], found[512];
  assert_int_equal(agent_run(agent->home, line, sizeof line, ensure), 0);
  agent_take_address(&again, line);
  assert_int_equal(again.port, agent->port);
  assert_string_equal(again.secret, agent->secret);
  assert_int_equal(agent_run(agent->home, found, sizeof found, find), 0);
  assert_string_equal(found, line);
}

static void find_without_an_agent_finds_nothing(void **state) {
  agent_t agent;
  char line[512];
  (void)state;
  agent_start(&agent, NULL);
  kill(agent.pid, SIGKILL); /* it leaves its address behind */
  agent_wait(&agent);
  assert_int_equal(agent_run(agent.home, line, sizeof line, find), 0);
  assert_string_equal(line, "{}\n");
  agent_remove_home(&agent);
  mkdir(agent.home, 0700);
  assert_int_equal(agent_run(agent.home, line, sizeof line, find), 0);
  assert_string_equal(line, "{}\n");
  agent_remove_home(&agent);
}

static void an_agent_that_was_killed_is_replaced(void **state) {
  agent_t agent;
  char line[512], old[65];
  (void)state;
  agent_start(&agent, NULL);
  strcpy(old, agent.secret);
  kill(agent.pid, SIGKILL);
  agent_wait(&agent);
  assert_int_equal(agent_run(agent.home, line, sizeof line, ensure), 0);
  agent_take_address(&agent, line);
  assert_string_not_equal(agent.secret, old);
  agent_find_pid(&agent);
  client_close(client_open(&agent));
  agent_stop(&agent);
}

/* Several at one moment, again and again: one agent, one address. */
static void of_many_ensures_at_once_one_starts_an_agent(void **state) {
  enum { ROUNDS = 30, RACERS = 8 };
  (void)state;
  for (int round = 0; round < ROUNDS; round++) {
    agent_t agent = {.home = "/tmp/e2b-home-XXXXXX"};
    int gate[2], out[RACERS];
    pid_t racers[RACERS];
    char first[512] = "", line[512];
    assert_non_null(mkdtemp(agent.home));
    const char *program = agent_program();
    assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
    for (int i = 0; i < RACERS; i++) {
      int ends[2];
      assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
      racers[i] = fork();
      if (racers[i] == 0) {
        char byte;
        close(gate[1]);
        (void)!read(gate[0], &byte, 1); /* until the gate opens for all */
        dup2(ends[1], 1);
        setenv("HOME", agent.home, 1);
        execl(program, program, "ensure", (char *)NULL);
        _exit(126);
      }
      close(ends[1]);
      out[i] = ends[0];
    }
    close(gate[0]);
    close(gate[1]);
    for (int i = 0; i < RACERS; i++) {
      int status;
      ssize_t len = 0, got;
      while ((got = read(out[i], line + len, sizeof line - 1 - (size_t)len)) > 0)
        len += got;
      line[len] = '\0';
      close(out[i]);
      assert_int_equal(waitpid(racers[i], &status, 0), racers[i]);
      assert_int_equal(status, 0);
      if (i == 0) strcpy(first, line);
      assert_string_equal(line, first);
    }
    agent_take_address(&agent, first);
    agent_find_pid(&agent); /* fails unless it is one */
    if (round % 2 == 0) {
      agent_stop(&agent);
    } else {
      kill(agent.pid, SIGKILL);
      agent_wait(&agent);
      agent_remove_home(&agent);
    }
  }
}

/* Buries all children but one, of which it knows that it goes on. */
static void waitpid_any_but(pid_t pid) {
  siginfo_t info;
  do {
    info.si_pid = 0;
    assert_int_equal(waitid(P_ALL, 0, &info, WEXITED), 0);
    assert_int_not_equal(info.si_pid, pid);
  } while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0);
}

static void two_homes_have_two_agents(void **state) {
  agent_t *one = *state, two = {.home = "/tmp/e2b-home-XXXXXX"};
  char line[512];
  assert_non_null(mkdtemp(two.home));
  assert_int_equal(agent_run(two.home, line, sizeof line, ensure), 0);
  agent_take_address(&two, line);
  assert_int_not_equal(two.port, one->port);
  client_t *client = client_open(&two);
  client_create(client, "t", "kill -TERM $PPID; sleep 1000", "");
  assert_int_equal(client_await_close(client), 1001);
  client_close(client);
  waitpid_any_but(one->pid);
  agent_remove_home(&two);
}

static void an_idle_agent_ends(void **state) {
  agent_t agent;
  (void)state;
  agent_start(&agent, "--idle-ms", "1000", "--keep-ms", "100", NULL);
  client_t *client = client_open(&agent);
  client_create(client, "t", "exit 0", "");
  client_await(client, "exit");
  poll(NULL, 0, 1300); /* a connection keeps it */
  client_say(client, "{'type':'list'}");
  client_await(client, "terminals");
  client_close(client);
  int status = agent_wait(&agent);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  agent_stop(&agent);
}

static void a_running_terminal_keeps_the_agent(void **state) {
  agent_t agent;
  (void)state;
  agent_start(&agent, "--idle-ms", "500", NULL);
  client_t *client = client_open(&agent);
  client_create(client, "t", "sleep 1; exit 5", "");
  client_close(client);
  poll(NULL, 0, 800);
  client = client_open(&agent);
  client_say(client, "{'type':'attach','id':'t'}");
  client_await(client, "exit");
  assert_int_equal(client_number(client, "code"), 5);
  client_close(client);
  agent_stop(&agent);
}

typedef struct look {
  char path[128];
  char wanted[16];
} look_t;

static bool holds(void *data) {
  look_t *look = data;
  char text[16] = "";
  int fd = open(look->path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t got = read(fd, text, sizeof text - 1);
  close(fd);
  return got > 0 && strcmp(text, look->wanted) == 0;
}

static void programs_are_hung_up_when_the_agent_ends(void **state) {
  static const int signals[] = {SIGTERM, SIGHUP, SIGINT, SIGKILL};
  (void)state;
  for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
    agent_t agent;
    look_t look = {.wanted = "hup\n"};
    agent_start(&agent, NULL);
    snprintf(look.path, sizeof look.path, "%s/heard", agent.home);
    client_t *client = client_open(&agent);
    client_create(client, "t",
                  "trap 'echo hup >heard.new; mv heard.new heard; exit' HUP; echo ready;"
                  "while :; do sleep 0.01; done",
                  "");
    client_await_output(client, "ready");
    kill(agent.pid, signals[i]);
    assert_int_equal(client_await_close(client), signals[i] != SIGKILL ? 1001 : 0);
    client_close(client);
    agent_wait(&agent);
    await(holds, &look);
    if (signals[i] != SIGKILL) {
      char path[128];
      snprintf(path, sizeof path, "%s/.e2b/agent.json", agent.home);
      assert_int_equal(access(path, F_OK), -1);
    }
    agent_remove_home(&agent);
  }
}

static bool has_no_children(void *agent) {
  return agent_children(agent) == 0;
}

static void a_thousand_terminals_leave_nothing_behind(void **state) {
  enum { COUNT = 1000, AT_ONCE = 20 };
  agent_t *agent = *state;
  size_t before = agent_descriptors(agent);
  for (int i = 0; i < COUNT; i += AT_ONCE) {
    client_t *clients[AT_ONCE];
    for (int k = 0; k < AT_ONCE; k++) {
      char id[16];
      clients[k] = client_open(agent);
      snprintf(id, sizeof id, "t%d", i + k);
      client_say(clients[k], "{'type':'create','id':'%s','argv':['%s']}", id,
                 k % 4 == 3 ? "/no/such" : "true");
    }
    for (int k = 0; k < AT_ONCE; k++) {
      if (k % 4 == 3) {
        client_await(clients[k], "error");
      } else {
        client_await(clients[k], "exit");
        assert_int_equal(client_number(clients[k], "code"), 0);
      }
      client_close(clients[k]);
    }
  }
  await(has_no_children, agent);
  client_t *client = client_open(agent);
  client_say(client, "{'type':'list'}");
  int kept = 0;
  do {
    client_await(client, "terminals");
    kept += cJSON_GetArraySize(cJSON_GetObjectItem(client->message, "terminals"));
  } while (cJSON_IsTrue(cJSON_GetObjectItem(client->message, "more")));
  assert_int_equal(kept, 256);
  assert_int_equal(agent_descriptors(agent), before + 1);
  client_close(client);
}

static void the_agent_lets_go_of_what_started_it(void **state) {
  agent_t *agent = *state;
  /* agent_run() read its output to the end, so the stream is closed; and: */
  assert_int_equal(getsid(agent->pid), agent->pid);
  assert_int_not_equal(getsid(agent->pid), getsid(0));
}

static void files_are_the_owners_alone(void **state) {
  static const struct {
    const char *name;
    mode_t mode;
  } files[] = {{"", 0700}, {"agent.json", 0600}, {"agent.lock", 0600}};
  agent_t *agent = *state;
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    char path[128];
    struct stat status;
    snprintf(path, sizeof path, "%s/.e2b/%s", agent->home, files[i].name);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, files[i].mode);
  }
}

static void bad_arguments_are_refused(void **state) {
  static const char *const bad[][4] = {{NULL},
                                       {"dance", NULL},
                                       {"ensure", "--idle-ms", NULL},
                                       {"ensure", "--idle-ms", "x", NULL},
                                       {"ensure", "--idle", "1", NULL},
                                       {"find", "it", NULL}};
  char out[64];
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_int_equal(agent_run("/tmp", out, sizeof out, bad[i]), 2);
}

static void copy_file(const char *from, const char *to) {
  char block[65536];
  ssize_t got;
  int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
  assert_true(in >= 0 && out >= 0);
  while ((got = read(in, block, sizeof block)) > 0)
    assert_int_equal(write(out, block, (size_t)got), got);
  close(in);
  close(out);
}

/* A root directory with this one file in it: no library, no /dev, no /proc. */
static void the_librarys_program_runs_in_an_empty_root(void **state) {
  char root[] = "/tmp/e2b-root-XXXXXX", path[64], line[512] = "";
  int ends[2], status;
  agent_t agent = {.port = 0};
  (void)state;
  if (e2b__agent_image_size == 0 || strstr(agent_program(), "checked") != NULL) skip();
  assert_true(e2b__agent_image_size < 1 << 20);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  assert_non_null(mkdtemp(root));
  snprintf(path, sizeof path, "%s/e2b-agent", root);
  copy_file(agent_program(), path);
  assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
  pid_t pid = fork();
  if (pid == 0) {
    dup2(ends[1], 1);
    if (geteuid() != 0 && unshare(CLONE_NEWUSER) != 0) _exit(125);
    if (chroot(root) != 0 || chdir("/") != 0) _exit(125);
    setenv("HOME", "/", 1);
    execl("/e2b-agent", "e2b-agent", "ensure", (char *)NULL);
    _exit(126);
  }
  close(ends[1]);
  ssize_t len = 0, got;
  while ((got = read(ends[0], line + len, sizeof line - 1 - (size_t)len)) > 0)
    len += got;
  close(ends[0]);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 125) {
    assert_int_equal(status, 0);
    agent_take_address(&agent, line);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), 0); /* there is one child, and it runs */
    client_t *client = client_open(&agent);
    client_say(client, "{'type':'create','id':'t','argv':['/e2b-agent']}");
    client_await(client, "error"); /* no /dev/ptmx */
    assert_string_equal(client_string(client, "code"), "system");
    client_close(client);
    agent_find_pid(&agent);
    snprintf(agent.home, sizeof agent.home, "%s", root);
    agent_stop(&agent);
  } else {
    strcpy(agent.home, root);
    agent_remove_home(&agent);
    skip();
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      AGENT_TEST(a_second_ensure_finds_the_first),
      cmocka_unit_test(find_without_an_agent_finds_nothing),
      cmocka_unit_test(an_agent_that_was_killed_is_replaced),
      cmocka_unit_test(of_many_ensures_at_once_one_starts_an_agent),
      AGENT_TEST(two_homes_have_two_agents),
      cmocka_unit_test(an_idle_agent_ends),
      cmocka_unit_test(a_running_terminal_keeps_the_agent),
      cmocka_unit_test(programs_are_hung_up_when_the_agent_ends),
      AGENT_TEST(a_thousand_terminals_leave_nothing_behind),
      AGENT_TEST(the_agent_lets_go_of_what_started_it),
      AGENT_TEST(files_are_the_owners_alone),
      cmocka_unit_test(bad_arguments_are_refused),
      cmocka_unit_test(the_librarys_program_runs_in_an_empty_root),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
