/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One call of a language model, whoever provides it. A driver is a row of a table; an instance is
 * a configured provider (name, driver, base URL, key). Deltas come as they arrive, then exactly
 * one end: done (with an explicit finish marker seen) or failed (typed by status and structure,
 * never by words). Text is valid UTF-8; what was broken became U+FFFD. Loop thread only.
 */
#include "net/http_client.h"
#include "session/input.h"
#include "session/query.h"

struct model_registry;
struct model_stream;

struct model_provider {
    const char *name;          /* instance: the left part of a model reference */
    const char *driver;        /* "openai", "offline" */
    const char *base_url;      /* with or without /v1; NULL: the driver's own */
    const char *api_key;       /* NULL: none */
    const char *const *models; /* NULL-terminated, first is the default; may be NULL */
};

struct model_tool {
    const char *name, *description, *parameters; /* the latter a JSON schema */
};

struct model_request {
    struct str provider, model, effort;
    const struct message *messages; /* in transcript order, system first; valid during the call */
    size_t n_messages;
    int64_t max_output_tokens;      /* 0: the provider's own */
    const struct model_tool *tools; /* on offer */
    size_t n_tools;
    uint32_t call_index; /* model calls for this prompt so far, from 0: the offline script's position */
    bool is_retry;       /* it was tried before in the same round; only counted */
};

struct model_result {
    struct record_list calls; /* struct call[]; effects not resolved */
    int stop;                 /* enum stop_reason */
    struct usage usage;
    bool repaired; /* broken UTF-8 was replaced, or calls beyond LIMIT_CALLS_PER_ROUND left out */
};

struct model_failure {
    int failure;        /* enum failure */
    int64_t wait_ms;    /* Retry-After; 0: none */
    struct usage usage; /* what the provider had counted until then; not reported: nothing */
    char text[240];     /* for people: cause and remedy; never a key */
};

struct model_callbacks {
    void (*on_delta)(void *arg, int channel, struct str piece); /* enum delta_channel */
    void (*on_done)(void *arg, const struct model_result *result);
    void (*on_failed)(void *arg, const struct model_failure *failure);
    void *arg;
};

/* `http` may be NULL where only the offline driver is used. */
NODISCARD int model_registry_new(struct loop *l, struct http_client *http, struct model_registry **out,
                                 struct err *err);
void model_registry_free(struct model_registry *r); /* NULL is fine; streams still open end silently */
/*
 * Replaces an instance of the same name; streams of the old one go on. Copies. ERR_BAD_REQUEST: a bad name,
 * an unknown driver, a bad URL or key.
 */
NODISCARD int model_registry_add(struct model_registry *r, const struct model_provider *p, struct err *err);
/* NULL: the instance added first; the first model it lists. */
void model_registry_set_default(struct model_registry *r, const char *provider, const char *model);
/* Timers in ms; 0 keeps the limit table's. For the configuration and for tests. */
void model_registry_set_timers(struct model_registry *r, int64_t headers_ms, int64_t content_ms, int64_t idle_ms);

/* What to GET to see whether a provider answers and takes its key; nothing where no network is needed. */
void model_probe_url(const struct model_provider *p, struct buf *out);

/*
 * With `provider` the whole of `ref` is a model of that instance. Without, it splits at the first '/' if the left
 * part names an instance; otherwise the whole is a model of the default instance. Empty, "default" and "unknown" mean
 * the default model. An instance that lists no models has every model. ERR_BAD_REQUEST names the three nearest known.
 * Out strings live as long as `ref`, and until the instance or the default is replaced: copy them.
 */
NODISCARD int model_resolve(const struct model_registry *r, struct str provider, struct str ref,
                            struct str *out_provider, struct str *out_model, struct err *err);

/*
 * Never calls back before it returns. NULL cannot happen: what is wrong comes as on_failed. The stream is gone when
 * on_done or on_failed has returned; what they and on_delta were given is borrowed for the call.
 */
struct model_stream *model_start(struct model_registry *r, const struct model_request *q,
                                 const struct model_callbacks *cb);
void model_cancel(struct model_stream *s); /* silent; also from its own callbacks */
