/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/tree.h"
#include "support/scene.h"

/* Programs inside a sandbox, and clients through its file calls, try to reach what is outside. Each
 * attempt must fail, and each test first shows that the attempt itself is sound where it can. */

#define ISOLATED \
  skip_unless(&scene.server, SERVER_ISOLATED, "there is no isolation on this machine")

static char secret[64]; /* a file of the machine */
static int leaked = -1; /* a descriptor that the application forgot to mark */

/* A shell line as root in the sandbox; whether it exits with 0. */
static bool root_can(const char *line) {
  e2b_run_options options;
  E2B_INIT(&options);
  options.user = "root";
  return RAN(e2b_run_shell(scene.sandbox, line, &options))->exit_code == 0;
}

static const char *root_says(const char *line) {
  e2b_run_options options;
  E2B_INIT(&options);
  options.user = "root";
  return RAN(e2b_run_shell(scene.sandbox, line, &options))->stdout_data.ptr;
}

/* Neither the user nor root. */
static void nobody_can(const char *line) {
  if (scene_can(line)) fail_msg("the user can: %s", line);
  if (root_can(line)) fail_msg("root can: %s", line);
}

/* The file call as root succeeds. */
static bool root_reads(const char *path) {
  e2b_file_options options;
  E2B_INIT(&options);
  options.user = "root";
  return e2b_future_await(scene_keep(e2b_files_read(scene.sandbox, path, &options)), 20000) == 0;
}

static bool root_writes(const char *path, const char *text) {
  e2b_file_options options;
  E2B_INIT(&options);
  options.user = "root";
  return e2b_future_await(
             scene_keep(e2b_files_write(scene.sandbox, path, text, strlen(text), &options)),
             20000) == 0;
}

/* ---- the machine's files ---- */

static void paths(void **state) {
  (void)state;
  ISOLATED;
  char line[256];
  assert_int_equal(access(secret, R_OK), 0);
  assert_false(root_reads(secret));
  snprintf(line, sizeof line, "cat %s", secret);
  nobody_can(line);
  snprintf(line, sizeof line, "../../../../../../../..%s", secret);
  assert_false(root_reads(line));
  snprintf(line, sizeof line, "/tmp/../../../../..%s", secret);
  assert_false(root_reads(line));
  /* What is on the machine under that name is not touched. */
  assert_true(root_writes(secret, "inside"));
  FILE *file = fopen(secret, "r");
  assert_non_null(file);
  assert_non_null(fgets(line, sizeof line, file));
  fclose(file);
  assert_string_equal(line, "outside");
  assert_true(root_can("test -e /etc/passwd && test ! -e /etc/shadow && test ! -e /etc/ssh"));
}

static void links(void **state) {
  (void)state;
  ISOLATED;
  char line[256];
  snprintf(line, sizeof line, "rm -f %s; ln -s %s /tmp/there && ln -s / /tmp/top", secret, secret);
  assert_true(root_can(line));
  assert_false(root_reads("/tmp/there"));
  snprintf(line, sizeof line, "/tmp/top/../..%s", secret);
  assert_false(root_reads(line));
  nobody_can("cat /tmp/there");
  snprintf(line, sizeof line, "ln %s /tmp/hard", secret);
  nobody_can(line);
  nobody_can("ln /usr/bin/env /home/user/hard || ln /opt/e2b/etc/passwd /home/user/hard");
  /* Through processes' links. */
  nobody_can("ls /proc/1/root/");
  nobody_can("ls /proc/1/cwd/");
  nobody_can("cat /proc/1/environ");
  nobody_can("readlink /proc/1/fd/3 || cat /proc/1/fd/3");
  assert_false(root_reads("/proc/1/root/etc/hostname"));
  assert_true(
      root_can("sleep 100 >/dev/null 2>&1 & echo $! > /tmp/pid; ln -s /proc/$!/root /tmp/magic"));
  assert_false(root_reads("/tmp/magic/etc/hostname"));
  assert_true(root_can("kill $(cat /tmp/pid)"));
}

