/* SPDX-License-Identifier: MIT */
#include "app/top_view.h"

#include "app/table.h"
#include "app/when.h"
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>

#define MS_PER_S 1000.0
#define US_PER_MS 1000.0

enum { UNIT_TEXT = 24, LINES_BELOW = 1 };

static const struct table_column columns[] = {
    {.title = "SESSION", .may_shrink = true},
    {.title = "RUN", .may_shrink = true},
    {.title = "STATE"},
    {.title = "MODEL", .may_shrink = true},
    {.title = "ROUND", .is_number = true},
    {.title = "AGE", .is_number = true},
    {.title = "PIECES", .is_number = true},
    {.title = "/S", .is_number = true},
};

/* ---- reading ---- */

/* "a.b.c" from the document. */
static const struct json *find(const struct json *at, const char *path)
{
    struct str rest = str_of(path), part;
    char key[32];

    while (at != NULL && rest.n > 0 && str_next(&rest, '.', &part))
        at = str_copy(key, sizeof(key), part) ? json_find(at, key) : NULL;
    return at;
}

static int64_t number(const struct json *at, const char *path)
{
    return json_number(find(at, path), 0);
}

static double real(const struct json *at, const char *path)
{
    const struct json *node = find(at, path);

    return node != NULL && (node->type == JSON_INT || node->type == JSON_REAL) ? node->real : 0;
}

/* ---- units ---- */

static const char *bytes(int64_t n, char out[UNIT_TEXT])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)n;
    size_t unit = 0;

    while (value >= 1024 && unit + 1 < ARRAY_LEN(units)) {
        value /= 1024;
        unit++;
    }
    snprintf(out, UNIT_TEXT, value < 100 && unit > 0 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return out;
}

static const char *length(int64_t us, char out[UNIT_TEXT])
{
    double ms = (double)us / US_PER_MS;

    if (ms >= MS_PER_S)
        snprintf(out, UNIT_TEXT, "%.1f s", ms / MS_PER_S);
    else
        snprintf(out, UNIT_TEXT, ms < 100 ? "%.1f ms" : "%.0f ms", ms);
    return out;
}

/* ---- the lines above ---- */

struct lines {
    const struct terminal *terminal;
    struct buf *out;
    size_t n;
};

static void put_line(struct lines *l, enum style style, struct str text)
{
    CLEANUP(buf_done) struct buf flat = BUF_INIT, cut = BUF_INIT;

    terminal_flatten(text, &flat);
    terminal_cut(buf_str(&flat), l->terminal->is_terminal ? l->terminal->width : SIZE_MAX, &cut);
    terminal_put(l->terminal, style, buf_str(&cut), l->out);
    buf_add_char(l->out, '\n');
    l->n++;
}

static void PRINTF(3, 4) put_linef(struct lines *l, enum style style, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    put_line(l, style, str_of(text));
}

/* "2 running, 1 retrying": members that are not zero. */
static void put_members(const struct json *object, struct buf *out)
{
    size_t before = out->n;

    for (const struct json *m = object == NULL ? NULL : object->first; m != NULL; m = m->next)
        if (m->type == JSON_INT && m->number > 0)
            buf_addf(out, "%s%" PRId64 " " STR_FMT, out->n > before ? ", " : "", m->number, STR_ARG(m->key));
    if (out->n == before)
        buf_add_str(out, STR("none"));
}

static void put_states(const struct json *d, struct buf *out)
{
    static const char *const states[] = {"pending", "running", "retrying", "stopping"};
    const char *comma = ": ";

    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        int64_t n = json_number(json_find(json_find(d, "runs"), states[i]), 0);

        if (n == 0)
            continue;
        buf_addf(out, "%s%" PRId64 " %s", comma, n, states[i]);
        comma = ", ";
    }
}

static void put_runs(struct lines *l, const struct json *d)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;

    buf_addf(&text, "runs     %" PRId64 " at work", number(d, "runs.active"));
    put_states(d, &text);
    buf_add_str(&text, STR("   ended: "));
    put_members(find(d, "runs.ended"), &text);
    put_line(l, STYLE_PLAIN, buf_str(&text));
}

/* Since the document before; in the first since the start. */
static double cpu_percent(struct top_view *v, const struct json *d)
{
    int64_t cpu = number(d, "process.cpu_ms"), uptime = number(d, "uptime_ms");
    int64_t passed = uptime - v->uptime_ms, used = cpu - v->cpu_ms;

    if (passed <= 0 || used < 0) { /* another life */
        passed = uptime;
        used = cpu;
    }
    *v = (struct top_view){cpu, uptime};
    return passed > 0 ? (double)used * 100 / (double)passed : 0;
}

