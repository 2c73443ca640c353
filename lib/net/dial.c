/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "net/socket.h"
#include "proto/http_head.h"

/* From a name to an open socket: addresses, one after the other, the proxy, TLS. */

enum { PROXY_HEAD_CEILING = 16 << 10, LONGEST_ADDRESS = 64 };

void e2b__dial_free(e2b__socket_t *socket) {
  e2b__dial_t *dial = socket->dial;
  if (dial == NULL) return;
  socket->dial = NULL;
  e2b__buffer_free(&dial->head);
  e2b__free(dial->host);
  e2b__free(dial->addresses);
  e2b__free(dial);
}

/* --- TLS -------------------------------------------------------------------------------------- */

static void fail_tls(e2b__socket_t *socket) {
  const char *why;
  const int code = e2b__tls_failure(socket->tls, &why);
  if (code != E2B_ECONNLOST) {
    e2b__socket_fault(socket, code != 0 ? code : E2B_ECONNLOST, E2B_CLOCK_NONE, "%s", why);
  } else if (socket->read_error != 0 && socket->read_error != UV_EOF) {
    e2b__socket_fault(socket, code, E2B_CLOCK_NONE, "in the TLS handshake: %s",
                      uv_strerror(socket->read_error));
  } else {
    e2b__socket_fault(socket, code, E2B_CLOCK_NONE, "the server hung up in the TLS handshake");
  }
}

static void go_on_securing(e2b__socket_t *socket) {
  const int rc = e2b__tls_handshake(socket->tls);
  if (rc == 0) {
    E2B__LOG(socket->dialer->log, E2B_LOG_DEBUG, "socket to %s:%u: TLS is up%s", socket->dial->host,
             socket->dial->port, e2b__tls_resumed(socket->tls) ? ", resumed" : "");
    e2b__socket_opened(socket);
  } else if (rc < 0 && socket->state == E2B__SOCKET_SECURING) {
    fail_tls(socket);
  }
}

static void secure(e2b__socket_t *socket) {
  e2b__dialer_t *dialer = socket->dialer;
  const e2b__dial_t *dial = socket->dial;
  if (!dial->secure) {
    e2b__socket_opened(socket);
    return;
  }
  if (dialer->tls == NULL) {
    char why[256] = "";
    const int rc = e2b__tls_setup_new(dialer->options, &dialer->tls, why, sizeof why);
    if (rc != 0) {
      e2b__socket_fault(socket, rc, E2B_CLOCK_NONE, "%s", why);
      return;
    }
  }
  socket->tls = e2b__tls_new(dialer->tls, dial->host, dial->port, &e2b__socket_tls_io, socket);
  if (socket->tls == NULL) {
    e2b__socket_fault(socket, E2B_ENOMEM, E2B_CLOCK_NONE, "out of memory");
    return;
  }
  socket->state = E2B__SOCKET_SECURING;
  e2b__socket_read_start(socket);
  go_on_securing(socket);
}

/* --- the proxy -------------------------------------------------------------------------------- */

static void ask_proxy(e2b__socket_t *socket) {
  const e2b__dialer_t *dialer = socket->dialer;
  const e2b__dial_t *dial = socket->dial;
  const bool v6 = strchr(dial->host, ':') != NULL;
  char *where = e2b__format(v6 ? "[%s]:%u" : "%s:%u", dial->host, dial->port);
  const bool secret = dialer->proxy_credentials != NULL;
  char *request =
      where == NULL ? NULL
                    : e2b__format("CONNECT %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\n%s%s%s\r\n",
                                  where, where, dialer->options->user_agent,
                                  secret ? "Proxy-Authorization: Basic " : "",
                                  secret ? dialer->proxy_credentials : "", secret ? "\r\n" : "");
  e2b__free(where);
  if (request == NULL) {
    e2b__socket_fault(socket, E2B_ENOMEM, E2B_CLOCK_NONE, "out of memory");
    return;
  }
  socket->state = E2B__SOCKET_PROXYING;
  e2b__socket_read_start(socket);
  /* A connection that is broken already says so when it is read. */
  e2b__socket_write(socket, request, strlen(request));
  explicit_bzero(request, strlen(request));
  e2b__free(request);
}

