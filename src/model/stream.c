/* SPDX-License-Identifier: MIT */
#include "model/stream.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "model/tally.h"

#include <stdarg.h>
#include <stdio.h>

#define FINISH_MS 2000    /* from the finish marker to the end of the body */
#define BYTES_PER_TOKEN 4 /* the usual estimate */

struct model_stream {
    struct list link; /* in the registry's open streams */
    struct model_instance *instance;
    struct model_tally *tally; /* NULL: there is no such provider */
    struct http_client *http;
    struct model_timers timers;
    struct model_callbacks cb;
    struct timer *deadline; /* whichever of the bounds is next */
    struct timer *wake;     /* what the driver asked for, or the failure of the start */
    int64_t started_ms, byte_ms, content_ms, finish_ms;
    unsigned visits; /* callbacks of ours on the stack */
    bool starting, answered, has_content, finished, over;
    int stop; /* enum stop_reason */
    bool has_usage, repaired;
    struct usage usage;
    size_t prompt_bytes, answer_bytes, reasoning_bytes;
    struct call_merge calls;
    struct utf8_repair repair[DELTA_CHANNELS];
    struct buf scratch;
    struct model_failure failure; /* of the start; told when it has returned */
    _Alignas(16) char state[];
};

void model_instance_unref(struct model_instance *i)
{
    if (i == NULL || --i->refs > 0)
        return;
    for (size_t k = 0; k < i->n_models; k++)
        mem_free(i->models[k]);
    mem_free(i->models);
    mem_free(i->name);
    mem_free(i->base_url);
    mem_free(i->api_key);
    mem_free(i);
}

static void on_deadline(void *arg);
static void on_wake(void *arg);

struct model_stream *stream_new(const struct stream_options *o)
{
    size_t state_size = o->instance == NULL ? 0 : o->instance->driver->state_size;
    struct model_stream *s = mem_zalloc(sizeof(*s) + state_size);

    s->instance = o->instance;
    if (s->instance != NULL) {
        s->instance->refs++;
        s->tally = s->instance->tally;
    }
    model_tally_begin(s->tally, o->is_retry);
    s->http = o->http;
    s->timers = o->timers;
    s->cb = *o->callbacks;
    s->deadline = timer_new(o->loop, "model.deadline", on_deadline, s);
    s->wake = timer_new(o->loop, "model.wake", on_wake, s);
    list_add_tail(o->siblings, &s->link);
    return s;
}

static void stream_free(struct model_stream *s)
{
    if (s->instance != NULL)
        s->instance->driver->release(s);
    model_instance_unref(s->instance);
    call_merge_done(&s->calls);
    buf_done(&s->scratch);
    mem_free(s);
}

void stream_enter(struct model_stream *s)
{
    s->visits++;
}

void stream_leave(struct model_stream *s)
{
    if (--s->visits == 0 && s->over)
        stream_free(s);
}

/* No callback comes any more; memory goes when the last of our own has returned. */
static void close_stream(struct model_stream *s)
{
    s->over = true;
    list_remove(&s->link);
    timer_free(s->deadline);
    timer_free(s->wake);
    s->deadline = s->wake = NULL;
    if (s->instance != NULL)
        s->instance->driver->stop(s);
}

void model_cancel(struct model_stream *s)
{
    if (s->over) /* from a callback that told the end */
        return;
    stream_enter(s);
    model_tally_cancelled(s->tally);
    close_stream(s);
    stream_leave(s);
}

/* The next bound and what it means to miss it. */
static int64_t next_deadline(const struct model_stream *s, const char **what)
{
    int64_t idle = s->byte_ms + s->timers.idle_ms, content = s->content_ms + s->timers.content_ms;

    if (s->finished)
        return s->finish_ms + FINISH_MS;
    if (!s->answered) {
        *what = "did not begin to answer";
        return s->started_ms + s->timers.headers_ms;
    }
    if (idle < content) {
        *what = s->has_content ? "fell silent in mid-answer" : "fell silent before its answer";
        return idle;
    }
    *what = s->has_content ? "sent no more content, only signs of life" : "sent no content, only signs of life";
    return content;
}

/* Later bytes do not touch the timer: it looks again when it fires. Only an earlier bound has to move it. */
static void arm_deadline(struct model_stream *s, int64_t now)
{
    const char *what;
    int64_t in_ms = next_deadline(s, &what) - now;

    timer_start(s->deadline, in_ms > 0 ? in_ms : 0);
}