static void kernel_files(void **state) {
  (void)state;
  ISOLATED;
  /* Written as they are, so that nothing changes if it succeeds. */
  nobody_can("cat /proc/sys/vm/swappiness > /proc/sys/vm/swappiness");
  nobody_can("cat /proc/sys/kernel/core_pattern > /proc/sys/kernel/core_pattern");
  nobody_can("echo h > /proc/sysrq-trigger");
  nobody_can("head -c 1 /proc/kcore || dd if=/proc/kmsg of=/dev/null bs=1 count=1 iflag=nonblock");
  assert_false(root_writes("/proc/sys/kernel/core_pattern", "core"));
  assert_false(root_writes("/proc/sysrq-trigger", "h"));
  assert_false(root_writes("/proc/sys/net/ipv4/ip_default_ttl", "64"));
  assert_false(root_reads("/proc/kcore"));
  assert_false(root_reads("/proc/kmsg"));
  assert_false(root_reads("/proc/kallsyms"));
  assert_true(root_reads("/proc/sys/kernel/random/boot_id"));
  nobody_can("ls /sys/kernel");
  nobody_can("mkdir -p /tmp/s && mount -t sysfs none /tmp/s");
  nobody_can("mkdir -p /tmp/c && (mount -t cgroup2 none /tmp/c || mount -t cgroup none /tmp/c)");
  assert_false(root_writes("/tmp/c/cgroup.procs", "1") && root_can("test -e /tmp/c/cgroup.type"));
}

static void mounts(void **state) {
  (void)state;
  ISOLATED;
  nobody_can("umount /usr || umount -l /usr");
  nobody_can("umount /opt/e2b/etc || umount -l /opt/e2b/etc");
  nobody_can("umount -l /proc || umount -l /dev");
  nobody_can("mount -o remount,rw,bind /usr && touch /usr/outside");
  nobody_can("mount -o remount,rw,bind /opt/e2b/etc && touch /opt/e2b/etc/outside");
  nobody_can("touch /usr/outside || touch /opt/e2b/etc/outside || touch /opt/e2b/bin/outside");
  if (scene.server.features & SERVER_OWNERS) assert_false(scene_can("touch /etc/outside"));
  nobody_can("unshare -m true && unshare -m sh -c 'umount -l /usr || mount -o remount,rw /usr'");
  nobody_can("unshare -Urm sh -c 'umount -l /usr || mount -o remount,rw,bind /usr'");
  nobody_can("nsenter -t 1 -m true || nsenter -t 1 -U true || nsenter -t 1 -p -r true");
  nobody_can("mount -t ext4 /dev/sda /mnt || mount -t ext4 /dev/vda /mnt");
  /* chroot and back out of it: there is nothing above. */
  assert_false(
      root_can("python3 - <<'E'\n"
               "import os\n"
               "os.makedirs('/tmp/jail', exist_ok=True); d = os.open('/', os.O_RDONLY)\n"
               "os.chroot('/tmp/jail'); os.fchdir(d)\n"
               "for i in range(64): os.chdir('..')\n"
               "os.chroot('.'); raise SystemExit(0 if os.path.exists('/etc/shadow') else 1)\n"
               "E"));
}

/* What a namespace of one's own gives is no more than one had. */
static void namespaces(void **state) {
  (void)state;
  ISOLATED;
  nobody_can("unshare -Ur sh -c 'cat /proc/sys/vm/swappiness > /proc/sys/vm/swappiness'");
  nobody_can("unshare -Ur chroot /proc/1/root true");
  nobody_can("unshare -Urnm sh -c 'mount -t sysfs none /srv && ls /srv/class/net/[!l]*'");
  nobody_can("unshare -Urpf --mount-proc sh -c 'ls -d /proc/[0-9]*' | grep -x /proc/100");
  nobody_can("nsenter -t 1 -n true || nsenter -t 1 -m true || nsenter --net=/proc/1/ns/net true");
  /* Keys of the kernel's keyrings belong to a user namespace: the machine's are not listed. */
  nobody_can("grep -E ' _ses| _uid\\.(0|65534|1879048192)' /proc/keys");
  assert_true(root_can("test \"$(hostname)\" = e2b"));
}

static void devices(void **state) {
  (void)state;
  ISOLATED;
  nobody_can("mknod /tmp/disk b 8 0 || mknod /tmp/mem c 1 1 || mknod /tmp/null c 1 3");
  nobody_can("ls /dev/sd* /dev/vd* /dev/mem /dev/kmsg /dev/kvm /dev/fuse 2>&1 | grep -v 'No such'");
}