static void on_proxy_head(e2b__socket_t *socket, size_t len) {
  e2b__dial_t *dial = socket->dial;
  e2b__http_head_t head;
  if (e2b__http_head_parse(&head, dial->head.data, len) != 0) {
    e2b__socket_fault(socket, E2B_EPROTOCOL, E2B_CLOCK_NONE, "the proxy's answer is no HTTP");
  } else if (head.status < 200 || head.status > 299) {
    e2b__socket_fault(socket, E2B_ECONNECT, E2B_CLOCK_NONE, "the proxy answered HTTP %u%s",
                      head.status,
                      head.status == 407 ? ": it wants other credentials, or any" : "");
  } else {
    e2b__buffer_free(&dial->head);
    secure(socket);
  }
}

static void read_proxy(e2b__socket_t *socket) {
  e2b__dial_t *dial = socket->dial;
  const size_t before = dial->head.len;
  const int rc = e2b__buffer_append(&dial->head, socket->input, socket->input_len);
  if (rc != 0) {
    e2b__socket_fault(socket, rc == E2B_ETOOBIG ? E2B_EPROTOCOL : rc, E2B_CLOCK_NONE, "%s",
                      rc == E2B_ETOOBIG ? "the proxy's answer has no end" : "out of memory");
    return;
  }
  const size_t end = e2b__http_head_end(dial->head.data, dial->head.len, before);
  if (end == 0) {
    socket->input_len = 0;
    if (socket->read_error != 0) {
      e2b__socket_fault(socket, E2B_ECONNECT, E2B_CLOCK_NONE, "the proxy hung up");
    }
    return;
  }
  socket->input += end - before;
  socket->input_len -= end - before;
  on_proxy_head(socket, end);
}

void e2b__dial_readable(e2b__socket_t *socket) {
  if (socket->state == E2B__SOCKET_PROXYING) {
    read_proxy(socket);
  } else {
    go_on_securing(socket);
  }
}

/* --- addresses -------------------------------------------------------------------------------- */

/* The time that is left, shared by so many attempts. */
static void arm(e2b__socket_t *socket, unsigned shares) {
  const uint64_t now = uv_now(socket->dialer->loop);
  const uint64_t deadline = socket->dial->deadline_ms;
  e2b__socket_arm(socket, deadline > now ? (deadline - now) / shares : 0);
}

static void try_next_address(e2b__socket_t *socket) {
  if (socket->dial->next_address != NULL) {
    socket->state = E2B__SOCKET_REDIALING;
    uv_close((uv_handle_t *)&socket->tcp, e2b__socket_on_handle_closed);
  } else if (socket->dial->error == UV_ETIMEDOUT) {
    e2b__socket_fault(socket, E2B_ETIMEDOUT, E2B_CLOCK_CONNECT, "no answer");
  } else {
    e2b__socket_fault(socket, E2B_ECONNECT, E2B_CLOCK_NONE, "%s", uv_strerror(socket->dial->error));
  }
}

static void on_connect(uv_connect_t *connect, int status) {
  e2b__socket_t *socket = connect->handle->data;
  if (socket->state != E2B__SOCKET_CONNECTING) return;
  if (status < 0) {
    socket->dial->error = status;
    try_next_address(socket);
    return;
  }
  arm(socket, 1);
  uv_tcp_nodelay(&socket->tcp, 1);
  if (socket->dialer->proxy_host != NULL) {
    ask_proxy(socket);
  } else {
    secure(socket);
  }
}

/* Takes the first of "a,b,[c]" off. */
static int parse_address(e2b__dial_t *dial, struct sockaddr_storage *address) {
  char text[LONGEST_ADDRESS];
  const char *from = dial->next_address;
  size_t len = strcspn(from, ",");
  dial->next_address = from[len] == ',' ? from + len + 1 : NULL;
  if (len >= sizeof text) return UV_EINVAL;
  if (from[0] == '[' && len > 2) {
    memcpy(text, from + 1, len - 2);
    text[len - 2] = '\0';
    return uv_ip6_addr(text, dial->dial_port, (struct sockaddr_in6 *)(void *)address);
  }
  memcpy(text, from, len);
  text[len] = '\0';
  return uv_ip4_addr(text, dial->dial_port, (struct sockaddr_in *)(void *)address);
}

static unsigned count_addresses(const char *list) {
  unsigned count = 0;
  for (; list != NULL; list = strchr(list, ',')) {
    list += count > 0;
    count++;
  }
  return count;
}

static void connect_next(e2b__socket_t *socket) {
  e2b__dial_t *dial = socket->dial;
  struct sockaddr_storage address;
  socket->state = E2B__SOCKET_CONNECTING;
  arm(socket, count_addresses(dial->next_address));
  int rc = parse_address(dial, &address);
  if (rc == 0) {
    rc =
        uv_tcp_connect(&dial->connect, &socket->tcp, (const struct sockaddr *)&address, on_connect);
  }
  if (rc == 0) return;
  dial->error = rc;
  try_next_address(socket);
}

