/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/veth.h>
#include <uv.h>

#include "e2b/e2b.h"
#include "host/spawner/netlink.h"
#include "support/server.h"

/* Sandboxes reach the world and nothing of the machine. The test is in a network of its own, so
 * that it knows what there is: a "machine" with the host, and one cable to a "world" with a
 * server. */

#define MACHINE "203.0.113.1"
#define LATER   "203.0.113.9" /* another address of the machine, later */
#define WORLD   "203.0.113.77"

enum { WORLD_PORT = 7777 };

static uv_loop_t loop;
static e2b_host_t *host;
static e2b_client_t *client;
static e2b_sandbox_t *sandbox, *other, *shut_in;
static pid_t world = -1;
static char obstacle[300]; /* why there is no way out on this machine */
static char why[512];
static char loss[400]; /* what the host said when the way out was gone */
static int losses, returns;

#define NEED_WAY_OUT                            \
  if (client == NULL) {                         \
    print_message("  skipped: %s\n", obstacle); \
    skip();                                     \
  }

/* ---- two networks ---- */

static int write_text(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t written = write(fd, text, strlen(text));
  close(fd);
  return written > 0 ? 0 : -1;
}

/* As an ordinary user within a user namespace, in which it is still that user. */
static int leave_network(void) {
  char map[64];
  unsigned long uid = geteuid(), gid = getegid();
  if (uid == 0) return unshare(CLONE_NEWNET);
  if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return -1;
  if (write_text("/proc/self/setgroups", "deny") != 0) return -1;
  snprintf(map, sizeof map, "%lu %lu 1", uid, uid);
  if (write_text("/proc/self/uid_map", map) != 0) return -1;
  snprintf(map, sizeof map, "%lu %lu 1", gid, gid);
  return write_text("/proc/self/gid_map", map);
}

static int raise_device(e2b__netlink_t *netlink, const char *name) {
  struct ifinfomsg body = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  body.ifi_index = (int)if_nametoindex(name);
  e2b__netlink_begin(netlink, RTM_NEWLINK, 0, &body, sizeof body);
  return e2b__netlink_send(netlink);
}

static int add_address(e2b__netlink_t *netlink, const char *name, const char *text) {
  struct ifaddrmsg body = {.ifa_family = AF_INET, .ifa_prefixlen = 24};
  struct in_addr address;
  body.ifa_index = if_nametoindex(name);
  if (inet_pton(AF_INET, text, &address) != 1) return -EINVAL;
  e2b__netlink_begin(netlink, RTM_NEWADDR, NLM_F_CREATE, &body, sizeof body);
  e2b__netlink_put(netlink, IFA_LOCAL, &address, sizeof address);
  return e2b__netlink_send(netlink);
}

static int add_cable(e2b__netlink_t *netlink, pid_t to) {
  struct ifinfomsg body = {.ifi_family = AF_UNSPEC};
  e2b__netlink_begin(netlink, RTM_NEWLINK, NLM_F_CREATE, &body, sizeof body);
  e2b__netlink_put_text(netlink, IFLA_IFNAME, "lan");
  size_t info = e2b__netlink_nest(netlink, IFLA_LINKINFO, NULL, 0);
  e2b__netlink_put_text(netlink, IFLA_INFO_KIND, "veth");
  size_t data = e2b__netlink_nest(netlink, IFLA_INFO_DATA, NULL, 0);
  size_t peer = e2b__netlink_nest(netlink, VETH_INFO_PEER, &body, sizeof body);
  e2b__netlink_put_text(netlink, IFLA_IFNAME, "wan");
  e2b__netlink_put_u32(netlink, IFLA_NET_NS_PID, (uint32_t)to);
  e2b__netlink_end(netlink, peer);
  e2b__netlink_end(netlink, data);
  e2b__netlink_end(netlink, info);
  return e2b__netlink_send(netlink);
}

static int listen_at(const char *text, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  inet_pton(AF_INET, text, &address.sin_addr);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 16) != 0) return -1;
  return fd;
}