static void privileges(void **state) {
  (void)state;
  ISOLATED;
  assert_true(scene_can("test \"$(id -u)\" = 1000 && grep -q 'NoNewPrivs:.1' /proc/self/status"));
  assert_true(scene_can("grep -q 'CapEff:.0000000000000000' /proc/self/status"));
  /* A setuid program of root's is no way up for the user. */
  assert_true(root_can("cp /usr/bin/id /tmp/id && chown root /tmp/id && chmod 4755 /tmp/id"));
  assert_true(scene_can("test \"$(/tmp/id -u)\" = 1000"));
  nobody_can("date -s '2001-01-01' || settimeofday || reboot -f");
  nobody_can("insmod /tmp/x.ko 2>&1 | grep -vE 'not permitted|not found|No such|not loaded'");
  assert_true(scene_can("test \"$(ulimit -c)\" = 0 && test \"$(ulimit -Hc)\" = 0"));
}

/* ---- races ---- */

enum { RACES = 300 };

static mode_t mode_of(const char *path) {
  struct stat st;
  assert_int_equal(stat(path, &st), 0);
  return st.st_mode & 07777;
}

/* A file that was not there becomes a device of the machine's while the host makes it. */
static void files_that_become_devices(void **state) {
  (void)state;
  ISOLATED;
  e2b_run_options options;
  E2B_INIT(&options);
  options.user = "root";
  mode_t before = mode_of("/dev/null");
  e2b_command_t *racer =
      STARTED(e2b_command_start_shell(scene.sandbox,
                                      "rm -rf /tmp/race && mkdir /tmp/race && cd /tmp/race && "
                                      "exec python3 -c \"\n"
                                      "import os\n"
                                      "open('ready', 'w')\n"
                                      "while not os.path.exists('stop'):\n"
                                      "    for i in range(1000):\n"
                                      "        try: os.symlink('/dev/null', 'n'); os.unlink('n')\n"
                                      "        except OSError: pass\n"
                                      "\"",
                                      &options));
  assert_true(root_can("until test -e /tmp/race/ready; do sleep 0.02; done"));
  for (int i = 0; i < RACES; i++) {
    root_writes("/tmp/race/n", "x");
    e2b_future_await(scene_keep(e2b_files_remove(scene.sandbox, "/tmp/race/n", NULL)), 20000);
  }
  assert_true(root_writes("/tmp/race/stop", ""));
  OK(e2b_command_wait(racer));
  mode_t after = mode_of("/dev/null");
  if (after != before) chmod("/dev/null", before);
  assert_int_equal(after, before);
}

/* A directory that the host has just made, or cannot open, becomes a link before its mode is set:
 * the file of the machine that it points to keeps its own. */
static void directories_that_become_links(void **state) {
  (void)state;
  char directory[] = "/var/tmp/e2b-race-XXXXXX";
  assert_non_null(mkdtemp(directory));
  int parent = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
  assert_int_equal(mkdirat(parent, "d", 0700), 0);
  assert_int_equal(symlinkat(secret, parent, "file"), 0);
  assert_int_equal(symlinkat("d", parent, "link"), 0);
  assert_int_equal(e2b__host_directory_chmod(parent, "d", 0751), 0);
  assert_true(e2b__host_directory_chmod(parent, "file", 0755) < 0);
  assert_true(e2b__host_directory_chmod(parent, "link", 0755) < 0);
  assert_int_equal(mode_of(secret), 0600);
  assert_int_equal(unlinkat(parent, "file", 0), 0);
  assert_int_equal(unlinkat(parent, "link", 0), 0);
  struct stat st;
  assert_int_equal(fstatat(parent, "d", &st, 0), 0);
  assert_int_equal(st.st_mode & 07777, 0751);
  assert_int_equal(unlinkat(parent, "d", AT_REMOVEDIR), 0);
  close(parent);
  assert_int_equal(rmdir(directory), 0);
}

/* ---- processes ---- */

static void processes(void **state) {
  (void)state;
  ISOLATED;
  char line[256];
  const char *tree = root_says("ls /proc | grep -c '^[0-9]'");
  assert_in_range(atoi(tree), 1, 12);
  /* The first process survives what root inside may try. */
  root_can("kill -9 1; kill -STOP 1; kill -TERM 1; kill -SEGV 1; true");
  nobody_can("python3 - <<'E'\n"
             "import ctypes, os\n"
             "c = ctypes.CDLL(None, use_errno=True)\n"
             "raise SystemExit(0 if c.ptrace(16, 1, 0, 0) == 0 else 1)\n"
             "E");
  nobody_can("head -c 1 /proc/1/mem || cat /proc/1/maps | grep . || cat /proc/1/environ | grep .");
  snprintf(line, sizeof line, "kill -0 %ld && readlink /proc/%ld/exe | grep escape", (long)getpid(),
           (long)getpid());
  nobody_can(line);
  assert_true(scene_can("true"));
}

