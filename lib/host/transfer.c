/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "host/daemon.h"
#include "host/signature.h"

/* What both directions of /files check first. */

bool e2b__host_transfer_user(e2b__host_request_t *request, bool *as_root) {
  const char *name = e2b__host_query(request, "username");
  const char *basic = "";
  if (name == NULL) return e2b__host_acting_user(request, as_root, &basic) == 0;
  *as_root = strcmp(name, "root") == 0;
  if (*as_root || strcmp(name, "user") == 0) return true;
  e2b__host_answer_error(request, 401, "error looking up user '%.200s': user: unknown user %.200s",
                         name, name);
  return false;
}

static const char *query_or_empty(const e2b__host_request_t *request, const char *name) {
  const char *value = e2b__host_query(request, name);
  return value != NULL ? value : "";
}

bool e2b__host_transfer_signed(const e2b__host_request_t *request,
                               const e2b__host_sandbox_t *sandbox, const char *operation) {
  char expected[E2B__SIGNATURE_SIZE];
  const char *expiration = e2b__host_query(request, "signature_expiration");
  char number[24];
  if (sandbox->access_token[0] == '\0') return false;
  if (expiration != NULL) {
    /* The number is signed, not its spelling. */
    snprintf(number, sizeof number, "%lld", strtoll(expiration, NULL, 10));
    expiration = number;
  }
  return e2b__host_signature(query_or_empty(request, "path"), operation,
                             query_or_empty(request, "username"), sandbox->access_token, expiration,
                             expected) == 0 &&
         e2b__host_secret_equal(query_or_empty(request, "signature"), expected);
}

/* The last second that it names is still good. */
static bool expired(const char *expiration) {
  return expiration != NULL && strtoll(expiration, NULL, 10) < e2b__wall_ms() / 1000;
}

bool e2b__host_transfer_allowed(e2b__host_request_t *request, const char *operation) {
  const char *expected = request->sandbox->access_token;
  const char *token = e2b__host_header(request, "X-Access-Token");
  if (expected[0] == '\0') return true;
  if (token != NULL && *token != '\0') {
    if (e2b__host_secret_equal(token, expected)) return true;
    e2b__host_answer_error(request, 401, "access token present in header but does not match");
  } else if (e2b__host_query(request, "signature") == NULL) {
    e2b__host_answer_error(request, 401, "missing signature query parameter");
  } else if (!e2b__host_transfer_signed(request, request->sandbox, operation)) {
    e2b__host_answer_error(request, 401, "invalid signature");
  } else if (expired(e2b__host_query(request, "signature_expiration"))) {
    e2b__host_answer_error(request, 401, "signature is already expired");
  } else {
    return true;
  }
  return false;
}

/* ---- the query ---- */

typedef struct counting {
  const char *name;
  unsigned count;
  bool cut; /* by a NUL */
} counting_t;

static enum MHD_Result count_value(void *cls, enum MHD_ValueKind kind, const char *name,
                                   size_t name_len, const char *value, size_t len) {
  counting_t *counting = cls;
  (void)kind;
  (void)name_len;
  if (strcmp(name, counting->name) != 0) return MHD_YES;
  counting->count++;
  if (value != NULL && strlen(value) != len) counting->cut = true;
  return MHD_YES;
}

static bool refuse_query(e2b__host_request_t *request, const char *name, const char *why) {
  char message[400];
  snprintf(message, sizeof message, "Invalid format for parameter %s: %s\n", name, why);
  e2b__host_answer_plain(request, 400, message);
  return false;
}

/* A decimal number with or without a sign, as the signature counts it. */
static bool check_expiration(e2b__host_request_t *request) {
  const char *text = e2b__host_query(request, "signature_expiration");
  char why[300];
  if (text == NULL) return true;
  size_t sign = *text == '-' || *text == '+';
  size_t digits = strspn(text + sign, "0123456789");
  if (digits > 0 && digits <= 18 && text[sign + digits] == '\0') return true;
  snprintf(why, sizeof why,
           "error binding string parameter: strconv.ParseInt: parsing \"%.100s\": %s", text,
           digits > 18 && text[sign + digits] == '\0' ? "value out of range" : "invalid syntax");
  return refuse_query(request, "signature_expiration", why);
}

bool e2b__host_transfer_query(e2b__host_request_t *request) {
  static const char *const names[] = {"path", "username", "signature", "signature_expiration"};
  for (size_t i = 0; i < E2B__COUNT(names); i++) {
    counting_t counting = {names[i], 0, false};
    char why[100];
    MHD_get_connection_values_n(request->connection, MHD_GET_ARGUMENT_KIND, count_value, &counting);
    if (counting.count > 1) {
      snprintf(why, sizeof why, "multiple values for single value parameter '%s'", names[i]);
      return refuse_query(request, names[i], why);
    }
    if (counting.cut) {
      e2b__host_answer_error(request, 500, "error checking if path exists: invalid argument");
      return false;
    }
  }
  return check_expiration(request);
}