void e2b__dial_tcp_closed(e2b__socket_t *socket) {
  e2b__socket_init_tcp(socket);
  connect_next(socket);
}

void e2b__dial_timer(e2b__socket_t *socket) {
  e2b__dial_t *dial = socket->dial;
  if (socket->state == E2B__SOCKET_CONNECTING && dial->next_address != NULL) {
    dial->error = UV_ETIMEDOUT;
    try_next_address(socket);
  } else if (!dial->overdue) {
    /* The loop may have been elsewhere for long: what waits to be read comes first. */
    dial->overdue = true;
    e2b__socket_arm(socket, 1);
  } else {
    static const char *const where[] = {[E2B__SOCKET_RESOLVING] = "looking its name up",
                                        [E2B__SOCKET_CONNECTING] = "connecting",
                                        [E2B__SOCKET_REDIALING] = "connecting",
                                        [E2B__SOCKET_PROXYING] = "waiting for the proxy",
                                        [E2B__SOCKET_SECURING] = "in the TLS handshake"};
    e2b__socket_fault(socket, E2B_ETIMEDOUT, E2B_CLOCK_CONNECT, "%s", where[socket->state]);
  }
}

static void on_addresses(void *ctx, const char *addresses, const char *why) {
  e2b__socket_t *socket = ctx;
  e2b__dial_t *dial = socket->dial;
  dial->lookup = NULL;
  socket->handles--;
  if (socket->state != E2B__SOCKET_RESOLVING) return; /* time was up */
  if (addresses == NULL) {
    e2b__socket_fault(socket, E2B_EDNS, E2B_CLOCK_NONE, "%s", why);
    return;
  }
  dial->addresses = e2b__strdup(addresses);
  if (dial->addresses == NULL) {
    e2b__socket_fault(socket, E2B_ENOMEM, E2B_CLOCK_NONE, "out of memory");
    return;
  }
  dial->next_address = dial->addresses;
  connect_next(socket);
}

static int start(e2b__socket_t *socket, const char *host) {
  e2b__dial_t *dial = socket->dial;
  const char *known = e2b__dns_known(host);
  if (known != NULL || e2b__dns_is_literal(host)) {
    dial->addresses =
        e2b__format(strchr(host, ':') != NULL ? "[%s]" : "%s", known != NULL ? known : host);
    if (dial->addresses == NULL) return E2B_ENOMEM;
    dial->next_address = dial->addresses;
    connect_next(socket);
    return 0;
  }
  dial->lookup = e2b__lookup_start(socket->dialer->loop, host, on_addresses, socket);
  if (dial->lookup == NULL) return E2B_ENOMEM;
  socket->handles++;
  arm(socket, 1);
  return 0;
}

int e2b__socket_dial(e2b__socket_t *socket, e2b__dialer_t *dialer,
                     const e2b__socket_target_t *target, const e2b__socket_events_t *events) {
  if (dialer->closing) return E2B_ECLOSED;
  e2b__dial_t *dial = e2b__calloc(1, sizeof *dial);
  if (dial == NULL) return E2B_ENOMEM;
  dial->host = e2b__strdup(target->host);
  if (dial->host == NULL) {
    e2b__free(dial);
    return E2B_ENOMEM;
  }
  const bool proxied = dialer->proxy_host != NULL;
  dial->port = target->port;
  dial->dial_port = proxied ? dialer->proxy_port : target->port;
  dial->secure = target->secure;
  dial->deadline_ms = e2b__time_after(uv_now(dialer->loop), target->timeout_ms);
  e2b__buffer_init(&dial->head, PROXY_HEAD_CEILING);
  socket->dial = dial;
  socket->quick_ack = target->quick_ack;
  e2b__socket_init(socket, dialer, events);
  const int rc = dialer->proxy_unusable ? E2B_EUNIMPLEMENTED
                                        : start(socket, proxied ? dialer->proxy_host : dial->host);
  /* From here on there are handles, so whatever is wrong is told from the loop. */
  if (rc == E2B_EUNIMPLEMENTED) {
    e2b__socket_fault(socket, rc, E2B_CLOCK_NONE, "only http:// proxies can be gone through");
  } else if (rc != 0) {
    e2b__socket_fault(socket, rc, E2B_CLOCK_NONE, "out of memory");
  }
  return 0;
}
