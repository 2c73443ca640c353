/* SPDX-License-Identifier: MIT */
/* WebSockets with servers that are not ours: Python's `websockets` and node's `ws` behind nginx
 * with TLS, and through tinyproxy. What is not installed is skipped by name. */

#include <netdb.h>
#include <stdio.h>
#include <unistd.h>

#include "support/certificates.h"
#include "support/foreign.h"
#include "support/harness.h"
#include "support/nginx.h"

static const char python_echo[] =
    "import asyncio, sys, websockets\n"
    "async def talk(ws, *more):\n"
    "    if ws.subprotocol == 'bye':\n"
    "        return await ws.close(4001, 'as you wish')\n"
    "    async for message in ws:\n"
    "        await (await ws.ping())\n"
    "        parts = [message[:1], message[1:5], message[5:]]\n"
    "        await ws.send(parts if len(message) > 5 else message)\n"
    "async def main():\n"
    "    s = await websockets.serve(talk, '127.0.0.1', 0, max_size=None, compression=None,\n"
    "                               subprotocols=['bye', 'chat'])\n"
    "    print(s.sockets[0].getsockname()[1], flush=True)\n"
    "    await asyncio.Future()\n"
    "asyncio.run(main())\n";

static const char node_echo[] =
    "const { WebSocketServer } = require('ws');\n"
    "const s = new WebSocketServer({ host: '127.0.0.1', port: 0, maxPayload: 1 << 30,\n"
    "  handleProtocols: (offered) => offered.has('bye') ? 'bye' : 'chat' });\n"
    "s.on('listening', () => console.log(s.address().port));\n"
    "s.on('connection', (ws) => {\n"
    "  if (ws.protocol === 'bye') ws.close(4001, 'as you wish');\n"
    "  ws.on('message', (data, binary) => {\n"
    "    ws.ping('are you there');\n"
    "    if (data.length > 5) ws.send(data.subarray(0, 5), { binary, fin: false });\n"
    "    ws.send(data.length > 5 ? data.subarray(5) : data, { binary });\n"
    "  });\n"
    "});\n";

/* nginx's servers, by what their certificate is. */
typedef enum port { GOOD, WRONG_NAME, EXPIRED, SELF_SIGNED, UNKNOWN_ISSUER, PORTS } port;

typedef struct scene {
  harness_t h;
  e2b_client_options options;
  nginx_t *nginx;
  uint16_t ports[PORTS];
  char *authority;
  unsigned messages;
  e2b_message_kind_t kind;
  char *last;
  size_t last_len;
} scene;

static void on_message(e2b_websocket_t *websocket, e2b_message_kind_t kind, const char *data,
                       size_t len, void *user_data) {
  scene *sc = user_data;
  (void)websocket;
  sc->messages++;
  sc->kind = kind;
  sc->last = realloc(sc->last, len + 1);
  assert_non_null(sc->last);
  memcpy(sc->last, data, len);
  sc->last_len = len;
}

static void start(scene *sc) {
  memset(sc, 0, sizeof *sc);
  harness_start(&sc->h);
  harness_options(&sc->h, NULL, &sc->options);
}

static void stop(scene *sc) {
  harness_stop(&sc->h);
  free(sc->last);
  free(sc->authority);
}

static uint16_t run_echo(scene *sc, bool node) {
  static const char *const node_env[] = {"NODE_PATH=/usr/share/nodejs:/usr/lib/node_modules", NULL};
  static const char *const python_env[] = {"PYTHONUNBUFFERED=1", NULL};
  const char *path = foreign_find(node ? "node" : "python3");
  const char *const args[] = {path, node ? "-e" : "-c", node ? node_echo : python_echo, NULL};
  foreign_t *foreign =
      foreign_start(&sc->h.loop, args, node ? node_env : python_env, true, NULL, 0);
  harness_at_stop(&sc->h, foreign_stop, foreign);
  return foreign_port(foreign);
}

static bool installed(bool node) {
  const char *probe = node ? "NODE_PATH=/usr/share/nodejs:/usr/lib/node_modules /usr/bin/node -e "
                             "\"require('ws')\" 2>/dev/null"
                           : "/usr/bin/python3 -c 'import websockets' 2>/dev/null";
  if (system(probe) == 0) return true;
  print_message("SKIPPED: %s is not installed\n", node ? "node-ws" : "python3-websockets");
  return false;
}

