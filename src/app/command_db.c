/* SPDX-License-Identifier: MIT */
/* culm db check, snapshot */
#include "app/commands.h"
#include "app/exit_code.h"
#include "app/print.h"
#include "app/terminal.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "base/str.h"
#include "base/utf8.h"
#include "store/sqlite/check.h"
#include "store/sqlite/snapshot.h"

#include <stdio.h>
#include <unistd.h>

/* ---- how far it is: one line on a terminal, written over ---- */

enum { PROGRESS_MS = 200 };

struct progress {
    const char *doing, *of; /* "checked", "sessions" */
    bool is_shown, was_shown;
    int64_t last_ms;
};

static struct progress progress_of(const char *doing, const char *of)
{
    return (struct progress){
        .doing = doing, .of = of, .is_shown = terminal_of(STDERR_FILENO).is_terminal, .last_ms = clock_mono_ms()};
}

static void progress_show(void *arg, uint64_t done, uint64_t total)
{
    struct progress *p = arg;
    int64_t now = clock_mono_ms();

    if (!p->is_shown || now - p->last_ms < PROGRESS_MS)
        return;
    p->last_ms = now;
    p->was_shown = true;
    fprintf(stderr, "\r\033[K%s %" PRIu64 " of %" PRIu64 " %s", p->doing, done, total > done ? total : done, p->of);
}

static void progress_clear(struct progress *p)
{
    if (p->was_shown)
        fputs("\r\033[K", stderr);
    p->was_shown = false;
}

/* ---- which file ---- */

static int find_database(const struct command_line *line, struct buf *out)
{
    struct home home;
    int code = command_open_home(line, &home);

    if (code != 0)
        return code;
    home_file(&home, "culm.db", out);
    if (access(out->p, F_OK) != 0)
        code = command_fail(CODE_ERROR, "%s does not exist; start `culm serve` first, or name the right --data-dir",
                            out->p);
    home_done(&home);
    return code;
}

/* ---- check ---- */

struct checking {
    const struct command_line *line;
    struct progress progress;
    struct buf out;
    int code; /* of what could not be printed */
};

static void put_finding(struct checking *c, const struct check_finding *f)
{
    struct json_writer w = JSON_WRITER(&c->out);

    if (!c->line->json) {
        if (f->session.n > 0)
            buf_addf(&c->out, "session " STR_FMT ": ", STR_ARG(f->session));
        buf_addf(&c->out, STR_FMT "; %s\n", STR_ARG(f->what), f->remedy);
        return;
    }
    json_begin_object(&w);
    json_key_text(&w, "type", "finding");
    if (f->session.n > 0)
        json_key_str(&w, "session", f->session);
    json_key_str(&w, "what", f->what);
    json_key_text(&w, "remedy", f->remedy);
    json_end_object(&w);
    buf_add_char(&c->out, '\n');
}

static void on_finding(void *arg, const struct check_finding *f)
{
    struct checking *c = arg;

    progress_clear(&c->progress);
    put_finding(c, f);
    if (c->code == 0)
        c->code = print_out(&c->out);
    buf_clear(&c->out);
}

static void on_progress(void *arg, uint64_t done, uint64_t total)
{
    progress_show(&((struct checking *)arg)->progress, done, total);
}

static int put_summary(struct checking *c, const struct check_report *r)
{
    struct json_writer w = JSON_WRITER(&c->out);

    if (c->line->json) {
        json_begin_object(&w);
        json_key_text(&w, "type", "summary");
        json_key_u64(&w, "sessions", r->sessions);
        json_key_u64(&w, "facts", r->facts);
        json_key_u64(&w, "bytes", r->bytes);
        json_key_u64(&w, "findings", r->findings);
        json_end_object(&w);
        buf_add_char(&c->out, '\n');
    } else {
        buf_addf(&c->out, "checked %" PRIu64 " sessions, %" PRIu64 " facts, %" PRIu64 " bytes: ", r->sessions, r->facts,
                 r->bytes);
        if (r->findings == 0)
            buf_add_str(&c->out, STR("no findings\n"));
        else
            buf_addf(&c->out, "%" PRIu64 " finding%s\n", r->findings, r->findings == 1 ? "" : "s");
    }
    return print_out(&c->out);
}

static int check(const struct command_line *line, const char *path)
{
    struct checking c = {.line = line, .progress = progress_of("checked", "sessions")};
    const struct check_options o = {.found = on_finding, .progress = on_progress, .arg = &c};
    struct check_report report;
    struct err err;
    int rc = store_check(path, &o, &report, &err), code = c.code;

    progress_clear(&c.progress);
    if (rc < 0)
        code = command_fail(CODE_ERROR, "%s", err.text);
    else if (code == 0)
        code = put_summary(&c, &report);
    buf_done(&c.out);
    return code == 0 && report.findings > 0 ? CODE_ERROR : code;
}

int command_db_check(const struct command_line *line)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT;
    int code = 0;

    if (line->n_args > 0)
        buf_add_str(&path, str_of(line->args[0]));
    else
        code = find_database(line, &path);
    return code != 0 ? code : check(line, path.p);
}

/* ---- snapshot ---- */

static int print_made(const struct command_line *line, const char *path)
{
    CLEANUP(buf_done) struct buf out = BUF_INIT;
    struct json_writer w = JSON_WRITER(&out);

    if (!line->json) {
        buf_addf(&out, "made %s\n", path);
        return print_out(&out);
    }
    json_begin_object(&w);
    json_key_text(&w, "type", "made");
    if (utf8_is_valid(str_of(path)))
        json_key_text(&w, "file", path);
    json_end_object(&w);
    buf_add_char(&out, '\n');
    return print_out(&out);
}

int command_db_snapshot(const struct command_line *line)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT;
    struct progress progress = progress_of("copied", "bytes");
    const struct snapshot_options o = {.progress = progress_show, .arg = &progress};
    const char *to = line->args[0];
    struct err err;
    int code = find_database(line, &path), rc;

    if (code != 0)
        return code;
    rc = store_snapshot(path.p, to, &o, &err);
    progress_clear(&progress);
    if (rc < 0)
        return command_fail(CODE_ERROR, "%s", err.text);
    code = print_made(line, to);
    return code != 0 ? code : check(line, to);
}