static void put_server(struct lines *l, struct top_view *v, const struct json *d)
{
    char a[UNIT_TEXT], b[UNIT_TEXT], c[UNIT_TEXT], e[UNIT_TEXT];

    put_linef(l, STYLE_PLAIN, "text     %.1f pieces/s   %" PRId64 " pieces, %s", real(d, "text.pieces_per_second"),
              number(d, "text.pieces"), bytes(number(d, "text.bytes"), a));
    put_linef(l, STYLE_PLAIN, "watchers %" PRId64 "   %" PRId64 " connections   %" PRId64 " events, %s sent",
              number(d, "watchers"), number(d, "http.connections"), number(d, "http.events"),
              bytes(number(d, "http.sent_bytes"), a));
    put_linef(l, STYLE_PLAIN, "store    flush p50 %s, p99 %s   %" PRId64 " queued   file %s   disk free %s",
              length(number(d, "store.flush.p50_us"), a), length(number(d, "store.flush.p99_us"), b),
              number(d, "store.queued"), bytes(number(d, "store.file_bytes"), c),
              bytes(number(d, "store.disk_free_bytes"), e));
    put_linef(l, STYLE_PLAIN,
              "process  %s   cpu %.1f %%   files %" PRId64 " of %" PRId64 "   stalls %" PRId64 ", longest %s",
              bytes(number(d, "memory.resident_bytes"), a), cpu_percent(v, d), number(d, "process.open_files"),
              number(d, "process.max_files"), number(d, "loop.stalls"), length(number(d, "loop.longest_us"), b));
}

/* Its last word was a failure: later than its last answer. */
static bool is_failing(const struct json *p)
{
    int64_t answered = 0, failed = 0;

    if (!when_parse(json_text(json_find(p, "last_failed_at")), &failed))
        return false;
    return !when_parse(json_text(json_find(p, "last_answered_at")), &answered) || failed > answered;
}

static void put_provider(struct lines *l, const struct json *p)
{
    struct str name = json_text(json_find(p, "name"));
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    char a[UNIT_TEXT];

    if (number(p, "calls") == 0)
        return;
    buf_addf(&text,
             "model    " STR_FMT ": %" PRId64 " in flight   %" PRId64 " calls, %" PRId64 " failed, %" PRId64
             " retries   first piece p50 %s",
             STR_ARG(name), number(p, "in_flight"), number(p, "calls"), number(p, "failed"), number(p, "retries"),
             length(number(p, "first_piece.p50_us"), a));
    if (is_failing(p))
        buf_addf(&text, "   last: " STR_FMT, STR_ARG(json_text(find(p, "last_failure.message"))));
    put_line(l, is_failing(p) ? STYLE_RED : STYLE_PLAIN, buf_str(&text));
}

/* ---- the runs ---- */

static enum style style_of(struct str state)
{
    if (str_is(state, "running"))
        return STYLE_GREEN;
    return str_is(state, "retrying") ? STYLE_YELLOW : STYLE_PLAIN;
}

static void add_run(struct table *table, const struct json *run, int64_t now)
{
    struct str state = json_text(json_find(run, "state"));
    char age[WHEN_TEXT] = "?", round[24], pieces[24], pace[24];
    int64_t began;

    if (when_parse(json_text(json_find(run, "started_at")), &began))
        when_age(began, now, age);
    snprintf(round, sizeof(round), "%" PRId64, number(run, "round"));
    snprintf(pieces, sizeof(pieces), "%" PRId64, number(run, "pieces"));
    snprintf(pace, sizeof(pace), "%.1f", real(run, "pieces_per_second"));
    table_add(table, (const struct table_cell[]){
                         {json_text(json_find(run, "session_id")), STYLE_PLAIN},
                         {json_text(json_find(run, "run_id")), STYLE_DIM},
                         {state, style_of(state)},
                         {json_text(json_find(run, "model")), STYLE_PLAIN},
                         {str_of(round), STYLE_PLAIN},
                         {str_of(age), STYLE_PLAIN},
                         {str_of(pieces), STYLE_PLAIN},
                         {str_of(pace), STYLE_PLAIN},
                     });
}

/* So many rows fit below what is written, and below the heading; a line tells of the rest. */
static size_t rows_that_fit(const struct lines *l)
{
    size_t used = l->n + 2 + LINES_BELOW;

    if (l->terminal->height == 0)
        return SIZE_MAX;
    return l->terminal->height > used ? l->terminal->height - used : 0;
}

static void put_live_runs(struct lines *l, const struct json *d, int64_t now)
{
    const struct json *runs = json_find(d, "live_runs");
    struct table *table = table_new(l->terminal, columns, ARRAY_LEN(columns));
    size_t room = rows_that_fit(l);
    int64_t left = number(d, "runs.active");

    for (const struct json *r = runs == NULL ? NULL : runs->first; r != NULL && room > 0; r = r->next) {
        add_run(table, r, now);
        room--;
        left--;
    }
    buf_add_char(l->out, '\n');
    table_print(table, l->out);
    if (left > 0)
        put_linef(l, STYLE_DIM, "… and %" PRId64 " more", left);
    table_free(table);
}

void top_view_write(struct top_view *v, const struct json *d, const char *where, const struct terminal *t,
                    struct buf *out)
{
    const struct json *providers = json_find(d, "providers");
    struct lines l = {.terminal = t, .out = out};
    char age[WHEN_TEXT] = "?";
    int64_t began = 0, now = 0;

    /* The server's clock: it may be another machine's. */
    if (when_parse(json_text(json_find(d, "started_at")), &began)) {
        now = began + number(d, "uptime_ms");
        when_age(began, now, age);
    }
    put_linef(&l, STYLE_BOLD, "culm " STR_FMT "   up %s   pid %" PRId64 "   %s",
              STR_ARG(json_text(json_find(d, "version"))), age, number(d, "pid"), where);
    put_runs(&l, d);
    put_server(&l, v, d);
    for (const struct json *p = providers == NULL ? NULL : providers->first; p != NULL; p = p->next)
        put_provider(&l, p);
    put_live_runs(&l, d, now);
}
