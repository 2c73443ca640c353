/* SPDX-License-Identifier: MIT */
#include "client/client.h"

#include <limits.h>
#include <stdlib.h>
#include <strings.h>

#include "base/pairs.h"
#include "proto/http_head.h"
#include "proto/url.h"

/* Domains whose edge serves all sandboxes under one host, told apart by headers: one connection
 * for all of them (protocol 1.3). */
static const char *const stable_domains[] = {"e2b.app",          "e2b.dev",       "e2b.pro",
                                             "e2b-staging.dev",  "e2b-tango.dev", "e2b-juliett.dev",
                                             "foxtrot-2.e2b.dev"};

bool e2b__domain_is_stable(const char *domain) {
  for (size_t i = 0; i < E2B__COUNT(stable_domains); i++) {
    if (strcasecmp(domain, stable_domains[i]) == 0) return true;
  }
  return false;
}

static const char *text(e2b__config_t *config, const char *value, bool *ok) {
  if (value == NULL) return NULL;
  const char *copy = e2b__arena_strndup(&config->arena, value, strlen(value));
  if (copy == NULL) *ok = false;
  return copy;
}

/* Option over environment; empty counts as unset. */
static const char *choose(const char *option, const char *variable) {
  if (option != NULL && *option != '\0') return option;
  const char *value = getenv(variable);
  return value != NULL && *value != '\0' ? value : NULL;
}

static bool toggle(e2b_toggle_t option, const char *variable, bool fallback) {
  if (option != E2B_DEFAULT) return option == E2B_ON;
  const char *value = getenv(variable);
  if (value == NULL) return fallback;
  /* Only the word that differs from the default changes it, as in the official SDKs. */
  return strcasecmp(value, fallback ? "false" : "true") == 0 ? !fallback : fallback;
}

static void wrong(e2b__config_t *config, int code, const char *message) {
  if (config->error != 0) return;
  config->error = code;
  config->error_text = message;
}

/* Visible ASCII only: a key goes into a header line. */
static bool printable(const char *s) {
  for (; *s != '\0'; s++) {
    if ((unsigned char)*s <= 0x20 || (unsigned char)*s >= 0x7f) return false;
  }
  return true;
}

static void check_key(e2b__config_t *config, bool validate) {
  if (config->api_key == NULL) {
    if (config->debug) return;
    wrong(config, E2B_ENOKEY,
          "Missing E2B API key. Set the client's api_key or the environment variable E2B_API_KEY. "
          "Get your API key from https://e2b.dev/");
    return;
  }
  const bool prefixed = strncmp(config->api_key, "e2b_", 4) == 0 && config->api_key[4] != '\0';
  if (!printable(config->api_key) || (validate && !prefixed)) {
    wrong(
        config, E2B_EKEYFORMAT,
        "Invalid E2B API key format. E2B API keys start with \"e2b_\". Check the client's api_key "
        "or the environment variable E2B_API_KEY");
  }
}

/* A base URL without its trailing slashes, checked. */
static const char *base_url(e2b__config_t *config, const char *value, const char *complaint,
                            bool *ok) {
  e2b__url_t url;
  int rc = e2b__url_parse(value, &url);
  if (rc == E2B_ENOMEM) *ok = false;
  if (rc != 0) {
    wrong(config, E2B_EINVAL, complaint);
    return text(config, "http://localhost", ok);
  }
  e2b__url_free(&url);
  size_t len = strcspn(value, "?#");
  while (len > 0 && value[len - 1] == '/') {
    len--;
  }
  const char *copy = e2b__arena_strndup(&config->arena, value, len);
  if (copy == NULL) *ok = false;
  return copy;
}

static const char bad_domain[] =
    "invalid argument: the client's domain (or E2B_DOMAIN) is not the name of a host";

/* It becomes the end of host names, whatever the API's URL is. */
static void check_domain(e2b__config_t *config, bool *ok) {
  char *text = e2b__format("https://api.%s", config->domain);
  e2b__url_t url;
  int rc = text == NULL                             ? E2B_ENOMEM
           : strpbrk(config->domain, "/?#") != NULL ? E2B_EINVAL
                                                    : e2b__url_parse(text, &url);
  e2b__free(text);
  if (rc == 0) {
    e2b__url_free(&url);
  } else if (rc == E2B_ENOMEM) {
    *ok = false;
  } else {
    wrong(config, E2B_EINVAL, bad_domain);
  }
}

static void set_urls(e2b__config_t *config, const e2b_client_options *options, bool *ok) {
  const char *domain = choose(options->domain, "E2B_DOMAIN");
  config->domain = text(config, domain != NULL ? domain : "e2b.app", ok);
  if (config->domain == NULL) return;
  config->debug = toggle(options->debug, "E2B_DEBUG", false);
  const char *api_url = choose(options->api_url, "E2B_API_URL");
  const char *sandbox_url = choose(options->sandbox_url, "E2B_SANDBOX_URL");
  const bool validate = toggle(options->validate_api_key, "E2B_VALIDATE_API_KEY", true);
  const bool asked = options->validate_api_key == E2B_ON;
  check_key(config, validate && (asked || (api_url == NULL && !config->debug)));
  char *derived = NULL;
  if (api_url == NULL) {
    derived = config->debug ? e2b__strdup("http://localhost:3000")
                            : e2b__format("https://api.%s", config->domain);
    api_url = derived;
  }
  if (api_url == NULL) {
    *ok = false;
    return;
  }
  config->api_url = base_url(config, api_url,
                             derived != NULL ? bad_domain
                                             : "invalid argument: the client's api_url (or "
                                               "E2B_API_URL) is not an http:// or https:// URL",
                             ok);
  e2b__free(derived);
  if (*ok) check_domain(config, ok);
  config->debug_url = sandbox_url == NULL && config->debug;
  if (config->debug_url) sandbox_url = "http://localhost:49983";
  if (sandbox_url != NULL) {
    config->sandbox_url = base_url(config, sandbox_url,
                                   "invalid argument: the client's sandbox_url (or "
                                   "E2B_SANDBOX_URL) is not an http:// or https:// URL",
                                   ok);
  }
}

