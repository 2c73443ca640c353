/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "proto/json.h"
#include "support/cells.h"

/* The interpreter's endpoints: what is refused and how, who reaches them, and what a sandbox
 * without IPython says. */

static wire_exchange_t *ask(const char *method, const char *path, const char *type,
                            const char *body, const char *const *headers) {
  return wire_ask(method, path, type, body, strlen(body), headers);
}

static void is_refused(const char *body, const char *type, long status, const char *text) {
  wire_exchange_t *exchange = ask("POST", "/execute", type, body, NULL);
  assert_int_equal(exchange->status, status);
  assert_string_equal(exchange->body.data, text);
  wire_end(exchange);
}

static void bodies_that_do_not_do(void **state) {
  (void)state;
  static const char json[] = "application/json";
  is_refused("{}", json, 422,
             "{\"detail\":[{\"type\":\"missing\",\"loc\":[\"body\",\"code\"],"
             "\"msg\":\"Field required\",\"input\":{}}]}");
  is_refused("{x", json, 422,
             "{\"detail\":[{\"type\":\"json_invalid\",\"loc\":[\"body\",1],\"msg\":\"JSON decode "
             "error\",\"input\":{},\"ctx\":{\"error\":\"Expecting property name enclosed in double "
             "quotes\"}}]}");
  is_refused("", json, 422,
             "{\"detail\":[{\"type\":\"missing\",\"loc\":[\"body\"],\"msg\":\"Field required\","
             "\"input\":null}]}");
  is_refused("{\"code\":1,\"context_id\":2}", json, 422,
             "{\"detail\":[{\"type\":\"string_type\",\"loc\":[\"body\",\"code\"],\"msg\":\"Input "
             "should be a valid string\",\"input\":1},{\"type\":\"string_type\",\"loc\":[\"body\","
             "\"context_id\"],\"msg\":\"Input should be a valid string\",\"input\":2}]}");
  is_refused("{\"code\":\"\",\"env_vars\":{\"A\":1}}", json, 422,
             "{\"detail\":[{\"type\":\"string_type\",\"loc\":[\"body\",\"env_vars\",\"A\"],"
             "\"msg\":\"Input should be a valid string\",\"input\":1}]}");
  is_refused("{\"code\":\"\",\"env_vars\":[]}", json, 422,
             "{\"detail\":[{\"type\":\"dict_type\",\"loc\":[\"body\",\"env_vars\"],\"msg\":\"Input "
             "should be a valid dictionary\",\"input\":[]}]}");
  is_refused(
      "1+1", "text/plain", 422,
      "{\"detail\":[{\"type\":\"model_attributes_type\",\"loc\":[\"body\"],\"msg\":\"Input "
      "should be a valid dictionary or object to extract fields from\",\"input\":\"1+1\"}]}");
  is_refused("{\"code\":\"1\",\"context_id\":\"x\",\"language\":\"bash\"}", json, 400,
             "Only one of context_id or language can be provided");
  is_refused("{\"code\":\"1\",\"context_id\":\"x\"}", json, 404, "Context x not found");
  is_refused(
      "{\"code\":\"1\",\"language\":\" \\\"R \"}", json, 500,
      "Failed to create context: {\"message\": \"The '\\\"r' kernel is not available. Please "
      "pick another suitable kernel instead, or install that kernel.\", \"short_message\": "
      "\"\\\"r not found\"}");
}

