/* SPDX-License-Identifier: MIT */
#include <e2b/e2b.h>
#include <stdio.h>
#include <uv.h>

static int status = 1; /* what main() returns: the code's, once there is a result */

static void on_result(e2b_future_t *future, void *sandbox) {
  const e2b_execution_t *result = e2b_future_execution(future);
  if (result != NULL) {
    printf("%s", result->stdout_data.ptr);
    status = result->exit_code;
  } else {
    fprintf(stderr, "%s\n", e2b_future_error(future)->message);
  }
  e2b_future_release(e2b_sandbox_kill(sandbox)); /* whatever comes of it */
  e2b_sandbox_release(sandbox);
}

static void on_sandbox(e2b_future_t *future, void *user_data) {
  e2b_sandbox_t *sandbox = e2b_future_sandbox(future);
  (void)user_data;
  if (sandbox != NULL)
    e2b_future_then(e2b_run_code(sandbox, "print(6 * 7)", NULL), on_result, sandbox);
  else
    fprintf(stderr, "%s\n", e2b_future_error(future)->message);
}

int main(void) {
  uv_loop_t *loop = uv_default_loop();
  e2b_client_t *client = e2b_client_new(loop, NULL); /* E2B_API_KEY is in the environment */
  e2b_future_then(e2b_sandbox_create(client, NULL), on_sandbox, NULL);
  uv_run(loop, UV_RUN_DEFAULT); /* until nothing is under way */
  e2b_client_close(client, NULL, NULL);
  uv_run(loop, UV_RUN_DEFAULT);
  return uv_loop_close(loop) == 0 ? status : 1;
}