static void descriptors(void **state) {
  (void)state;
  ISOLATED;
  /* ls has its own three, and the directory it reads. */
  assert_int_equal(
      atoi(scene_shell("python3 -c \"import os; print(len(os.listdir('/proc/self/fd')))"
                       "\"")),
      4);
  assert_int_equal(atoi(root_says("ls /proc/self/fd | wc -l")), 4);
  /* Made while the application held a descriptor open for its children. */
  e2b_sandbox_t *other = MADE(e2b_sandbox_create(scene.client, NULL));
  const e2b_execution_t *end = RAN(e2b_run_shell(other, "ls -l /proc/[0-9]*/fd", NULL));
  assert_null(strstr(end->stdout_data.ptr, "outside"));
  assert_null(strstr(end->stdout_data.ptr, secret));
}

/* Who asks for root's rights by hand, with more descriptors than belong to it: none of them stays
 * with the first process. */
static void descriptors_nobody_asked_for(void **state) {
  (void)state;
  ISOLATED;
  assert_true(scene_can("exec python3 - <<'E'\n"
                        "import os, select, socket, struct\n"
                        "for i in range(20):\n"
                        "    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
                        "    s.connect(b'\\0e2b-sudo')\n"
                        "    r, w = os.pipe()\n"
                        "    ask = struct.pack('=III', 1, 0, 0) + b'/\\0true\\0'\n"
                        "    socket.send_fds(s, [ask], [0, 1, 2, w]); os.close(w)\n"
                        "    if s.recv(4) != bytes(4): raise SystemExit(1)\n"
                        "    if not select.select([r], [], [], 20)[0]: raise SystemExit(2)\n"
                        "E"));
}

/* A process is one of the sandbox's before its program runs: another one waits for that moment, to
 * take the spawner's socket to the host from it. It knows which number comes next, and makes a
 * process itself when it has lost count. */
static void descriptors_of_a_process_that_starts(void **state) {
  (void)state;
  ISOLATED;
  static const char hunter[] = "import ctypes, os, socket\n"
                               "c = ctypes.CDLL(None, use_errno=True)\n"
                               "last, met, got = os.getpid(), 0, []\n"
                               "print('ready', flush=True)\n"
                               "while met < 30 and not got:\n"
                               "    fd = -1\n"
                               "    for i in range(1000):\n"
                               "        fd = c.syscall(434, last + 1 + i % 20, 0)\n"
                               "        if fd >= 0: break\n"
                               "    if fd < 0:\n"
                               "        last = os.fork()\n"
                               "        if last == 0: os._exit(0)\n"
                               "        os.waitpid(last, 0)\n"
                               "        continue\n"
                               "    last += 1 + i % 20\n"
                               "    met += 1\n"
                               "    for i in range(5000):\n"
                               "        stolen = c.syscall(438, fd, 3, 0)\n"
                               "        if stolen >= 0:\n"
                               "            try:\n"
                               "                s = socket.socket(fileno=stolen)\n"
                               "                kind = s.type\n"
                               "                s.close()\n"
                               "            except OSError:\n"
                               "                os.close(stolen)\n"
                               "                continue\n"
                               "            if kind != socket.SOCK_SEQPACKET: continue\n"
                               "            got.append(kind)\n"
                               "            break\n"
                               "        if ctypes.get_errno() == 3: break\n"
                               "    os.close(fd)\n"
                               "print(got)\n";
  e2b_run_options options;
  E2B_INIT(&options);
  options.user = "root";
  OK(e2b_files_write(scene.sandbox, "/tmp/hunter.py", hunter, strlen(hunter), NULL));
  e2b_command_t *command =
      STARTED(e2b_command_start_shell(scene.sandbox, "exec python3 /tmp/hunter.py", &options));
  e2b_future_t *wait = scene_keep(e2b_command_wait(command));
  for (int i = 0; !e2b_future_is_done(wait); i++) {
    assert_in_range(i, 0, 3000);
    assert_true(root_can("true"));
  }
  const e2b_execution_t *end = e2b_future_execution(wait);
  assert_string_equal(end->stdout_data.ptr, "ready\n[]\n");
}

static void environment(void **state) {
  (void)state;
  ISOLATED;
  assert_non_null(getenv("E2B_TEST_SECRET"));
  nobody_can("env | grep -E 'E2B_API_KEY|E2B_TEST_SECRET|outside'");
  nobody_can("cat /proc/[0-9]*/environ | tr '\\0' '\\n' | grep -E '^E2B_TEST_SECRET|^E2B_API_KEY'");
  assert_string_equal(scene_shell("echo $HOME"), "/home/user\n");
  nobody_can("cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep '[b]wrap'");
}

