/* SPDX-License-Identifier: MIT */
/*
 * What the log says of runs, when it is stored and shown. Texts of facts are those of people, models and providers, and
 * stay out.
 */
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/live.h"

void run_log_request(struct live *l, const struct input *in, const struct step *st)
{
    if (in->request.n == 0)
        return;
    for (uint32_t i = 0; i < st->n_facts; i++) {
        if (st->facts[i].kind != FACT_RUN_STARTED)
            continue;
        mem_free(l->request);
        l->request = mem_strndup(in->request.p, in->request.n);
        l->request_run = st->facts[i].run;
    }
}

/* Its run may have been followed by another before it is told. */
static const char *request_of(const struct live *l, const struct fact *f)
{
    return f->run == l->request_run ? l->request : NULL;
}

static void log_start(const struct live *l, const struct fact *f, const char *run)
{
    LOG_INFO("run.start", log_str("session", l->id), log_text("run", run), log_text("request", request_of(l, f)),
             log_str("provider", f->provider), log_str("model", f->model),
             log_text("origin", run_origin_names[f->origin]));
}

/* The last failure of a call is that of its run. */
static void log_retry(const struct live *l, const struct fact *f, const char *run)
{
    LOG_WARN("model.retry", log_str("session", l->id), log_text("run", run), log_text("request", request_of(l, f)),
             log_text("provider", l->published.run_provider), log_text("model", l->published.run_model),
             log_text("failure", failure_names[f->failure]), log_int("pause_ms", f->due - f->at));
}

static void log_end(const struct live *l, const struct fact *f, const char *run)
{
    enum log_level level = f->end == END_ERROR ? LOG_LEVEL_WARN : LOG_LEVEL_INFO;

    LOG_AT(level, "run.end", log_str("session", l->id), log_text("run", run), log_text("request", request_of(l, f)),
           log_text("end", run_end_names[f->end]),
           log_text("failure", f->failure == FAILURE_NONE ? NULL : failure_names[f->failure]),
           log_uint("rounds", f->rounds), log_int("ms", f->at - l->published.run.started_at),
           log_int("prompt_tokens", f->usage.prompt_tokens), log_int("completion_tokens", f->usage.completion_tokens));
}

void run_log_fact(const struct live *l, const struct fact *f)
{
    char run[ID_TEXT];

    if (f->run == 0)
        return;
    session_run_id(&l->published, f->run, run);
    switch (f->kind) {
    case FACT_RUN_STARTED:
        log_start(l, f, run);
        break;
    case FACT_RUN_RECOVERED:
        LOG_AT(f->charged ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "run.recover", log_str("session", l->id),
               log_text("run", run), log_bool("crashed", f->charged));
        break;
    case FACT_ROUND_STARTED:
        LOG_DEBUG("run.round", log_str("session", l->id), log_text("run", run), log_text("request", request_of(l, f)),
                  log_uint("round", f->round));
        break;
    case FACT_MODEL_FAILED:
        log_retry(l, f, run);
        break;
    case FACT_RUN_ENDED:
        log_end(l, f, run);
        break;
    default:
        break;
    }
}

void run_log_reset(const struct live *l, const struct err *why)
{
    LOG_WARN("store.refuse", log_message("what was decided could not be stored; the session starts anew from the log"),
             log_str("session", l->id), log_text("code", err_wire_name(why->code)), log_text("error", why->text));
}