static void set_headers(e2b__config_t *config, const e2b_client_options *options, bool *ok) {
  if (config->user_agent != NULL && strpbrk(config->user_agent, "\r\n") != NULL) {
    wrong(config, E2B_EINVAL, "the user agent is malformed");
  }
  if (options->api_headers_count == 0) return;
  if (!e2b__pairs_ok(options->api_headers, options->api_headers_count)) {
    wrong(config, E2B_EINVAL, "an API header is malformed");
    return;
  }
  e2b_pair_t *copy = e2b__arena_calloc(&config->arena, options->api_headers_count, sizeof *copy);
  if (copy == NULL) {
    *ok = false;
    return;
  }
  for (size_t i = 0; i < options->api_headers_count; i++) {
    const e2b_pair_t *header = &options->api_headers[i];
    if (!e2b__http_is_token(header->name, strlen(header->name)) ||
        strpbrk(header->value, "\r\n") != NULL) {
      wrong(config, E2B_EINVAL, "an API header is malformed");
      return;
    }
    copy[i].name = text(config, header->name, ok);
    copy[i].value = text(config, header->value, ok);
  }
  config->api_headers = copy;
  config->api_headers_count = options->api_headers_count;
}

static uint64_t or_default(uint64_t value, uint64_t fallback) {
  return value != 0 ? value : fallback;
}

static void set_http(e2b__config_t *config, const e2b_client_options *options, bool *ok) {
  e2b__http_options_t *http = &config->http;
  http->connect_timeout_ms = or_default(options->connect_timeout_ms, 15000);
  if (http->connect_timeout_ms > LONG_MAX) http->connect_timeout_ms = LONG_MAX;
  http->max_in_flight = (unsigned)or_default(options->max_in_flight, 64);
  http->user_agent = config->user_agent;
  http->proxy = text(config, options->proxy, ok);
  /* The variable that OpenSSL's own programs know; a blob leaves no doubt which is meant. */
  http->ca_file = text(
      config,
      options->ca_blob != NULL ? options->ca_file : choose(options->ca_file, "SSL_CERT_FILE"), ok);
  if (options->ca_blob != NULL && options->ca_blob_len > 0) {
    http->ca_blob = e2b__arena_strndup(&config->arena, options->ca_blob, options->ca_blob_len);
    http->ca_blob_len = options->ca_blob_len;
    if (http->ca_blob == NULL) *ok = false;
  }
  http->client_cert_file = text(config, options->client_cert_file, ok);
  http->client_key_file = text(config, options->client_key_file, ok);
  http->client_key_password = text(config, options->client_key_password, ok);
  http->insecure = options->verify_tls == E2B_OFF;
  http->http1_only = options->http_version == E2B_HTTP_1_1;
}

int e2b__config_init(e2b__config_t *config, const e2b_client_options *given) {
  e2b_client_options options;
  e2b__options_copy(&options, sizeof options, given);
  memset(config, 0, sizeof *config);
  bool ok = true;
  config->api_key = text(config, choose(options.api_key, "E2B_API_KEY"), &ok);
  config->user_agent =
      text(config, options.user_agent != NULL ? options.user_agent : "libe2b/" E2B_VERSION, &ok);
  if (ok) set_urls(config, &options, &ok);
  if (ok) set_headers(config, &options, &ok);
  if (ok) set_http(config, &options, &ok);
  config->runtime = options.runtime;
  config->sandbox_timeout_ms = or_default(options.sandbox_timeout_ms, 300000);
  config->request_timeout_ms = or_default(options.request_timeout_ms, 60000);
  config->first_event_timeout_ms = or_default(options.first_event_timeout_ms, 60000);
  config->silence_timeout_ms = or_default(options.silence_timeout_ms, 120000);
  config->max_retries = options.max_retries == 0 ? 3 : options.max_retries;
  if (config->max_retries == UINT_MAX) config->max_retries = 0;
  config->max_response_bytes = (size_t)or_default(options.max_response_bytes, 64u << 20);
  config->max_output_bytes = (size_t)or_default(options.max_output_bytes, 16u << 20);
  config->json_rpc = options.rpc_encoding == E2B_RPC_JSON;
  config->api_v2 = options.api_version == E2B_API_V2;
  if (!ok) e2b__config_free(config);
  return ok ? 0 : E2B_ENOMEM;
}

void e2b__config_free(e2b__config_t *config) {
  e2b__arena_free(&config->arena);
}
