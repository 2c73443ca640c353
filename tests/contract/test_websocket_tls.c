/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <unistd.h>

#include "support/certificates.h"
#include "support/sockets.h"

/* WebSockets over TLS: whom the client believes, and that everything holds there too. The server's
 * side is mbedTLS, too; servers of other making are met end to end. */

static void start(sockets_t *s, const char *certificate_pem) {
  sockets_open(s);
  s->client.ca_blob = localhost_pem.authority;
  s->client.ca_blob_len = strlen(localhost_pem.authority);
  sockets_client(s);
  peer_tls(s->peer, certificate_pem, localhost_pem.key);
  s->options.secure = true;
  s->options.host = "localhost";
}

static void echo(sockets_t *s, size_t len) {
  char *data = malloc(len);
  assert_non_null(data);
  for (size_t i = 0; i < len; i++) {
    data[i] = (char)(i * 31 >> 3);
  }
  const unsigned messages = s->messages, frames = peer_frames(s->peer);
  peer_frame(s->peer, FIN | BINARY, data, len);
  sockets_until_messages(s, messages + 1);
  assert_int_equal(s->message_len, len);
  assert_memory_equal(s->message, data, len);
  assert_int_equal(e2b__websocket_send(s->websocket, E2B__WEBSOCKET_BINARY, data, len), 0);
  sockets_until_frames(s, frames + 1);
  peer_got_t frame;
  assert_true(peer_got(s->peer, frames, &frame));
  assert_int_equal(frame.len, len);
  assert_memory_equal(frame.data, data, len);
  free(data);
}

static void messages_of_all_sizes(void **state) {
  (void)state;
  static const size_t sizes[] = {0, 1, 125, 4096, 16384, 16385, 65536, 4 << 20};
  for (int bytewise = 0; bytewise < 2; bytewise++) {
    sockets_t s;
    start(&s, localhost_pem.certificate);
    if (bytewise) peer_bytewise(s.peer);
    sockets_connect_until_open(&s);
    for (size_t i = 0; i < E2B__COUNT(sizes) && (!bytewise || sizes[i] < 4096); i++) {
      echo(&s, sizes[i]);
    }
    e2b__websocket_close(s.websocket, 1000, NULL);
    peer_frame(s.peer, FIN | CLOSE, "\x03\xe8", 2);
    sockets_until_closed(&s);
    assert_int_equal(s.code, 0);
    sockets_until_peer_ended(&s);
    sockets_close(&s);
  }
}

static void write_file(char *path, const char *text) {
  const int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, strlen(text)), strlen(text));
  close(fd);
}

static void the_client_shows_a_certificate(void **state) {
  (void)state;
  char cert_path[] = "/tmp/e2b-test-XXXXXX", key_path[] = "/tmp/e2b-test-XXXXXX";
  const certificate wanted = {"me", NULL, NULL, "Authority", localhost_pem.authority_key};
  char *mine = certificate_make(localhost_pem.key, &wanted);
  write_file(cert_path, mine);
  write_file(key_path, localhost_pem.key);
  sockets_t s;
  start(&s, localhost_pem.certificate);
  peer_wants_certificate(s.peer, localhost_pem.authority);
  sockets_connect_until_closed(&s); /* without one */
  assert_int_not_equal(s.code, 0);
  s.client.client_cert_file = cert_path;
  s.client.client_key_file = key_path;
  sockets_client(&s);
  sockets_connect_until_open(&s);
  echo(&s, 1000);
  e2b__websocket_destroy(s.websocket);
  s.client.client_key_file = "/no/such/key.pem";
  sockets_client(&s);
  sockets_connect_until_closed(&s);
  assert_int_equal(s.code, E2B_ETLS);
  assert_non_null(strstr(s.why, "/no/such/key.pem"));
  unlink(cert_path);
  unlink(key_path);
  free(mine);
  sockets_close(&s);
}

