/* SPDX-License-Identifier: MIT */
#include "net/http_log.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/log.h"
#include "net/http_internal.h"

#include <stdio.h>

enum { TELL_MS = 1000 };

/* ---- limits ---- */

static void on_tell(void *arg)
{
    struct http_log *l = arg;
    uint64_t refused = log_limit_take(&l->refused), failed = log_limit_take(&l->failed);

    if (refused > 0)
        LOG_INFO("http.suppressed", log_text("what", "refused"), log_uint("lines", refused));
    if (failed > 0)
        LOG_WARN("http.suppressed", log_text("what", "failed"), log_uint("lines", failed));
}

void http_log_init(struct http_log *l, struct loop *loop)
{
    *l = (struct http_log){.refused = LOG_LIMIT(LIMIT_LOG_LINES_PER_SECOND),
                           .failed = LOG_LIMIT(LIMIT_LOG_LINES_PER_SECOND),
                           .tell = timer_new(loop, "http.log", on_tell, l)};
    snprintf(l->boot, sizeof(l->boot), "%08x", (unsigned)(id_random_u64() & UINT32_MAX));
}

void http_log_done(struct http_log *l)
{
    on_tell(l);
    timer_free(l->tell);
}

/* Success is for who asks for it; who was not let in may be knocking on purpose; failures are ours. */
static enum log_level level_of(int status)
{
    if (status >= 500)
        return LOG_LEVEL_WARN;
    return status == 401 || status == 403 || status == 415 || status == 421 ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
}

static bool passes(struct http_log *l, enum log_level level)
{
    struct log_limit *limit = level == LOG_LEVEL_WARN ? &l->failed : &l->refused;
    bool tells = l->refused.held + l->failed.held > 0;

    if (level == LOG_LEVEL_DEBUG || log_limit_pass(limit, clock_mono_ms()))
        return true;
    if (!tells)
        timer_start(l->tell, TELL_MS);
    return false;
}

/* ---- lines ---- */

void http_log_new_id(struct http_log *l, char out[HTTP_ID_TEXT])
{
    snprintf(out, HTTP_ID_TEXT, "%s-%" PRIu64, l->boot, ++l->last);
}

static struct str or_absent(struct str s)
{
    return s.n == 0 ? STR_NULL : s;
}

void http_log_request(const struct http_request *r, int status, size_t bytes, bool is_stream)
{
    static const struct log_field none = {.key = NULL};
    const struct http_label *l = &r->label;
    enum log_level level = level_of(status);

    if (!log_wants(level, "http.request") || !passes(&r->server->log, level))
        return;
    LOG_AT(level, "http.request", log_text("request", r->id), log_text("method", r->method),
           log_text("route", l->route), log_str("session", or_absent(l->session)), log_str("run", or_absent(l->run)),
           log_int("status", status), log_int("ms", clock_mono_ms() - r->began_ms),
           is_stream ? log_bool("stream", true) : log_uint("bytes", bytes), log_text("code", l->code),
           log_text("error", l->error), log_str("peer", or_absent(http_request_peer(r))),
           r->conn == NULL ? log_bool("client_left", true) : none);
}

void http_log_refusal(struct http_log *l, const char *id, int status, const char *why, struct str peer)
{
    enum log_level level = status >= 500 ? LOG_LEVEL_WARN : LOG_LEVEL_INFO;

    if (log_wants(level, "http.refuse") && passes(l, level))
        LOG_AT(level, "http.refuse", log_message(why), log_text("request", id), log_int("status", status),
               log_str("peer", or_absent(peer)));
}
