/* SPDX-License-Identifier: MIT */
/* culm db check, snapshot, repair */
#include "app/commands.h"
#include "app/exit_code.h"
#include "app/print.h"
#include "app/terminal.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "base/str.h"
#include "base/utf8.h"
#include "run/machine.h"
#include "store/sqlite/check.h"
#include "store/sqlite/repair.h"
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

/* ---- repair ---- */

struct repairing {
    const struct command_line *line;
    struct progress progress;
    struct buf out;
    int code; /* of what could not be printed */
};

/* In the words of the machine that would have ended the run. */
static struct facts *end_run(const struct session *s, struct facts *answer, int64_t now)
{
    struct machine m;
    struct step step;
    struct facts *facts;

    machine_init(&m, s);
    machine_keep(&m, answer);
    step_init(&step);
    run_abandon(&m, now, &step);
    facts = facts_new(step.facts, step.n_facts);
    step_done(&step);
    machine_done(&m);
    return facts;
}

static void put_damaged(struct repairing *r, const struct repair_session *s)
{
    struct json_writer w = JSON_WRITER(&r->out);

    if (!r->line->json) {
        buf_addf(&r->out,
                 "session " STR_FMT ": kept %" PRIu64 " facts, %" PRIu64 " are behind the damage, %" PRIu64
                 " are missing%s; " STR_FMT "\n",
                 STR_ARG(s->id), s->kept, s->lost, s->missing, s->was_ended ? "; its run was ended" : "",
                 STR_ARG(s->why));
        return;
    }
    json_begin_object(&w);
    json_key_text(&w, "type", "session");
    json_key_str(&w, "session", s->id);
    json_key_u64(&w, "kept", s->kept);
    json_key_u64(&w, "lost", s->lost);
    json_key_u64(&w, "missing", s->missing);
    json_key_bool(&w, "run_ended", s->was_ended);
    json_key_str(&w, "why", s->why);
    json_end_object(&w);
    buf_add_char(&r->out, '\n');
}

static void on_damaged(void *arg, const struct repair_session *s)
{
    struct repairing *r = arg;

    progress_clear(&r->progress);
    put_damaged(r, s);
    if (r->code == 0)
        r->code = print_out(&r->out);
    buf_clear(&r->out);
}

static void on_pages(void *arg, uint64_t done, uint64_t total)
{
    progress_show(&((struct repairing *)arg)->progress, done, total);
}

static void put_saved(struct repairing *r, const struct repair_report *report, const char *to)
{
    struct json_writer w = JSON_WRITER(&r->out);

    if (!r->line->json) {
        buf_addf(&r->out,
                 "saved %" PRIu64 " sessions, %" PRIu64 " facts; %" PRIu64 " sessions were damaged, %" PRIu64
                 " facts are missing",
                 report->sessions, report->kept, report->damaged, report->missing);
        if (report->has_lost_file)
            buf_addf(&r->out, ", %" PRIu64 " are in %s.lost.jsonl", report->lost, to);
        buf_add_char(&r->out, '\n');
        if (report->lost_commits > 0)
            buf_add_str(&r->out,
                        STR("the write-ahead log was damaged: sessions that were erased while it was written may "
                            "be back\n"));
        return;
    }
    json_begin_object(&w);
    json_key_text(&w, "type", "saved");
    json_key_u64(&w, "sessions", report->sessions);
    json_key_u64(&w, "damaged", report->damaged);
    json_key_u64(&w, "kept", report->kept);
    json_key_u64(&w, "lost", report->lost);
    json_key_u64(&w, "missing", report->missing);
    json_key_bool(&w, "log_damaged", report->lost_commits > 0);
    json_end_object(&w);
    buf_add_char(&r->out, '\n');
}

static int repair(const struct command_line *line, const char *data_dir, const char *to)
{
    struct repairing r = {.line = line, .progress = progress_of("read", "pages")};
    const struct repair_options o = {.rest = end_run, .damaged = on_damaged, .progress = on_pages, .arg = &r};
    struct repair_report report;
    struct err err;
    int rc = store_repair(data_dir, to, &o, &report, &err), code = r.code;

    progress_clear(&r.progress);
    if (rc < 0)
        code = command_fail(CODE_ERROR, "%s", err.text);
    if (code == 0) {
        put_saved(&r, &report, to);
        code = print_out(&r.out);
    }
    if (code == 0)
        code = print_made(line, to);
    buf_done(&r.out);
    return code != 0 ? code : check(line, to);
}

int command_db_repair(const struct command_line *line)
{
    struct home home;
    int code = command_open_home(line, &home);

    if (code != 0)
        return code;
    code = repair(line, home.path, line->args[0]);
    home_done(&home);
    return code;
}