static void on_deadline(void *arg)
{
    struct model_stream *s = arg;
    const char *what = "";
    int64_t now = clock_mono_ms(), due = next_deadline(s, &what);

    if (now < due) {
        arm_deadline(s, now);
        return;
    }
    stream_enter(s);
    if (s->finished)
        stream_done(s);
    else
        stream_fail(s, FAILURE_TIMEOUT, 0, "the provider %s", what);
    stream_leave(s);
}

/* So that no call of the answer has the id of an earlier one: an answer to a question is told by it. */
static void know_earlier_calls(struct model_stream *s, const struct model_request *q)
{
    for (size_t i = 0; i < q->n_messages; i++) {
        const struct call *calls = q->messages[i].calls.items;

        for (size_t k = 0; k < q->messages[i].calls.count; k++)
            call_merge_know(&s->calls, calls[k].id);
    }
}

void stream_start(struct model_stream *s, const struct model_request *q)
{
    know_earlier_calls(s, q);
    s->started_ms = clock_mono_ms();
    s->starting = true;
    stream_enter(s);
    arm_deadline(s, s->started_ms);
    s->instance->driver->start(s, q);
    s->starting = false;
    stream_leave(s);
}

static void tell_failure(struct model_stream *s, const struct model_failure *failure)
{
    model_tally_failed(s->tally, failure);
    close_stream(s);
    s->cb.on_failed(s->cb.arg, failure);
}

static void on_wake(void *arg)
{
    struct model_stream *s = arg;

    stream_enter(s);
    if (s->failure.failure != FAILURE_NONE)
        tell_failure(s, &s->failure);
    else
        s->instance->driver->wake(s);
    stream_leave(s);
}

struct model_stream *stream_of(struct list *link)
{
    return LIST_ITEM(link, struct model_stream, link);
}

void *stream_state(struct model_stream *s)
{
    return s->state;
}

const struct model_instance *stream_instance(const struct model_stream *s)
{
    return s->instance;
}

struct http_client *stream_http(const struct model_stream *s)
{
    return s->http;
}

const struct model_timers *stream_timers(const struct model_stream *s)
{
    return &s->timers;
}

bool stream_is_over(const struct model_stream *s)
{
    return s->over;
}

bool stream_is_finished(const struct model_stream *s)
{
    return s->finished;
}

const struct call_merge *stream_calls(const struct model_stream *s)
{
    return &s->calls;
}

void stream_set_prompt_bytes(struct model_stream *s, size_t n)
{
    s->prompt_bytes = n;
}

void stream_wake(struct model_stream *s, int64_t in_ms)
{
    if (!s->over)
        timer_start(s->wake, in_ms);
}

void stream_activity(struct model_stream *s)
{
    if (s->over)
        return;
    s->byte_ms = clock_mono_ms();
    if (s->answered)
        return;
    s->answered = true;
    s->content_ms = s->started_ms;
    arm_deadline(s, s->byte_ms);
}

/* Counts content against the cap. */
static bool admit(struct model_stream *s, size_t n)
{
    if (s->over || n == 0)
        return !s->over;
    if (!s->has_content)
        model_tally_piece(s->tally, clock_mono_ms() - s->started_ms);
    s->answer_bytes += n;
    s->content_ms = s->byte_ms;
    s->has_content = true;
    if (s->answer_bytes <= LIMIT_MODEL_ANSWER_BYTES)
        return true;
    stream_fail(s, FAILURE_TOO_BIG, 0, "the answer is longer than %d MiB", LIMIT_MODEL_ANSWER_BYTES / (1024 * 1024));
    return false;
}

bool stream_delta(struct model_stream *s, enum delta_channel channel, struct str piece)
{
    struct utf8_repair *repair = &s->repair[channel];

    if (!admit(s, piece.n))
        return false;
    if (channel == DELTA_REASONING)
        s->reasoning_bytes += piece.n;
    if (repair->n > 0 || !utf8_is_valid(piece)) {
        buf_clear(&s->scratch);
        utf8_repair_add(repair, piece, &s->scratch);
        piece = buf_str(&s->scratch);
    }
    if (piece.n > 0)
        s->cb.on_delta(s->cb.arg, (int)channel, piece);
    return !s->over;
}

