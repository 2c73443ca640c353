/* SPDX-License-Identifier: MIT */
#ifndef E2B_LIB_HOST_TLS_H
#define E2B_LIB_HOST_TLS_H

#include "host/request.h"

/* HTTPS under a domain of its own: clients need its name and an authority to trust, no URLs. */

typedef struct e2b__host_tls e2b__host_tls_t;

/* Sets host->tls when the options ask for it. 0 or a code, with `why`. */
int e2b__host_tls_open(e2b_host_t *host, const e2b_host_options *options, char *why,
                       size_t why_size);
void e2b__host_tls_free(e2b__host_tls_t *tls);
/* The port is known: clients name it with the domain. 0 or -1. */
int e2b__host_tls_set_port(e2b__host_tls_t *tls, unsigned port);

/* For MHD_OPTION_ARRAY; `items` has room for E2B__HOST_TLS_OPTIONS. `tls` may be NULL. */
enum { E2B__HOST_TLS_OPTIONS = 3 };
void e2b__host_tls_daemon_options(const e2b__host_tls_t *tls, struct MHD_OptionItem *items);
/* libmicrohttpd has read key and certificate: forgets them. */
void e2b__host_tls_started(e2b__host_tls_t *tls);

/* The domain as this request's client knows it; NULL when it came by another name. */
const char *e2b__host_tls_domain_of(const e2b__host_request_t *request);

#endif