static void authorities_may_come_from_a_file(void **state) {
  (void)state;
  char path[] = "/tmp/e2b-test-ca-XXXXXX";
  write_file(path, localhost_pem.authority);
  sockets_t s;
  start(&s, localhost_pem.certificate);
  s.client.ca_blob = NULL;
  s.client.ca_file = path;
  sockets_client(&s);
  sockets_connect_until_open(&s);
  unlink(path);
  e2b__websocket_destroy(s.websocket);
  sockets_connect(&s); /* read once */
  sockets_until_open(&s);
  s.client.ca_file = "/no/such/file.pem";
  e2b__websocket_destroy(s.websocket);
  sockets_client(&s);
  sockets_connect_until_closed(&s);
  assert_int_equal(s.code, E2B_ETLS);
  assert_non_null(strstr(s.why, "/no/such/file.pem"));
  sockets_close(&s);
}

/* The system's authorities do not know ours. */
static void the_systems_authorities_are_the_default(void **state) {
  (void)state;
  sockets_t s;
  start(&s, localhost_pem.certificate);
  s.client.ca_blob = NULL;
  sockets_client(&s);
  sockets_connect_until_closed(&s);
  assert_int_equal(s.code, E2B_ETLS);
  assert_non_null(strstr(s.why, "its issuer is unknown"));
  sockets_close(&s);
}

static void refused(const certificate *wanted, const char *host, const char *first,
                    const char *second) {
  char *bad = certificate_make(localhost_pem.key, wanted);
  sockets_t s;
  start(&s, bad);
  s.options.host = host;
  sockets_connect_until_closed(&s);
  assert_int_equal(s.code, E2B_ETLS);
  if (strstr(s.why, first) == NULL) fail_msg("'%s' does not say '%s'", s.why, first);
  if (strstr(s.why, second) == NULL) fail_msg("'%s' does not say '%s'", s.why, second);
  assert_int_equal(s.opened, 0);
  assert_string_equal(peer_request(s.peer), "");
  /* Unless nobody is asked. */
  s.client.verify_tls = E2B_OFF;
  s.client.ca_blob = NULL;
  sockets_client(&s);
  sockets_connect_until_open(&s);
  sockets_close(&s);
  free(bad);
}

static void bad_certificates_are_refused_by_what_is_wrong(void **state) {
  (void)state;
  const certificate other = {"example.com", NULL, NULL, "Authority", localhost_pem.authority_key};
  refused(&other, "localhost", "it is not for the host name localhost", "");
  const certificate old = {"localhost", "20200101000000", "20200201000000", "Authority",
                           localhost_pem.authority_key};
  refused(&old, "localhost", "it has expired", "");
  const certificate early = {"localhost", "20980101000000", NULL, "Authority",
                             localhost_pem.authority_key};
  refused(&early, "localhost", "it is not valid yet", "");
  const certificate own = {"localhost", NULL, NULL, NULL, NULL};
  refused(&own, "localhost", "it is self-signed and not among the trusted ones", "");
  const certificate unknown = {"localhost", NULL, NULL, "Somebody else", localhost_pem.key};
  refused(&unknown, "localhost", "its issuer is unknown", "");
  const certificate forged = {"localhost", NULL, NULL, "Authority", localhost_pem.key};
  refused(&forged, "localhost", "its issuer is unknown", "");
  const certificate both = {"example.com", "20200101000000", "20200201000000", "Authority",
                            localhost_pem.authority_key};
  refused(&both, "localhost", "it is not for the host name localhost", "it has expired");
  /* A name is no address. */
  const certificate name = {"127.0.0.1", NULL, NULL, "Authority", localhost_pem.authority_key};
  refused(&name, "127.0.0.1", "it is not for the host name 127.0.0.1", "");
}

static void addresses_and_wildcards_are_names_too(void **state) {
  (void)state;
  char *authority, *server;
  if (!certificate_of_host(localhost_pem.key, localhost_pem.authority_key, &authority, &server))
    skip();
  static const struct {
    const char *host;
    bool good;
  } hosts[] = {{"127.0.0.1", true},
               {"localhost", true},
               {"8080-abc.e2b.localhost", true},
               {"8080-abc.other.localhost", false},
               {"a.b.e2b.localhost", false}};
  for (size_t i = 0; i < E2B__COUNT(hosts); i++) {
    sockets_t s;
    start(&s, server);
    s.client.ca_blob = authority;
    s.client.ca_blob_len = strlen(authority);
    sockets_client(&s);
    s.options.host = hosts[i].host;
    sockets_connect(&s);
    if (hosts[i].good) {
      sockets_until_open(&s);
    } else {
      sockets_until_closed(&s);
      assert_int_equal(s.code, E2B_ETLS);
      assert_non_null(strstr(s.why, hosts[i].host));
    }
    sockets_close(&s);
  }
  free(authority);
  free(server);
}