/* --- a conversation --------------------------------------------------------------------------- */

static e2b_future_t *dial(scene *sc, const char *url, const char *protocols) {
  e2b_websocket_options options;
  E2B_INIT(&options);
  options.on_message = on_message;
  options.user_data = sc;
  options.protocols = protocols;
  e2b_future_t *future = e2b_websocket_connect(sc->h.client, url, &options);
  harness_await(&sc->h, future);
  return future;
}

static e2b_websocket_t *connected(scene *sc, const char *url, const char *protocols) {
  e2b_future_t *future = dial(sc, url, protocols);
  if (e2b_future_error(future) != NULL) fail_msg("%s", e2b_future_error(future)->message);
  e2b_websocket_t *websocket = e2b_future_websocket(future);
  e2b_future_release(future);
  return websocket;
}

static void echo(scene *sc, e2b_websocket_t *websocket, size_t len, bool in_parts) {
  char *data = malloc(len + 1);
  assert_non_null(data);
  for (size_t i = 0; i < len; i++) {
    data[i] = (char)(in_parts ? 'a' + i % 26 : i * 31 >> 2);
  }
  const e2b_message_kind_t kind = in_parts ? E2B_MESSAGE_TEXT : E2B_MESSAGE_BINARY;
  const unsigned before = sc->messages;
  if (in_parts) {
    assert_int_equal(e2b_websocket_send_part(websocket, kind, data, len / 3, 0), 0);
    assert_int_equal(e2b_websocket_send_part(websocket, kind, data + len / 3, 0, 0), 0);
    assert_int_equal(e2b_websocket_send_part(websocket, kind, data + len / 3, len - len / 3, 1), 0);
  } else {
    assert_int_equal(e2b_websocket_send(websocket, kind, data, len), 0);
  }
  harness_until_count(&sc->h, &sc->messages, before + 1);
  assert_int_equal(sc->kind, kind);
  assert_int_equal(sc->last_len, len);
  assert_memory_equal(sc->last, data, len);
  free(data);
}

static void converse(scene *sc, const char *url, size_t biggest) {
  static const size_t sizes[] = {0, 1, 125, 126, 4096, 65535, 65536, 1 << 20};
  e2b_websocket_t *websocket = connected(sc, url, "chat");
  assert_string_equal(e2b_websocket_protocol(websocket), "chat");
  for (size_t i = 0; i < E2B__COUNT(sizes); i++) {
    echo(sc, websocket, sizes[i], false);
    echo(sc, websocket, sizes[i], true);
  }
  echo(sc, websocket, biggest, false);
  e2b_future_t *end = e2b_websocket_wait(websocket);
  e2b_websocket_close(websocket, 1000, "that was all");
  assert_int_equal(harness_await(&sc->h, end), 0);
  assert_int_equal(e2b_future_websocket_end(end)->close_code, 1000);
  e2b_future_release(end);
  e2b_websocket_release(websocket);
  websocket = connected(sc, url, "bye");
  end = e2b_websocket_wait(websocket);
  assert_int_equal(harness_await(&sc->h, end), 0);
  assert_int_equal(e2b_future_websocket_end(end)->close_code, 4001);
  assert_string_equal(e2b_future_websocket_end(end)->reason, "as you wish");
  e2b_future_release(end);
  e2b_websocket_release(websocket);
}

/* --- nginx ------------------------------------------------------------------------------------ */

static void make_certificates(scene *sc) {
  char *authority_key = key_make(), *key = key_make();
  const certificate authority = {"Authority", NULL, NULL, NULL, NULL};
  sc->authority = certificate_make(authority_key, &authority);
  nginx_file(sc->nginx, "key.pem", key);
  for (int i = 0; i < PORTS; i++) {
    certificate wanted = {i == WRONG_NAME ? "example.com" : "localhost", NULL,
                          i == EXPIRED ? "20200201000000" : NULL, "Authority", authority_key};
    char name[32];
    if (i == SELF_SIGNED) wanted.issuer = wanted.issuer_key = NULL;
    if (i == UNKNOWN_ISSUER) {
      wanted.issuer = "Somebody else";
      wanted.issuer_key = key;
    }
    char *made = certificate_make(key, &wanted);
    snprintf(name, sizeof name, "%d.pem", i);
    nginx_file(sc->nginx, name, made);
    free(made);
  }
  free(authority_key);
  free(key);
}

