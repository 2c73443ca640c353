/* SPDX-License-Identifier: MIT */

/* Sandboxes that sleep until somebody wants them, as a service keeps one for each of its users. A
 * paused sandbox costs no CPU, and the next command that is sent to it wakes it. Ctrl-C ends the
 * service without leaving anything behind: what runs is cancelled, and every sandbox is ended
 * before the client is closed. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "support.h"

enum { USERS = 20, VISITS = 3, PAGE = 8 };

typedef struct service service_t;

typedef struct user {
  service_t *service;
  e2b_sandbox_t *sandbox;
  e2b_future_t *visit; /* under way */
  int visits;
} user_t;

struct service {
  demo_t demo;
  user_t users[USERS];
  char name[32]; /* the sandboxes of this run have it in their metadata */
  int ready, listed, left, failed;
};

static void gone(service_t *service) {
  if (--service->left == 0) demo_close(&service->demo);
}

static void on_killed(e2b_future_t *future, void *user_data) {
  service_t *service = ((user_t *)user_data)->service;
  service->failed += demo_failed(future);
  gone(service);
}

static void leave(user_t *user) {
  if (user->sandbox != NULL) {
    e2b_future_then(e2b_sandbox_kill(user->sandbox), on_killed, user);
  } else {
    gone(user->service);
  }
}

static void leave_all(service_t *service) {
  for (size_t i = 0; i < USERS; i++)
    leave(&service->users[i]);
}

/* Whether the user's next step is to be taken. */
static int goes_on(user_t *user, const e2b_future_t *future) {
  service_t *service = user->service;
  if (service->demo.interrupted) {
    leave(user);
    return 0;
  }
  if (!demo_failed(future)) return 1;
  service->failed++;
  leave(user);
  return 0;
}

static void visit(user_t *user);

static void on_asleep(e2b_future_t *future, void *user_data) {
  user_t *user = user_data;
  if (!goes_on(user, future)) return;
  if (user->visits < VISITS) {
    visit(user);
  } else {
    leave(user);
  }
}

static void on_visited(e2b_future_t *future, void *user_data) {
  user_t *user = user_data;
  const e2b_execution_t *result = e2b_future_execution(future);
  e2b_future_release(user->visit);
  user->visit = NULL;
  if (!goes_on(user, future)) return;
  user->service->failed += atoi(result->stdout_data.ptr) != ++user->visits;
  e2b_future_then(e2b_sandbox_pause(user->sandbox), on_asleep, user);
}

/* It need not be known whether the sandbox is awake. */
static void visit(user_t *user) {
  e2b_future_t *future = e2b_run_shell(user->sandbox, "echo x >> visits; wc -l < visits", NULL);
  user->visit = e2b_future_acquire(future); /* for Ctrl-C */
  e2b_future_then(future, on_visited, user);
}

static void list(service_t *service, const char *next_token);

static void on_page(e2b_future_t *future, void *user_data) {
  service_t *service = user_data;
  const e2b_sandbox_list_t *page = e2b_future_sandbox_list(future);
  service->failed += demo_failed(future);
  if (page == NULL || service->demo.interrupted) {
    leave_all(service);
    return;
  }
  service->listed += (int)page->count;
  if (page->next_token != NULL) {
    list(service, page->next_token); /* copied, as all that options hold */
    return;
  }
  printf("%d sandboxes are asleep; each is visited %d times\n", service->listed, VISITS);
  service->failed += service->listed != USERS;
  for (size_t i = 0; i < USERS; i++)
    visit(&service->users[i]);
}

static void list(service_t *service, const char *next_token) {
  const e2b_pair_t mine = {"service", service->name};
  e2b_list_options options;
  E2B_INIT(&options);
  options.metadata = &mine;
  options.metadata_count = 1;
  options.states = E2B_LIST_PAUSED;
  options.limit = PAGE;
  options.next_token = next_token;
  e2b_future_then(e2b_sandbox_list(service->demo.client, &options), on_page, service);
}

/* Goes on when the last of them sleeps, or has failed to. */
static void ready(service_t *service) {
  if (++service->ready < USERS) return;
  if (service->demo.interrupted || service->failed > 0) {
    leave_all(service);
  } else {
    list(service, NULL);
  }
}

static void on_first_asleep(e2b_future_t *future, void *user_data) {
  service_t *service = ((user_t *)user_data)->service;
  service->failed += demo_failed(future);
  ready(service);
}

static void on_sandbox(e2b_future_t *future, void *user_data) {
  user_t *user = user_data;
  user->sandbox = e2b_future_sandbox(future);
  if (user->sandbox != NULL) {
    e2b_future_then(e2b_sandbox_pause(user->sandbox), on_first_asleep, user);
  } else {
    user->service->failed += demo_failed(future);
    ready(user->service);
  }
}

/* What is under way comes to its end, a visit sooner, and then every user leaves. */
static void on_ctrl_c(uv_signal_t *signal, int number) {
  demo_t *demo = signal->data;
  service_t *service = demo->user_data;
  (void)number;
  printf("ending %d sandboxes\n", service->left);
  demo->interrupted = 1;
  uv_signal_stop(signal); /* a second one ends the program at once */
  for (size_t i = 0; i < USERS; i++)
    e2b_future_cancel(service->users[i].visit);
}

static void start(service_t *service) {
  const e2b_pair_t mine = {"service", service->name};
  e2b_create_options options;
  snprintf(service->name, sizeof service->name, "%llx", (unsigned long long)uv_hrtime());
  service->demo.user_data = service;
  uv_signal_start(&service->demo.ctrl_c, on_ctrl_c, SIGINT);
  E2B_INIT(&options);
  options.metadata = &mine;
  options.metadata_count = 1;
  options.pause_on_timeout = E2B_ON;
  options.auto_resume = E2B_ON;
  service->left = USERS;
  for (size_t i = 0; i < USERS; i++) {
    service->users[i].service = service;
    e2b_future_then(e2b_sandbox_create(service->demo.client, &options), on_sandbox,
                    &service->users[i]);
  }
}

int main(void) {
  static service_t service;
  if (demo_start(&service.demo, uv_default_loop()) == 0) {
    start(&service);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  }
  for (size_t i = 0; i < USERS; i++)
    e2b_sandbox_release(service.users[i].sandbox);
  if (service.left == 0 && service.failed == 0 && !service.demo.interrupted)
    printf("all were awake when they were wanted\n");
  return demo_finish(&service.demo, service.left == 0 && service.failed == 0);
}
