/* SPDX-License-Identifier: MIT */
#include "support/h2_faults.h"

h2_answer_t h2_nothing = {204, NULL, ""};
h2_answer_t h2_listed = {200, "application/json", "[]"};
h2_answer_t h2_made = {201, "application/json",
                       "{\"sandboxID\":\"" FAULTS_SANDBOX_ID
                       "\",\"templateID\":\"base\",\"envdVersion\":\"0.6.13\",\"domain\":null}"};

void h2_open(h2_faults_t *t) {
  faults_open(&t->f, &faults_proto);
  t->server = h2_server_start(&t->f.h.loop);
  harness_at_stop(&t->f.h, h2_server_close, t->server);
  t->f.options.api_url = t->f.options.sandbox_url = h2_url(t->server);
  t->f.options.ca_blob = h2_authority(t->server);
  t->f.options.ca_blob_len = strlen(h2_authority(t->server));
}

void h2_client(h2_faults_t *t) {
  faults_client(&t->f);
}

void h2_sandbox(h2_faults_t *t) {
  t->f.options.api_url = fault_url(t->f.server);
  faults_sandbox(&t->f);
}

void h2_close(h2_faults_t *t) {
  faults_close(&t->f);
}

void h2_until_asked(h2_faults_t *t, unsigned count) {
  harness_until_count(&t->f.h, h2_counter(t->server), count);
}

void h2_until_read(h2_faults_t *t, unsigned connection) {
  const unsigned before = *h2_pongs(t->server);
  h2_pings(t->server, connection, 1);
  harness_until_count(&t->f.h, h2_pongs(t->server), before + 1);
}