/* Greets everybody, by TCP. */
static void be_world(int ready, int go) {
  e2b__netlink_t netlink;
  char byte = 0;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (unshare(CLONE_NEWNET) != 0 || write(ready, "x", 1) != 1 || read(go, &byte, 1) != 1) _exit(1);
  if (e2b__netlink_open(&netlink, 0) != 0 || raise_device(&netlink, "wan") != 0 ||
      add_address(&netlink, "wan", WORLD) != 0)
    _exit(1);
  int fd = listen_at(WORLD, WORLD_PORT);
  if (fd < 0 || write(ready, "x", 1) != 1) _exit(1);
  for (;;) {
    int caller = accept(fd, NULL, NULL);
    if (caller < 0) continue;
    (void)!write(caller, "hello\n", 6);
    close(caller);
  }
}

/* 0, or -1: this machine does not let the test have networks. */
static int lay_networks(void) {
  e2b__netlink_t netlink;
  int ready[2], go[2];
  char byte;
  if (leave_network() != 0) return -1;
  if (pipe2(ready, O_CLOEXEC) != 0 || pipe2(go, O_CLOEXEC) != 0) return -1;
  world = fork();
  if (world == 0) be_world(ready[1], go[0]);
  close(ready[1]);
  close(go[0]);
  if (world < 0 || read(ready[0], &byte, 1) != 1) return -1;
  if (e2b__netlink_open(&netlink, 0) != 0) return -1;
  int rc = add_cable(&netlink, world);
  if (rc == 0) rc = raise_device(&netlink, "lo");
  if (rc == 0) rc = raise_device(&netlink, "lan");
  if (rc == 0) rc = add_address(&netlink, "lan", MACHINE);
  e2b__netlink_close(&netlink);
  if (rc != 0 || write(go[1], "x", 1) != 1 || read(ready[0], &byte, 1) != 1) return -1;
  close(ready[0]);
  close(go[1]);
  return 0;
}

/* ---- words ---- */

static int run(e2b_sandbox_t *in, const char *user, const char *line, char *out, size_t size) {
  e2b_run_options options;
  E2B_INIT(&options);
  options.user = user;
  e2b_future_t *future = e2b_run_shell(in, line, &options);
  assert_int_equal(e2b_future_await(future, 60000), 0);
  const e2b_execution_t *end = e2b_future_execution(future);
  int code = end->exit_code;
  if (out != NULL) snprintf(out, size, "%s", end->stdout_data.ptr);
  e2b_future_release(future);
  return code;
}

/* Connects as a program of the sandbox; what it reads, or the error's name. */
static const char *dial(e2b_sandbox_t *from, const char *address, int port) {
  static char out[200];
  char line[600];
  snprintf(line, sizeof line,
           "python3 - <<'E'\n"
           "import errno, socket\n"
           "s = socket.socket(); s.settimeout(20)\n"
           "try: s.connect(('%s', %d)); print('connected', s.recv(100).decode().strip(), end='')\n"
           "except socket.timeout: print('ETIMEDOUT', end='')\n"
           "except OSError as e: print(errno.errorcode[e.errno], end='')\n"
           "E",
           address, port);
  assert_int_equal(run(from, "root", line, out, sizeof out), 0);
  return out;
}

static bool machine_reaches(const char *address, int port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  inet_pton(AF_INET, address, &to.sin_addr);
  bool good = connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
  close(fd);
  return good;
}

/* ---- tests ---- */

static void a_sandbox_reaches_the_world(void **state) {
  (void)state;
  NEED_WAY_OUT;
  assert_true(machine_reaches(WORLD, WORLD_PORT));
  assert_string_equal(dial(sandbox, WORLD, WORLD_PORT), "connected hello");
  assert_string_equal(dial(other, WORLD, WORLD_PORT), "connected hello");
  char out[100];
  assert_int_equal(
      run(sandbox, "user", "exec 3<>/dev/tcp/" WORLD "/7777; head -n 1 <&3", out, sizeof out), 0);
  assert_string_equal(out, "hello\n");
}

static void one_that_may_not_does_not(void **state) {
  (void)state;
  NEED_WAY_OUT;
  assert_string_equal(dial(shut_in, WORLD, WORLD_PORT), "ENETUNREACH");
  char out[100];
  assert_int_equal(run(shut_in, "root", "grep -c : /proc/net/dev", out, sizeof out), 0);
  assert_string_equal(out, "1\n");
}

