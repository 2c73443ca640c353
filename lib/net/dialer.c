/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "net/codec.h"
#include "net/socket.h"
#include "proto/base64.h"

static int decode_part(CURLU *url, CURLUPart part, char **value) {
  return curl_url_get(url, part, value, CURLU_URLDECODE) == CURLUE_OK ? 0 : -1;
}

/* User and password of the proxy's URL as the header wants them. */
static bool set_credentials(e2b__dialer_t *dialer, CURLU *url) {
  char *user = NULL, *password = NULL;
  bool ok = true;
  decode_part(url, CURLUPART_PASSWORD, &password);
  if (decode_part(url, CURLUPART_USER, &user) == 0) {
    char *both = e2b__format("%s:%s", user, password != NULL ? password : "");
    const size_t len = both != NULL ? strlen(both) : 0;
    const size_t encoded = e2b__base64_encoded_size(len);
    dialer->proxy_credentials = both != NULL ? e2b__malloc(encoded + 1) : NULL;
    ok = dialer->proxy_credentials != NULL;
    if (ok) {
      e2b__base64_encode(both, len, dialer->proxy_credentials);
      dialer->proxy_credentials[encoded] = '\0';
    }
    e2b__free(both);
  }
  curl_free(user);
  curl_free(password);
  return ok;
}

/* What curl reads from the same text, for the one kind of proxy that sockets go through. */
static bool set_proxy(e2b__dialer_t *dialer) {
  if (dialer->options->proxy == NULL || *dialer->options->proxy == '\0') return true;
  CURLU *url = curl_url();
  char *scheme = NULL, *host = NULL, *port = NULL;
  bool ok = url != NULL;
  dialer->proxy_unusable = true;
  if (ok &&
      curl_url_set(url, CURLUPART_URL, dialer->options->proxy,
                   CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME) == CURLUE_OK &&
      curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK && strcmp(scheme, "http") == 0 &&
      curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
    /* Without a port curl means 1080, whatever the scheme's is. */
    if (curl_url_get(url, CURLUPART_PORT, &port, 0) != CURLUE_OK) port = NULL;
    dialer->proxy_port = (uint16_t)(port != NULL ? strtoul(port, NULL, 10) : 1080);
    size_t len = strlen(host);
    dialer->proxy_host =
        host[0] == '[' && len > 2 ? e2b__strndup(host + 1, len - 2) : e2b__strndup(host, len);
    dialer->proxy_unusable = false;
    ok = dialer->proxy_host != NULL && set_credentials(dialer, url);
  }
  curl_free(scheme);
  curl_free(host);
  curl_free(port);
  curl_url_cleanup(url);
  return ok;
}

static void dialer_free(e2b__dialer_t *dialer) {
  e2b__codec_free_shared(dialer);
  e2b__tls_setup_free(dialer->tls);
  e2b__free(dialer->proxy_host);
  if (dialer->proxy_credentials != NULL) {
    explicit_bzero(dialer->proxy_credentials, strlen(dialer->proxy_credentials));
  }
  e2b__free(dialer->proxy_credentials);
  e2b__free(dialer->input);
  e2b__free(dialer->output);
  e2b__free(dialer);
}

e2b__dialer_t *e2b__dialer_new(uv_loop_t *loop, e2b__queue_t *queue, e2b__alive_t *alive,
                               const e2b__log_t *log, const e2b__http_options_t *options) {
  e2b__dialer_t *dialer = e2b__calloc(1, sizeof *dialer);
  if (dialer == NULL) return NULL;
  dialer->loop = loop;
  dialer->queue = queue;
  dialer->alive = alive;
  dialer->log = log;
  dialer->options = options;
  e2b__list_init(&dialer->sockets);
  dialer->input = e2b__malloc(E2B__DIALER_INPUT);
  dialer->output = e2b__malloc(E2B__DIALER_OUTPUT);
  if (dialer->input != NULL && dialer->output != NULL && set_proxy(dialer)) return dialer;
  dialer_free(dialer);
  return NULL;
}

int e2b__dialer_random(e2b__dialer_t *dialer, void *to, size_t len) {
  if (dialer->randoms_left < len) {
    if (uv_random(NULL, NULL, dialer->randoms, sizeof dialer->randoms, 0, NULL) != 0) {
      return E2B_ESYSTEM;
    }
    dialer->randoms_left = sizeof dialer->randoms;
  }
  unsigned char *from = dialer->randoms + sizeof dialer->randoms - dialer->randoms_left;
  memcpy(to, from, len);
  memset(from, 0, len);
  dialer->randoms_left -= len;
  return 0;
}

void e2b__dialer_socket_gone(e2b__dialer_t *dialer) {
  if (!dialer->closing || !e2b__list_empty(&dialer->sockets)) return;
  void (*closed)(void *ctx) = dialer->closed;
  void *ctx = dialer->closed_ctx;
  dialer_free(dialer);
  closed(ctx);
}

void e2b__dialer_close(e2b__dialer_t *dialer, void (*closed)(void *ctx), void *ctx) {
  dialer->closing = true;
  dialer->closed = closed;
  dialer->closed_ctx = ctx;
  e2b__list_t *node = dialer->sockets.next;
  while (node != &dialer->sockets) {
    e2b__socket_t *socket = E2B__CONTAINER(node, e2b__socket_t, node);
    node = node->next;
    e2b__socket_destroy(socket);
  }
  e2b__dialer_socket_gone(dialer);
}
