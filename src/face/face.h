/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The HTTP API: checks who knocks, finds the route, translates requests into inputs and queries,
 * and replies, facts and deltas into JSON. It decides nothing about sessions. Loop thread only.
 *
 * Shut down in this order: http_server_stop_listening(), face_close_streams(), workers_free(),
 * face_free(), then engine, store and http server. The store hands out nothing after face_free(): what it knows by then
 * is dropped with it.
 */
#include "engine/engine.h"
#include "net/http.h"
#include "net/workers.h"

struct face;
struct traffic;
struct process_stats;

enum face_status_form { FACE_STATUS_JSON, FACE_STATUS_PROMETHEUS };

/* Everything is borrowed for as long as the face lives. */
struct face_options {
    struct engine *engine;
    struct loop *loop;
    struct workers *workers; /* for what takes long, as parsing a body above LIMIT_BODY_INLINE_BYTES; NULL: the loop */
    const char *boot_id, *version;
    const char *token;          /* what TCP clients show; NULL: there is none, so none fits */
    bool open_loopback;         /* loopback passes without credential, and with a foreign one */
    bool is_archive;            /* nothing will be added to what is stored: streams end where it ends */
    const char *const *hosts;   /* further names for Host, with port or for any; NULL-terminated, may be NULL */
    const char *const *origins; /* exact origins that browsers may call from; NULL-terminated, may be NULL */
    /* A model reference to provider and model; empty ones mean the default. ERR_BAD_REQUEST names the nearest. */
    int (*resolve_model)(void *arg, struct str provider, struct str ref, struct str *out_provider,
                         struct str *out_model, struct err *err);
    bool (*ready)(void *arg, struct err *err); /* for /readyz; NULL: always */
    /* For /status and /metrics: one JSON object, or the text format of Prometheus. */
    void (*write_status)(void *arg, enum face_status_form form, const struct process_stats *process, struct buf *out);
    void *arg;
    const char *default_system_prompt; /* of sessions that bring none; NULL: none */
    struct run_limits limits;          /* as of face_set_limits() */
};

struct face *face_new(const struct face_options *o);
void face_free(struct face *f); /* NULL is fine; requests that still wait get 503 */

/* For struct http_server_options; `arg` is the face. */
void face_request(void *arg, struct http_request *req);
size_t face_body_limit(void *arg, struct str path);

void face_reply(struct face *f, const struct reply *reply); /* from ports.reply; an unknown token is ignored */
/* Effort of runs whose session and request name none; NULL: the provider's own. Copied; may change while it runs. */
void face_set_default_effort(struct face *f, const char *effort);
/* Of every run; a request may ask for less; 0: not limited here. Copied; may change while it runs, for later requests.
 */
void face_set_limits(struct face *f, const struct run_limits *limits);
const struct traffic *face_traffic(const struct face *f); /* what has been counted so far; borrowed */
void face_close_streams(struct face *f);                  /* ends all event streams; new ones get 503 */