static unsigned resumptions(const sockets_t *s) {
  unsigned count = 0;
  for (const char *at = s->h.log; (at = strstr(at, "TLS is up, resumed")) != NULL; at++) {
    count++;
  }
  return count;
}

static void sessions_are_resumed_by_host(void **state) {
  (void)state;
  sockets_t s;
  start(&s, localhost_pem.certificate);
  static const unsigned expected[] = {0, 1, 2};
  for (size_t i = 0; i < E2B__COUNT(expected); i++) {
    sockets_connect_until_open(&s);
    echo(&s, 1000);
    assert_int_equal(resumptions(&s), expected[i]);
    e2b__websocket_destroy(s.websocket);
    s.websocket = NULL;
    sockets_until_peer_ended(&s);
  }
  /* For another name the certificate is looked at. */
  s.options.host = "abc.localhost";
  sockets_connect_until_closed(&s);
  assert_int_equal(s.code, E2B_ETLS);
  sockets_close(&s);
}

static void given_up_at_every_step(void **state) {
  (void)state;
  for (int how = 0; how < 3; how++) {
    bool through = false;
    for (unsigned turns = 0; !through; turns++) {
      sockets_t s;
      start(&s, localhost_pem.certificate);
      sockets_connect(&s);
      harness_turn(&s.h, turns);
      through = s.opened > 0;
      if (how == 0) e2b__websocket_destroy(s.websocket);
      if (how == 1) e2b__websocket_close(s.websocket, 1001, NULL);
      if (how == 1) {
        const bool open = through;
        if (open) peer_close(s.peer);
        sockets_until_closed(&s);
        assert_int_equal(s.code, open ? E2B_ECONNLOST : E2B_ECANCELED);
      }
      s.websocket = NULL;
      sockets_close(&s);
    }
  }
}