/* PUT .../network as a client of its own, in another process: this one serves it. */
static void set_network(e2b_sandbox_t *of, const char *body) {
  char request[600], answer[100] = "";
  int status = -1;
  pid_t pid = fork();
  if (pid == 0) {
    struct sockaddr_in to = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    to.sin_port = htons((uint16_t)atoi(strrchr(e2b_host_url(host), ':') + 1));
    int len = snprintf(request, sizeof request,
                       "PUT /sandboxes/%s/network HTTP/1.1\r\nHost: localhost\r\nX-API-KEY: %s\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       e2b_sandbox_id(of), e2b_host_api_key(host), strlen(body), body);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) _exit(1);
    if (send(fd, request, (size_t)len, MSG_NOSIGNAL) != len) _exit(2);
    if (recv(fd, answer, sizeof answer - 1, 0) <= 0) _exit(3);
    _exit(strncmp(answer, "HTTP/1.1 204", 12) == 0 ? 0 : 4);
  }
  assert_true(pid > 0);
  while (waitpid(pid, &status, WNOHANG) == 0)
    uv_run(&loop, UV_RUN_NOWAIT);
  assert_int_equal(status, 0);
}

static void who_is_denied_all_addresses_does_not(void **state) {
  (void)state;
  NEED_WAY_OUT;
  set_network(other, "{\"denyOut\":[\"10.0.0.0/8\",\"0.0.0.0/0\"]}");
  int tries = 0;
  while (strcmp(dial(other, WORLD, WORLD_PORT), "ENETUNREACH") != 0)
    assert_in_range(++tries, 0, 50);
  set_network(other, "{}");
  while (strcmp(dial(other, WORLD, WORLD_PORT), "connected hello") != 0)
    assert_in_range(++tries, 0, 50);
}

static void the_machine_is_out_of_reach(void **state) {
  (void)state;
  NEED_WAY_OUT;
  int fds[] = {listen_at("0.0.0.0", 0), listen_at("127.0.0.1", 0)};
  int ports[2];
  char line[1500], out[1000];
  for (int i = 0; i < 2; i++) {
    struct sockaddr_in bound;
    socklen_t len = sizeof bound;
    assert_int_equal(getsockname(fds[i], (struct sockaddr *)&bound, &len), 0);
    ports[i] = ntohs(bound.sin_port);
    assert_true(machine_reaches("127.0.0.1", ports[i]));
  }
  assert_true(machine_reaches(MACHINE, ports[0]));
  /* All at once, each by the sandbox's routes and past them; the world shows that it would tell. */
  snprintf(
      line, sizeof line,
      "python3 - <<'E'\n"
      "import errno, select, socket\n"
      "pending = {}\n"
      "hosts = ['127.0.0.1', '127.0.0.53', '10.0.2.2', '" MACHINE "', '" WORLD "', '0.0.0.0',\n"
      "    '198.18.0.1', '198.18.0.2', '198.18.0.3', '198.18.0.100', '169.254.169.254']\n"
      "for host in hosts:\n"
      "    for port in (%s, %d, %d, %d):\n"
      "        for device in (b'', b'eth0'):\n"
      "            s = socket.socket(); s.setblocking(False)\n"
      "            if device: s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)\n"
      "            s.connect_ex((host, port)); pending[s] = (host, port, device.decode())\n"
      "found = set()\n"
      "for turn in range(30):\n"
      "    for s in select.select([], list(pending), [], 0.1)[1]:\n"
      "        end = pending.pop(s)\n"
      "        if s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0: found.add(end)\n"
      "print(sorted(found), end='')\n"
      "E",
      strrchr(e2b_host_url(host), ':') + 1, ports[0], ports[1], WORLD_PORT);
  assert_int_equal(run(sandbox, "root", line, out, sizeof out), 0);
  assert_string_equal(out, "[('" WORLD "', 7777, ''), ('" WORLD "', 7777, 'eth0')]");
  for (int i = 0; i < 2; i++)
    close(fds[i]);
}

static void nor_is_an_address_that_it_gets_later(void **state) {
  (void)state;
  NEED_WAY_OUT;
  e2b__netlink_t netlink;
  int fd = listen_at("0.0.0.0", 7070);
  assert_int_equal(e2b__netlink_open(&netlink, 0), 0);
  assert_int_equal(add_address(&netlink, "lan", LATER), 0);
  e2b__netlink_close(&netlink);
  assert_true(machine_reaches(LATER, 7070));
  /* The kernel tells the gateway; each try takes longer than that. */
  int tries = 0;
  while (strcmp(dial(sandbox, LATER, 7070), "EHOSTUNREACH") != 0)
    assert_in_range(++tries, 0, 50);
  assert_string_equal(dial(sandbox, WORLD, WORLD_PORT), "connected hello");
  close(fd);
}

static void neighbours_are_out_of_reach(void **state) {
  (void)state;
  NEED_WAY_OUT;
  char address[100], line[200];
  assert_int_equal(run(other, "user",
                       "python3 - <<'E'\n"
                       "import socket\n"
                       "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                       "s.connect(('" WORLD "', 9)); print(s.getsockname()[0], end='')\n"
                       "E",
                       address, sizeof address),
                   0);
  assert_int_equal(strncmp(address, "198.18.", 7), 0);
  e2b_future_t *future = e2b_command_start_shell(
      other,
      "exec python3 -c \"import socket; s = socket.socket(); s.bind(('0.0.0.0', 7000)); "
      "s.listen()\nwhile True: s.accept()[0].sendall(b'mine')\"",
      NULL);
  assert_int_equal(e2b_future_await(future, 60000), 0);
  e2b_command_t *listener = e2b_future_command(future);
  e2b_future_release(future);
  snprintf(line, sizeof line, "until (exec 3<>/dev/tcp/%s/7000) 2>/dev/null; do sleep 0.05; done",
           address);
  assert_int_equal(run(other, "user", line, NULL, 0), 0);
  assert_string_equal(dial(sandbox, address, 7000), "EHOSTUNREACH");
  future = e2b_command_kill(listener);
  e2b_future_await(future, 60000);
  e2b_future_release(future);
  e2b_command_release(listener);
}

/* Of a process's children, the one with that name; 0. */
static pid_t child_named(pid_t of, const char *name) {
  DIR *proc = opendir("/proc");
  struct dirent *entry;
  pid_t found = 0;
  while (found == 0 && (entry = readdir(proc)) != NULL) {
    char path[300], line[300] = "", got[64] = "";
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
    FILE *file = fopen(path, "re");
    if (file == NULL) continue;
    if (fgets(line, sizeof line, file) != NULL &&
        sscanf(line, "%*d (%63[^)]) %*c %d", got, &parent) == 2 && parent == of &&
        strcmp(got, name) == 0)
      found = atoi(entry->d_name);
    fclose(file);
  }
  closedir(proc);
  return found;
}

static e2b_sandbox_t *make(e2b_toggle_t internet) {
  e2b_create_options options;
  E2B_INIT(&options);
  options.internet_access = internet;
  e2b_future_t *future = e2b_sandbox_create(client, &options);
  e2b_sandbox_t *made = e2b_future_await(future, 60000) == 0 ? e2b_future_sandbox(future) : NULL;
  e2b_future_release(future);
  return made;
}

/* Until there is another gateway than `old`, and the sandbox's way leads through it. */
static void await_way_back(pid_t old) {
  pid_t now;
  while ((now = child_named(getpid(), "e2b-gateway")) == 0 || now == old)
    uv_run(&loop, UV_RUN_ONCE);
  while (strcmp(dial(sandbox, WORLD, WORLD_PORT), "connected hello") != 0)
    uv_run(&loop, UV_RUN_NOWAIT);
}

static void everybody_has_what_they_had(void) {
  assert_string_equal(dial(other, WORLD, WORLD_PORT), "connected hello");
  assert_string_equal(dial(shut_in, WORLD, WORLD_PORT), "ENETUNREACH");
  assert_string_equal(dial(sandbox, LATER, WORLD_PORT), "EHOSTUNREACH");
  e2b_sandbox_t *late = make(E2B_ON);
  assert_non_null(late);
  assert_string_equal(dial(late, WORLD, WORLD_PORT), "connected hello");
  e2b_sandbox_release(late);
}

static void the_way_out_comes_back_when_slirp4netns_is_killed(void **state) {
  (void)state;
  NEED_WAY_OUT;
  pid_t gateway = child_named(getpid(), "e2b-gateway"), slirp = child_named(gateway, "slirp4netns");
  losses = returns = 0;
  assert_int_not_equal(gateway, 0);
  assert_int_not_equal(slirp, 0);
  assert_int_equal(kill(slirp, SIGKILL), 0);
  await_way_back(gateway);
  everybody_has_what_they_had();
  assert_int_equal(losses, 1);
  assert_int_equal(returns, 1);
  assert_non_null(strstr(loss, "slirp4netns was ended by signal 9 (Killed)"));
}

static void a_gateway_that_ends_takes_no_sandbox_along_and_is_replaced(void **state) {
  (void)state;
  NEED_WAY_OUT;
  pid_t gateway = child_named(getpid(), "e2b-gateway");
  assert_int_not_equal(gateway, 0);
  assert_int_equal(kill(gateway, SIGKILL), 0);
  assert_int_equal(run(sandbox, "user", "true", NULL, 0), 0);
  await_way_back(gateway);
  everybody_has_what_they_had();
  assert_non_null(strstr(loss, "the gateway was ended by signal 9 (Killed)"));
}

/* ---- the stage ---- */

static void on_log(e2b_log_level_t level, const char *line, void *user_data) {
  (void)user_data;
  if (strncmp(line, "sandboxes have no way out of", 28) == 0) {
    snprintf(obstacle, sizeof obstacle, "%s", line);
  } else if (strncmp(line, "sandboxes have no way out for now", 33) == 0) {
    snprintf(loss, sizeof loss, "%s", line);
    losses++;
  } else if (strcmp(line, "sandboxes have a way out again") == 0) {
    returns++;
  }
  if (level <= E2B_LOG_WARN) fprintf(stderr, "host: %s\n", line);
}

static int open_all(void **state) {
  e2b_host_options options;
  e2b_client_options client_options;
  (void)state;
  if (uv_loop_init(&loop) != 0) return -1;
  if (lay_networks() != 0) {
    snprintf(obstacle, sizeof obstacle, "no network of one's own on this machine: %s",
             strerror(errno));
    return 0;
  }
  E2B_INIT(&options);
  options.listen = "127.0.0.1:0";
  options.log = on_log;
  options.log_level = E2B_LOG_INFO;
  if (e2b_host_start(&loop, &options, &host, why, sizeof why) != 0) {
    snprintf(obstacle, sizeof obstacle, "%.280s", why);
    return 0;
  }
  if (obstacle[0] != '\0') return 0;
  E2B_INIT(&client_options);
  client_options.api_url = client_options.sandbox_url = e2b_host_url(host);
  client_options.api_key = e2b_host_api_key(host);
  client = e2b_client_new(&loop, &client_options);
  sandbox = make(E2B_DEFAULT);
  other = make(E2B_ON);
  shut_in = make(E2B_OFF);
  return sandbox != NULL && other != NULL && shut_in != NULL ? 0 : -1;
}

static void on_closed(void *flag) {
  *(bool *)flag = true;
}

static int close_all(void **state) {
  bool client_closed = client == NULL, host_closed = host == NULL;
  (void)state;
  e2b_sandbox_release(sandbox);
  e2b_sandbox_release(other);
  e2b_sandbox_release(shut_in);
  if (client != NULL) e2b_client_close(client, on_closed, &client_closed);
  if (host != NULL) e2b_host_close(host, on_closed, &host_closed);
  while (!client_closed || !host_closed)
    uv_run(&loop, UV_RUN_ONCE);
  uv_run(&loop, UV_RUN_DEFAULT);
  if (world > 0) {
    kill(world, SIGKILL);
    waitpid(world, NULL, 0);
  }
  return uv_loop_close(&loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_sandbox_reaches_the_world),
      cmocka_unit_test(one_that_may_not_does_not),
      cmocka_unit_test(who_is_denied_all_addresses_does_not),
      cmocka_unit_test(the_machine_is_out_of_reach),
      cmocka_unit_test(nor_is_an_address_that_it_gets_later),
      cmocka_unit_test(neighbours_are_out_of_reach),
      cmocka_unit_test(the_way_out_comes_back_when_slirp4netns_is_killed),
      cmocka_unit_test(a_gateway_that_ends_takes_no_sandbox_along_and_is_replaced),
  };
  return cmocka_run_group_tests_name("way_out", tests, open_all, close_all);
}