static void run_nginx(scene *sc, uint16_t backend) {
  char http[4096] = "access_log off;\n";
  const char *folder = nginx_folder(sc->nginx);
  int listeners[PORTS];
  size_t len = strlen(http);
  for (int i = 0; i < PORTS; i++) {
    listeners[i] = listener_open(&sc->ports[i]);
    len += (size_t)snprintf(http + len, sizeof http - len,
                            "server { listen 127.0.0.1:%u ssl; ssl_certificate %s/%d.pem;\n"
                            "ssl_certificate_key %s/key.pem; ssl_session_tickets on;\n"
                            "location / { proxy_pass http://127.0.0.1:%u; proxy_http_version 1.1;\n"
                            "proxy_set_header Upgrade $http_upgrade;\n"
                            "proxy_set_header Connection Upgrade; }\n"
                            "location /secret { return 401; }\n"
                            "location /down { proxy_pass http://127.0.0.1:1; } }\n",
                            sc->ports[i], folder, i, folder, backend);
  }
  nginx_start(sc->nginx, &sc->h.loop, http, listeners, PORTS);
}

static void start_behind_nginx(scene *sc, bool node) {
  start(sc);
  sc->nginx = nginx_new();
  harness_at_stop(&sc->h, nginx_stop, sc->nginx);
  make_certificates(sc);
  run_nginx(sc, run_echo(sc, node));
  sc->options.ca_blob = sc->authority;
  sc->options.ca_blob_len = strlen(sc->authority);
}