static void the_handshake_fails_in_every_way(void **state) {
  (void)state;
  sockets_t s;
  /* A server without TLS. */
  sockets_open(&s);
  s.client.verify_tls = E2B_OFF;
  sockets_client(&s);
  s.options.secure = true;
  s.options.connect_timeout_ms = 100;
  sockets_connect_until_closed(&s); /* waits for the end of what is no head */
  assert_int_equal(s.code, E2B_ETIMEDOUT);
  assert_int_equal(s.clock, E2B_CLOCK_CONNECT);
  assert_non_null(strstr(s.why, "TLS"));
  sockets_connect(&s);
  while (peer_accepted(s.peer) < 2) {
    harness_turn_once(&s.h);
  }
  peer_send(s.peer, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
  sockets_until_closed(&s);
  assert_int_equal(s.code, E2B_ETLS);
  sockets_connect(&s);
  while (peer_accepted(s.peer) < 3) {
    harness_turn_once(&s.h);
  }
  peer_close(s.peer);
  sockets_until_closed(&s);
  assert_int_equal(s.code, E2B_ECONNLOST);
  assert_non_null(strstr(s.why, "TLS handshake"));
  sockets_close(&s);
}

static void an_end_without_tls_saying_so_is_no_end(void **state) {
  (void)state;
  sockets_t s;
  start(&s, localhost_pem.certificate);
  sockets_connect_until_open(&s);
  peer_text(s.peer, FIN | TEXT, "the last");
  peer_half_close(s.peer);
  sockets_until_closed(&s);
  assert_int_equal(s.code, E2B_ECONNLOST);
  assert_int_equal(s.messages, 1);
  sockets_close(&s);
}

static void a_pause_holds_back_what_is_decrypted(void **state) {
  (void)state;
  sockets_t s;
  start(&s, localhost_pem.certificate);
  sockets_connect_until_open(&s);
  sockets_bring_one_at_a_time(&s, 200);
  sockets_close(&s);
}

/* --- through a proxy -------------------------------------------------------------------------- */

static void through_a_proxy(void **state) {
  (void)state;
  for (int secure = 0; secure < 2; secure++) {
    for (int bytewise = 0; bytewise < 2; bytewise++) {
      char proxy[64];
      sockets_t s;
      sockets_open(&s);
      snprintf(proxy, sizeof proxy, "http://me:p%%40ss@127.0.0.1:%u", peer_port(s.peer));
      s.client.proxy = proxy;
      s.client.ca_blob = localhost_pem.authority;
      s.client.ca_blob_len = strlen(localhost_pem.authority);
      sockets_client(&s);
      peer_proxy(s.peer, "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n");
      if (secure) peer_tls(s.peer, localhost_pem.certificate, localhost_pem.key);
      if (bytewise) peer_bytewise(s.peer);
      s.options.secure = secure != 0;
      s.options.host = secure ? "localhost" : "not-looked-up.invalid";
      s.options.port = 4711;
      sockets_connect_until_open(&s);
      assert_non_null(strstr(peer_proxy_request(s.peer), secure
                                                             ? "CONNECT localhost:4711 HTTP/1.1\r\n"
                                                             : "CONNECT not-looked-up.invalid:"));
      assert_non_null(
          strstr(peer_proxy_request(s.peer), "\r\nProxy-Authorization: Basic bWU6cEBzcw==\r\n"));
      assert_null(strstr(peer_request(s.peer), "Proxy-Authorization"));
      echo(&s, 1000);
      sockets_close(&s);
    }
  }
}

static void a_proxy_that_will_not(void **state) {
  (void)state;
  static const struct {
    const char *answer, *why;
    int code;
  } cases[] = {
      {"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "407",
       E2B_ECONNECT},
      {"HTTP/1.1 403 Forbidden\r\n\r\n", "403", E2B_ECONNECT},
      {"what?\r\n\r\n", "no HTTP", E2B_EPROTOCOL},
      {"HTTP/1.1 200 OK\r\n", "waiting for the proxy", E2B_ETIMEDOUT},
  };
  for (size_t i = 0; i < E2B__COUNT(cases); i++) {
    char proxy[64];
    sockets_t s;
    sockets_open(&s);
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", peer_port(s.peer));
    s.client.proxy = proxy;
    sockets_client(&s);
    peer_proxy(s.peer, cases[i].answer);
    s.options.connect_timeout_ms = 200;
    sockets_connect_until_closed(&s);
    assert_int_equal(s.code, cases[i].code);
    assert_non_null(strstr(s.why, cases[i].why));
    assert_int_equal(s.status, 0);
    sockets_close(&s);
  }
}

static void a_proxy_of_another_kind(void **state) {
  (void)state;
  sockets_t s;
  sockets_open(&s);
  s.client.proxy = "socks5://127.0.0.1:1";
  sockets_client(&s);
  sockets_connect_until_closed(&s);
  assert_int_equal(s.code, E2B_EUNIMPLEMENTED);
  sockets_close(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(messages_of_all_sizes),
      cmocka_unit_test(the_client_shows_a_certificate),
      cmocka_unit_test(authorities_may_come_from_a_file),
      cmocka_unit_test(the_systems_authorities_are_the_default),
      cmocka_unit_test(bad_certificates_are_refused_by_what_is_wrong),
      cmocka_unit_test(addresses_and_wildcards_are_names_too),
      cmocka_unit_test(sessions_are_resumed_by_host),
      cmocka_unit_test(given_up_at_every_step),
      cmocka_unit_test(the_handshake_fails_in_every_way),
      cmocka_unit_test(an_end_without_tls_saying_so_is_no_end),
      cmocka_unit_test(a_pause_holds_back_what_is_decrypted),
      cmocka_unit_test(through_a_proxy),
      cmocka_unit_test(a_proxy_that_will_not),
      cmocka_unit_test(a_proxy_of_another_kind),
  };
  return cmocka_run_group_tests_name("websocket_tls", tests, localhost_pem_make,
                                     localhost_pem_free);
}