/* What is the sandbox's own it may change; nobody else sees it. */
static void own_etc(void **state) {
  (void)state;
  ISOLATED;
  assert_true(root_can("echo '192.0.2.1 mine' >> /etc/hosts && getent hosts mine"));
  assert_true(root_can("useradd -m own && id own"));
  assert_true(scene_can("getent ahostsv4 localhost | grep -q 127.0.0.1"));
  assert_true(scene_can("getent ahostsv6 localhost | grep -q ::1"));
  e2b_sandbox_t *other = MADE(e2b_sandbox_create(scene.client, NULL));
  assert_int_not_equal(RAN(e2b_run_shell(other, "getent hosts mine || id own", NULL))->exit_code,
                       0);
}

/* ---- neighbours ---- */

static void network(void **state) {
  (void)state;
  ISOLATED;
  char line[512];
  struct sockaddr_un address;
  memset(&address, 0, sizeof address);
  address.sun_family = AF_UNIX;
  int length = snprintf(address.sun_path + 1, 64, "e2b-test-escape-%ld", (long)getpid());
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&address,
                        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)),
                   0);
  assert_int_equal(listen(fd, 1), 0);
  snprintf(line, sizeof line,
           "python3 -c \"import socket; socket.socket(socket.AF_UNIX).connect('\\0%s')\"",
           address.sun_path + 1);
  nobody_can(line);
  close(fd);
  const char *url = e2b_host_url(scene.server.host);
  snprintf(line, sizeof line, "bash -c 'exec 3<>/dev/tcp/127.0.0.1/%s'", strrchr(url, ':') + 1);
  nobody_can(line);
  /* None of the machine's devices: its loopback, and the way out where there is one. */
  assert_string_equal(root_says("grep : /proc/net/dev | grep -cvE '^ *(lo|eth0):'; true"), "0\n");
  /* Its own network works, low ports too. */
  assert_true(
      root_can("python3 -c \"import socket; s = socket.socket(); s.bind(('127.0.0.1', 80)); "
               "s.listen(); socket.create_connection(('127.0.0.1', 80))\""));
}

static void neighbours(void **state) {
  (void)state;
  ISOLATED;
  e2b_sandbox_t *other = MADE(e2b_sandbox_create(scene.client, NULL));
  char line[256];
  e2b_future_t *write = e2b_files_write(other, "/tmp/mine", "x", 1, NULL);
  OK(write);
  STARTED(e2b_command_start_shell(other, "exec -a neighbour sleep 1000", NULL));
  nobody_can("cat /tmp/mine");
  snprintf(line, sizeof line, "find / -name '*%s*' 2>/dev/null | grep .", e2b_sandbox_id(other));
  nobody_can(line);
  nobody_can("cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep '[n]eighbour 1000'");
  /* The state directory is not inside. */
  nobody_can("ls -d /tmp/e2b-host-* || ls /*/sandboxes");
  /* What root leaves in shared memory or a queue stays with it. */
  assert_true(root_can("echo x > /dev/shm/note"));
  assert_int_equal(RAN(e2b_run_shell(other, "test ! -e /dev/shm/note", NULL))->exit_code, 0);
}

/* ---- the stage ---- */

static int open_all(void **state) {
  strcpy(secret, "/var/tmp/e2b-outside-XXXXXX");
  leaked = mkstemp(secret);
  if (leaked < 0 || write(leaked, "outside", 7) != 7) return -1;
  setenv("E2B_TEST_SECRET", "outside", 1);
  return scene_open(state);
}

static int close_all(void **state) {
  close(leaked);
  unlink(secret);
  return scene_close(state);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE_TEST(paths),
      SCENE_TEST(links),
      SCENE_TEST(kernel_files),
      SCENE_TEST(mounts),
      SCENE_TEST(namespaces),
      SCENE_TEST(devices),
      SCENE_TEST(privileges),
      SCENE_TEST(processes),
      SCENE_TEST(descriptors),
      SCENE_TEST(descriptors_nobody_asked_for),
      SCENE_TEST(descriptors_of_a_process_that_starts),
      SCENE_TEST(environment),
      SCENE_TEST(own_etc),
      SCENE_TEST(network),
      SCENE_TEST(neighbours),
      SCENE_TEST(directories_that_become_links),
      SCENE_TEST(files_that_become_devices),
  };
  return cmocka_run_group_tests_name("escape", tests, open_all, close_all);
}