static void url_of(const scene *sc, port which, const char *path, char *url, size_t size) {
  snprintf(url, size, "wss://localhost:%u%s", sc->ports[which], path);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void an_echo(bool node) {
  scene sc;
  char url[64];
  if (!installed(node)) skip();
  start(&sc);
  snprintf(url, sizeof url, "ws://127.0.0.1:%u/", run_echo(&sc, node));
  harness_client(&sc.h, &sc.options);
  converse(&sc, url, 16 << 20);
  stop(&sc);
}

static void an_echo_in_python(void **state) {
  (void)state;
  an_echo(false);
}

static void an_echo_in_node(void **state) {
  (void)state;
  an_echo(true);
}

static void behind_nginx(bool node) {
  scene sc;
  char url[64];
  if (!installed(node) || !nginx_installed()) skip();
  start_behind_nginx(&sc, node);
  harness_client(&sc.h, &sc.options);
  url_of(&sc, GOOD, "/", url, sizeof url);
  converse(&sc, url, 16 << 20);
  assert_non_null(strstr(sc.h.log, "TLS is up, resumed"));
  stop(&sc);
}

static void tls_by_nginx_before_python(void **state) {
  (void)state;
  behind_nginx(false);
}

static void tls_by_nginx_before_node(void **state) {
  (void)state;
  behind_nginx(true);
}

static void bad_certificates(void **state) {
  (void)state;
  static const char *const words[PORTS] = {NULL, "not for the host name localhost", "has expired",
                                           "self-signed", "issuer is unknown"};
  scene sc;
  if (!installed(false) || !nginx_installed()) skip();
  start_behind_nginx(&sc, false);
  harness_client(&sc.h, &sc.options);
  for (port which = WRONG_NAME; which < PORTS; which++) {
    char url[64];
    url_of(&sc, which, "/", url, sizeof url);
    e2b_future_t *future = dial(&sc, url, NULL);
    assert_non_null(e2b_future_error(future));
    assert_int_equal(e2b_future_error(future)->code, E2B_ETLS);
    if (strstr(e2b_future_error(future)->message, words[which]) == NULL) {
      fail_msg("'%s' does not say '%s'", e2b_future_error(future)->message, words[which]);
    }
    e2b_future_release(future);
  }
  stop(&sc);
}

static void refusals(void **state) {
  (void)state;
  static const struct {
    const char *path;
    int code, status;
  } cases[] = {{"/secret", E2B_EAUTH, 401}, {"/down", E2B_EUNAVAILABLE, 502}};
  scene sc;
  if (!installed(false) || !nginx_installed()) skip();
  start_behind_nginx(&sc, false);
  harness_client(&sc.h, &sc.options);
  for (size_t i = 0; i < E2B__COUNT(cases); i++) {
    char url[64];
    url_of(&sc, GOOD, cases[i].path, url, sizeof url);
    e2b_future_t *future = dial(&sc, url, NULL);
    assert_non_null(e2b_future_error(future));
    assert_int_equal(e2b_future_error(future)->code, cases[i].code);
    assert_int_equal(e2b_future_error(future)->http_status, cases[i].status);
    e2b_future_release(future);
  }
  stop(&sc);
}

static void run_tinyproxy(scene *sc, uint16_t port_number) {
  char config[512], path[128];
  snprintf(config, sizeof config,
           "Port %u\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nAllow 127.0.0.1\n"
           "BasicAuth me secret\n",
           port_number);
  nginx_file(sc->nginx, "tinyproxy.conf", config);
  snprintf(path, sizeof path, "%s/tinyproxy.conf", nginx_folder(sc->nginx));
  const char *tinyproxy = foreign_find("tinyproxy");
  const char *const args[] = {tinyproxy, "-d", "-c", path, NULL};
  foreign_t *foreign = foreign_start(&sc->h.loop, args, NULL, false, NULL, 0);
  harness_at_stop(&sc->h, foreign_stop, foreign);
}

/* The client needs nobody for that name; a proxy asks the system. */
static bool knows_localhost(void) {
  struct addrinfo *found = NULL;
  if (getaddrinfo("localhost", NULL, NULL, &found) != 0) return false;
  freeaddrinfo(found);
  return true;
}

static void through_tinyproxy(void **state) {
  (void)state;
  scene sc;
  char url[64], proxy[64];
  uint16_t proxy_port;
  if (!installed(false) || !nginx_installed()) skip();
  if (foreign_find("tinyproxy") == NULL) {
    print_message("SKIPPED: tinyproxy is not installed\n");
    skip();
  }
  if (!knows_localhost()) {
    print_message("SKIPPED: this machine has no localhost that tinyproxy could find\n");
    skip();
  }
  start_behind_nginx(&sc, false);
  close(listener_open(&proxy_port));
  run_tinyproxy(&sc, proxy_port);
  url_of(&sc, GOOD, "/", url, sizeof url);
  snprintf(proxy, sizeof proxy, "http://me:secret@127.0.0.1:%u", proxy_port);
  sc.options.proxy = proxy;
  harness_client(&sc.h, &sc.options);
  /* It says nothing when it is up. */
  int code = E2B_ECONNECT;
  while (code == E2B_ECONNECT) {
    e2b_future_t *future = dial(&sc, url, NULL);
    const e2b_error_t *error = e2b_future_error(future);
    code = error != NULL ? error->code : 0;
    if (error != NULL && strstr(error->message, "refused") == NULL) {
      fail_msg("%s", error->message);
    }
    e2b_future_release(future);
  }
  converse(&sc, url, 1 << 20);
  snprintf(proxy, sizeof proxy, "http://me:wrong@127.0.0.1:%u", proxy_port);
  harness_close_client(&sc.h);
  harness_client(&sc.h, &sc.options);
  e2b_future_t *future = dial(&sc, url, NULL);
  assert_non_null(e2b_future_error(future));
  assert_int_equal(e2b_future_error(future)->code, E2B_ECONNECT);
  assert_non_null(strstr(e2b_future_error(future)->message, "the proxy answered HTTP 40"));
  e2b_future_release(future);
  stop(&sc);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_echo_in_python),          cmocka_unit_test(an_echo_in_node),
      cmocka_unit_test(tls_by_nginx_before_python), cmocka_unit_test(tls_by_nginx_before_node),
      cmocka_unit_test(bad_certificates),           cmocka_unit_test(refusals),
      cmocka_unit_test(through_tinyproxy),
  };
  return cmocka_run_group_tests_name("websocket_servers", tests, NULL, NULL);
}
