/* SPDX-License-Identifier: MIT */
#include "net/tls_internal.h"

/* Sessions that may be resumed, by host: the handshake is shorter, and the certificate, which was
 * verified for that host, is not sent again. */

static e2b__tls_session_t *find(e2b__tls_setup_t *setup, const char *host, uint16_t port) {
  for (e2b__list_t *node = setup->sessions.prev; node != &setup->sessions; node = node->prev) {
    e2b__tls_session_t *entry = E2B__CONTAINER(node, e2b__tls_session_t, node);
    if (entry->port == port && strcmp(entry->host, host) == 0) return entry;
  }
  return NULL;
}

static void drop(e2b__tls_setup_t *setup, e2b__tls_session_t *entry) {
  setup->sessions_count--;
  e2b__list_remove(&entry->node);
  mbedtls_ssl_session_free(&entry->session);
  e2b__free(entry->host);
  e2b__free(entry);
}

void e2b__tls_offer_session(e2b__tls_t *tls, const char *host, uint16_t port) {
  e2b__tls_session_t *entry = find(tls->setup, host, port);
  tls->offered = entry != NULL && mbedtls_ssl_set_session(&tls->ssl, &entry->session) == 0;
}

void e2b__tls_forget_session(e2b__tls_setup_t *setup, const char *host, uint16_t port) {
  e2b__tls_session_t *entry = find(setup, host, port);
  if (entry != NULL) drop(setup, entry);
}

/* One that cannot be kept is no failure: the next handshake is a whole one. */
void e2b__tls_keep_session(e2b__tls_t *tls, const char *host, uint16_t port) {
  e2b__tls_setup_t *setup = tls->setup;
  e2b__tls_forget_session(setup, host, port);
  e2b__tls_session_t *entry = e2b__calloc(1, sizeof *entry);
  if (entry == NULL) return;
  mbedtls_ssl_session_init(&entry->session);
  entry->host = e2b__strdup(host);
  entry->port = port;
  e2b__list_append(&setup->sessions, &entry->node);
  setup->sessions_count++;
  if (entry->host == NULL || mbedtls_ssl_get_session(&tls->ssl, &entry->session) != 0) {
    drop(setup, entry);
  } else if (setup->sessions_count > E2B__TLS_SESSIONS) {
    drop(setup, E2B__CONTAINER(setup->sessions.next, e2b__tls_session_t, node));
  }
}

void e2b__tls_free_sessions(e2b__tls_setup_t *setup) {
  while (setup->sessions_count > 0) {
    drop(setup, E2B__CONTAINER(setup->sessions.next, e2b__tls_session_t, node));
  }
}