static const char *header_of(const wire_exchange_t *exchange, const char *name) {
  struct curl_header *header = NULL;
  if (curl_easy_header(exchange->easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
    return "(none)";
  return header->value;
}

static void methods_and_paths(void **state) {
  (void)state;
  static const struct {
    const char *method, *path;
    long status;
    const char *allow, *text;
  } cases[] = {
      {"GET", "/health", 200, "(none)", "\"OK\""},
      {"PUT", "/execute", 405, "POST", "{\"detail\":\"Method Not Allowed\"}"},
      {"POST", "/health", 405, "GET", "{\"detail\":\"Method Not Allowed\"}"},
      {"GET", "/contexts/x", 405, "DELETE", "{\"detail\":\"Method Not Allowed\"}"},
      {"GET", "/", 404, "(none)", "{\"detail\":\"Not Found\"}"},
      {"POST", "/contexts/x/y", 404, "(none)", "{\"detail\":\"Not Found\"}"},
      {"DELETE", "/contexts/x", 404, "(none)", "Context x not found"},
  };
  for (size_t i = 0; i < E2B__COUNT(cases); i++) {
    wire_exchange_t *exchange = ask(cases[i].method, cases[i].path, "application/json", "", NULL);
    assert_int_equal(exchange->status, cases[i].status);
    assert_string_equal(header_of(exchange, "Allow"), cases[i].allow);
    assert_string_equal(exchange->body.data, cases[i].text);
    wire_end(exchange);
  }
  wire_exchange_t *exchange = ask("GET", "/health/", "application/json", "", NULL);
  assert_int_equal(exchange->status, 307);
  assert_string_equal(header_of(exchange, "Location"), "/health");
  wire_end(exchange);
}

static void browsers_may_ask(void **state) {
  (void)state;
  static const char *const headers[] = {"Origin: http://x", "Access-Control-Request-Method: POST",
                                        "Access-Control-Request-Headers: content-type", NULL};
  wire_exchange_t *exchange = ask("OPTIONS", "/execute", "text/plain", "", headers);
  assert_int_equal(exchange->status, 200);
  assert_string_equal(exchange->body.data, "OK");
  assert_string_equal(header_of(exchange, "Access-Control-Allow-Origin"), "*");
  assert_string_equal(header_of(exchange, "Access-Control-Allow-Methods"),
                      "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
  assert_string_equal(header_of(exchange, "Access-Control-Allow-Headers"), "content-type");
  assert_string_equal(header_of(exchange, "Access-Control-Max-Age"), "600");
  wire_end(exchange);
}

/* Programs inside are served as clients outside are. */
static void the_port_exists_inside(void **state) {
  (void)state;
  cells_need_isolation();
  wire_shell("for at in 0.0.0.0 127.0.0.1 localhost '[::1]'; do"
             "  [ \"$(curl -sS http://$at:49999/health)\" = '\"OK\"' ] || exit 1; done");
  wire_shell("curl -sS http://localhost:49999/contexts | grep -q '\"language\":\"javascript\"'");
  /* More connections than may be open at a time: the rest waits its turn. */
  wire_shell("for i in $(seq 70); do exec {fd}<>/dev/tcp/127.0.0.1/49999; done; sleep 0.2;"
             "for i in $(seq 10 50); do eval \"exec $i>&-\"; done;"
             "[ \"$(curl -sS -m 10 http://localhost:49999/health)\" = '\"OK\"' ]");
}

/* What is on its way from inside is in the host's memory, where no limit of the sandbox counts. */
static void what_is_sent_from_inside_has_a_bound(void **state) {
  (void)state;
  cells_need_isolation();
  wire_shell("exec python3 - <<'E'\n"
             "import socket, time\n"
             "def begin(size):\n"
             "    s = socket.create_connection(('127.0.0.1', 49999))\n"
             "    s.sendall(b'POST /execute HTTP/1.1\\r\\nHost: x\\r\\nContent-Type: "
             "application/json\\r\\nContent-Length: %d\\r\\n\\r\\n' % size)\n"
             "    return s\n"
             "def status():\n"
             "    s = begin(5 << 20); s.sendall(b' ' * (5 << 20)); return s.recv(12)[9:]\n"
             "def becomes(wanted):\n"
             "    for i in range(1000):\n"
             "        if status() == wanted: return\n"
             "        time.sleep(0.05)\n"
             "    raise SystemExit(1)\n"
             "held = begin(6 << 20); held.sendall(b' ' * (5 << 20))\n"
             "becomes(b'413'); held.close(); becomes(b'422')\n"
             "E");
}

static void another_template_has_no_interpreter(void **state) {
  (void)state;
  const char *template = wire.template;
  wire_kill();
  wire.template = "base";
  assert_int_equal(wire_enter(state), 0);
  wire.template = template;
  wire_exchange_t *exchange = ask("GET", "/health", "application/json", "", NULL);
  assert_int_equal(exchange->status, 502);
  wire_end(exchange);
}

/* Another sandbox takes the place of the test's, with this in its environment. */
static void with_variable(const char *name, const char *value) {
  char body[300];
  wire_kill();
  int len = snprintf(body, sizeof body,
                     "{\"templateID\":\"code-interpreter-v1\",\"timeout\":60,"
                     "\"envVars\":{\"%s\":\"%s\"}}",
                     name, value);
  wire_exchange_t *exchange =
      wire_ask("POST", "/sandboxes", "application/json", body, (size_t)len, NULL);
  assert_int_equal(exchange->status, 201);
  cJSON *made = e2b__json_parse(exchange->body.data, exchange->body.len);
  snprintf(wire.sandbox, sizeof wire.sandbox, "%s", e2b__json_string(made, "sandboxID", ""));
  cJSON_Delete(made);
  wire_end(exchange);
}

static void kernels_are_found_whatever_the_path_is(void **state) {
  (void)state;
  with_variable("PATH", "/nowhere");
  cells_value("import os; os.environ['PATH']", NULL, "/nowhere");
  cells_prints("echo $PATH", BASH, "/nowhere\n");
}

static void a_python_without_ipython_says_so(void **state) {
  (void)state;
  wire_exchange_t *exchange;
  with_variable("PYTHONPATH", "/tmp/without-ipython");
  wire_shell("mkdir -p /tmp/without-ipython && echo 'raise ImportError(\"there is none\")' "
             ">/tmp/without-ipython/IPython.py");
  static const char *const paths[] = {"/execute", "/contexts"};
  for (size_t i = 0; i < E2B__COUNT(paths); i++) {
    exchange = ask("POST", paths[i], "application/json", "{\"code\":\"1\"}", NULL);
    assert_int_equal(exchange->status, 500);
    assert_string_equal(exchange->body.data, "Failed to create context: The sandbox's Python has "
                                             "no IPython (there is none)");
    wire_end(exchange);
  }
  wire_shell("rm -r /tmp/without-ipython");
  /* The default context is not lost by that. */
  exchange = ask("POST", "/execute", "application/json", "{\"code\":\"1\"}", NULL);
  assert_int_equal(exchange->status, 200);
  wire_end(exchange);
}

/* Kernels are the host's: clients' commands are a list without them. */
static void kernels_are_no_commands(void **state) {
  (void)state;
  cells_value("1", NULL, "1");
  const char *port = wire.port;
  wire.port = NULL;
  wire_exchange_t *exchange = ask("POST", "/process.Process/List", "application/json", "{}", NULL);
  wire.port = port;
  assert_int_equal(exchange->status, 200);
  assert_null(strstr(exchange->body.data, "python"));
  wire_end(exchange);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CELLS_TEST(bodies_that_do_not_do),
      CELLS_TEST(methods_and_paths),
      CELLS_TEST(browsers_may_ask),
      CELLS_TEST(the_port_exists_inside),
      CELLS_TEST(what_is_sent_from_inside_has_a_bound),
      CELLS_TEST(another_template_has_no_interpreter),
      CELLS_TEST(kernels_are_found_whatever_the_path_is),
      CELLS_TEST(a_python_without_ipython_says_so),
      CELLS_TEST(kernels_are_no_commands),
  };
  CELLS_RUN(tests);
}
