/* SPDX-License-Identifier: MIT */
#include "host/tls.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "host/authority.h"

#define DEFAULT_DOMAIN "e2b.localhost"

enum { LONGEST_DOMAIN = 180, HTTPS_PORT = 443 };

struct e2b__host_tls {
  char name[LONGEST_DOMAIN + 1];
  char *domain; /* with the port */
  e2b__host_credentials_t credentials;
};

/* Lower case, dots between labels. */
static bool take_name(e2b__host_tls_t *tls, const char *domain) {
  size_t len = strlen(domain);
  if (len == 0 || len > LONGEST_DOMAIN) return false;
  for (size_t i = 0; i < len; i++) {
    bool edge = i == 0 || i + 1 == len || domain[i - 1] == '.' || domain[i + 1] == '.';
    unsigned char c = (unsigned char)domain[i];
    if (!isalnum(c) && (edge || (c != '-' && c != '.'))) return false;
    tls->name[i] = (char)tolower(c);
  }
  tls->name[len] = '\0';
  return true;
}

int e2b__host_tls_open(e2b_host_t *host, const e2b_host_options *o, char *why, size_t why_size) {
  if (!o->tls && (o->domain != NULL || o->ca_dir != NULL)) {
    snprintf(why, why_size,
             "a domain and a directory of certificates are of use only with TLS (--tls)");
    return E2B_EINVAL;
  }
  if (!o->tls) return 0;
  if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES) {
    snprintf(why, why_size,
             "this libmicrohttpd was built without TLS: use the plain URL, or one built with "
             "GnuTLS");
    return E2B_ESYSTEM;
  }
  host->tls = e2b__calloc(1, sizeof *host->tls);
  if (host->tls == NULL) return E2B_ENOMEM;
  if (!take_name(host->tls, o->domain != NULL ? o->domain : DEFAULT_DOMAIN)) {
    snprintf(why, why_size,
             "'%s' is not a domain; give a name such as " DEFAULT_DOMAIN ", without a port",
             o->domain);
    return E2B_EINVAL;
  }
  return e2b__host_authority_open(host, o->ca_dir, host->tls->name, &host->tls->credentials, why,
                                  why_size);
}

void e2b__host_tls_started(e2b__host_tls_t *tls) {
  if (tls == NULL) return;
  explicit_bzero(tls->credentials.key, sizeof tls->credentials.key);
  explicit_bzero(tls->credentials.certificate, sizeof tls->credentials.certificate);
}

void e2b__host_tls_free(e2b__host_tls_t *tls) {
  if (tls == NULL) return;
  e2b__free(tls->domain);
  e2b__free(tls->credentials.ca_file);
  e2b__host_tls_started(tls);
  e2b__free(tls);
}

int e2b__host_tls_set_port(e2b__host_tls_t *tls, unsigned port) {
  /* Clients leave the port of https out. */
  tls->domain = port == HTTPS_PORT ? e2b__strdup(tls->name) : e2b__format("%s:%u", tls->name, port);
  return tls->domain != NULL ? 0 : -1;
}

void e2b__host_tls_daemon_options(const e2b__host_tls_t *tls, struct MHD_OptionItem *items) {
  size_t count = 0;
  if (tls != NULL) {
    items[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0,
                                             (void *)(uintptr_t)tls->credentials.certificate};
    items[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0,
                                             (void *)(uintptr_t)tls->credentials.key};
  }
  items[count] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
}

const char *e2b__host_tls_domain_of(const e2b__host_request_t *request) {
  const e2b__host_tls_t *tls = request->host->tls;
  const char *name = e2b__host_header(request, "Host");
  if (tls == NULL || name == NULL || strncasecmp(name, "api.", 4) != 0) return NULL;
  return strcasecmp(name + 4, tls->domain) == 0 ? tls->domain : NULL;
}

const char *e2b_host_domain(const e2b_host_t *host) {
  return host->tls != NULL ? host->tls->domain : NULL;
}

const char *e2b_host_ca_file(const e2b_host_t *host) {
  return host->tls != NULL ? host->tls->credentials.ca_file : NULL;
}
