/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What all drivers share: one call from its start to exactly one end, or to a silent cancel. The
 * stream owns the timers, the UTF-8 repair, the caps and the merging of tool calls; a driver
 * turns a wire format into the calls below. Loop thread only.
 *
 * The user's callbacks may cancel the stream under the driver's feet. So a driver wraps each
 * callback it gets from outside in stream_enter() and stream_leave(), between which the stream and
 * the driver's state stay in memory, and returns as soon as one of the functions says false.
 */
#include "base/list.h"
#include "model/call_merge.h"
#include "model/model.h"

struct model_driver {
    const char *name;
    const char *base_url;      /* of an instance that names none; NULL: has none */
    const char *const *models; /* NULL-terminated, of an instance that lists none; NULL: any name is taken */
    size_t state_size;         /* zeroed memory of the driver in each stream */
    /* The request is valid during the call; its provider and model are resolved. May fail the stream at once. */
    void (*start)(struct model_stream *s, const struct model_request *q);
    void (*probe_url)(const char *base_url, struct buf *out); /* NULL: needs no network */
    void (*wake)(struct model_stream *s);                     /* after stream_wake(); NULL: never asks for it */
    void (*stop)(struct model_stream *s);                     /* the stream is over: end what is under way */
    void (*release)(struct model_stream *s);                  /* free what the state holds */
};
extern const struct model_driver openai_driver, offline_driver;

/* A configured provider; shared by the registry and its streams, so that it may be replaced in mid-stream. */
struct model_instance {
    unsigned refs;
    const struct model_driver *driver;
    char *name;
    char *base_url, *api_key; /* NULL: none */
    char **models;
    size_t n_models;
    struct model_tally *tally; /* the registry's, of this name */
};
void model_instance_unref(struct model_instance *i); /* NULL is fine */

struct model_timers {
    int64_t headers_ms, content_ms, idle_ms;
};

struct stream_options {
    struct loop *loop;
    struct http_client *http;
    struct model_timers timers;
    struct model_instance *instance; /* takes its own reference; NULL only where the start fails */
    struct list *siblings;           /* the open streams of the registry */
    bool is_retry;
    const struct model_callbacks *callbacks;
};
struct model_stream *stream_new(const struct stream_options *o);
void stream_start(struct model_stream *s, const struct model_request *q);

struct model_stream *stream_of(struct list *link); /* an item of `siblings` */
void *stream_state(struct model_stream *s);
const struct model_instance *stream_instance(const struct model_stream *s);
struct http_client *stream_http(const struct model_stream *s);
const struct model_timers *stream_timers(const struct model_stream *s);

void stream_enter(struct model_stream *s);
void stream_leave(struct model_stream *s); /* the stream may be gone now */
bool stream_is_over(const struct model_stream *s);

void stream_set_prompt_bytes(struct model_stream *s, size_t n); /* for the estimate where no usage is reported */
void stream_wake(struct model_stream *s, int64_t in_ms);        /* driver->wake() once */

void stream_activity(struct model_stream *s); /* any byte came */
/* False: the stream is over (cancelled, or a cap was met). Empty pieces are no content. */
NODISCARD bool stream_delta(struct model_stream *s, enum delta_channel channel, struct str piece);
NODISCARD bool stream_call(struct model_stream *s, const struct call_fragment *f);
void stream_usage(struct model_stream *s, const struct usage *usage); /* the last one counts */
void stream_repaired(struct model_stream *s);                         /* broken text was replaced by the driver */
/* The provider said explicitly why it stopped. What follows (usage) is waited for, but no longer than a moment. */
void stream_finish_seen(struct model_stream *s, enum stop_reason stop);
bool stream_is_finished(const struct model_stream *s);
const struct call_merge *stream_calls(const struct model_stream *s);

/* The ends. `stop` of a done stream is what stream_finish_seen() said, else calls or end. */
void stream_done(struct model_stream *s);
void stream_fail(struct model_stream *s, enum failure failure, int64_t wait_ms, const char *fmt, ...) PRINTF(4, 5);