bool stream_call(struct model_stream *s, const struct call_fragment *f)
{
    if (!admit(s, f->id.n + f->name.n + f->args.n))
        return false;
    call_merge_add(&s->calls, f);
    return true;
}

void stream_usage(struct model_stream *s, const struct usage *usage)
{
    s->usage = *usage;
    s->usage.reported = true;
    s->has_usage = true;
}

void stream_repaired(struct model_stream *s)
{
    s->repaired = true;
}

void stream_finish_seen(struct model_stream *s, enum stop_reason stop)
{
    if (s->over || s->finished)
        return;
    s->finished = true;
    s->stop = (int)stop;
    s->finish_ms = s->byte_ms;
    arm_deadline(s, s->byte_ms);
}

/* What waits for the rest of a character will not get it. */
static void flush_repair(struct model_stream *s)
{
    for (int channel = 0; channel < DELTA_CHANNELS && !s->over; channel++) {
        buf_clear(&s->scratch);
        utf8_repair_end(&s->repair[channel], &s->scratch);
        if (s->scratch.n > 0)
            s->cb.on_delta(s->cb.arg, channel, buf_str(&s->scratch));
    }
}

static void fill_usage(const struct model_stream *s, struct usage *out)
{
    if (s->has_usage) {
        *out = s->usage;
        return;
    }
    *out = (struct usage){
        .prompt_tokens = (int64_t)(s->prompt_bytes / BYTES_PER_TOKEN),
        .completion_tokens = (int64_t)(s->answer_bytes / BYTES_PER_TOKEN),
        .reasoning_tokens = (int64_t)(s->reasoning_bytes / BYTES_PER_TOKEN),
    };
}

/* A provider that says "stop" beside calls, or "tool_calls" without any, means what it did. */
static int true_stop(const struct model_stream *s, size_t calls)
{
    if (s->stop == STOP_END && calls > 0)
        return STOP_CALLS;
    return s->stop == STOP_CALLS && calls == 0 ? STOP_END : s->stop;
}

void stream_done(struct model_stream *s)
{
    struct model_result result = {.repaired = s->repaired};
    struct arena a;

    if (s->over)
        return;
    flush_repair(s);
    if (s->over)
        return;
    close_stream(s);
    if (s->stop == STOP_LENGTH || s->stop == STOP_FILTER)
        call_merge_drop_cut(&s->calls);
    arena_init(&a);
    for (int channel = 0; channel < DELTA_CHANNELS; channel++)
        result.repaired = result.repaired || s->repair[channel].repaired;
    result.calls = call_merge_take(&s->calls, &a, &result.repaired);
    result.stop = true_stop(s, result.calls.count);
    fill_usage(s, &result.usage);
    model_tally_answered(s->tally, &result.usage);
    s->cb.on_done(s->cb.arg, &result);
    arena_done(&a);
}

/* The text becomes part of a fact, which is JSON: whatever was quoted or cut on the way, it is UTF-8 in the end. */
static void PRINTF(3, 0) write_failure(struct model_failure *f, const char *name, const char *fmt, va_list args)
{
    CLEANUP(buf_done) struct buf clean = BUF_INIT;
    struct utf8_repair repair = {0};
    char raw[2 * sizeof(f->text)] = "";
    struct str text;

    if (name != NULL)
        buf_addf(&clean, "%.64s: ", name);
    vsnprintf(raw, sizeof(raw), fmt, args);
    utf8_repair_add(&repair, str_of(raw), &clean);
    text = buf_str(&clean);
    text.n = utf8_floor(text, sizeof(f->text) - 1);
    str_copy(f->text, sizeof(f->text), text);
}

void stream_fail(struct model_stream *s, enum failure failure, int64_t wait_ms, const char *fmt, ...)
{
    struct model_failure f = {.failure = (int)failure, .wait_ms = wait_ms};
    va_list args;

    if (s->over || s->failure.failure != FAILURE_NONE)
        return;
    va_start(args, fmt);
    write_failure(&f, s->instance == NULL ? NULL : s->instance->name, fmt, args);
    va_end(args);
    if (usage_total(&s->usage) > 0) /* some send zeros until the last chunk */
        f.usage = s->usage;
    if (s->starting || s->visits == 0) { /* the caller of model_start() has not got its stream yet */
        s->failure = f;
        timer_start(s->wake, 0);
        return;
    }
    tell_failure(s, &f);
}
