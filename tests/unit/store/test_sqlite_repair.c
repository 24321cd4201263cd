/* SPDX-License-Identifier: MIT */
/*
 * Whatever is wrong with a database, a repair gives a new one that has no finding and that a server starts on; what was
 * not damaged is in it byte for byte, and what was cut off is at rest.
 */
#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/check.h"
#include "store/forge.h"
#include "store/sample.h"
#include "store/sqlite/fault_vfs.h"
#include "store/sqlite/repair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct place other; /* where the repaired database goes */
static char lost_path[300];

static int set_up(void **state)
{
    place_make(&other);
    snprintf(lost_path, sizeof(lost_path), "%s.lost.jsonl", other.database);
    return place_begin(state);
}

static int tear_down(void **state)
{
    place_remove(&other);
    return place_end(state);
}

/* ---- what the owner of a repair gives and gets ---- */

/* As the machine would: open calls are over, the run ends as an error. */
static struct facts *end_run(const struct session *s, struct facts *answer, int64_t now)
{
    struct fact facts[LIMIT_CALLS_PER_ROUND + 1];
    uint32_t n = 0;

    assert_true(s->run.active);
    assert_true((session_has_open_calls(s)) <= (answer != NULL));
    memset(facts, 0, sizeof(facts));
    for (int i = 0; i < s->n_calls; i++)
        if (answer != NULL && s->calls[i].state != CALL_OVER)
            facts[n++] = (struct fact){.kind = FACT_CALL_ENDED,
                                       .run = s->run.number,
                                       .call = s->first_call + (uint32_t)i,
                                       .call_id = ((const struct call *)answer->items[0].calls.items)[i].id,
                                       .id = STR("over"),
                                       .outcome = OUTCOME_UNKNOWN,
                                       .place = s->calls_place + (uint32_t)i};
    facts[n++] = (struct fact){.kind = FACT_RUN_ENDED, .run = s->run.number, .id = STR("run-1"), .end = END_ERROR};
    for (uint32_t i = 0; i < n; i++) {
        facts[i].seq = s->seq + 1 + i;
        facts[i].at = now;
    }
    return facts_new(facts, n);
}

static void add_damaged(void *arg, const struct repair_session *s)
{
    buf_addf(arg, STR_FMT " kept %" PRIu64 " lost %" PRIu64 " missing %" PRIu64 "%s: " STR_FMT "\n", STR_ARG(s->id),
             s->kept, s->lost, s->missing, s->was_ended ? " ended" : "", STR_ARG(s->why));
}

static int try_repair(struct buf *damaged, struct repair_report *report, struct err *err)
{
    const struct repair_options o = {.rest = end_run, .damaged = add_damaged, .arg = damaged};

    place_clear(&other);
    return store_repair(place.dir, other.database, &o, report, err);
}

/* The new database has no finding, and a store opens on it. */
static void assert_sound(void)
{
    struct driver *d;

    check_place(&other);
    d = driver_new(place_open(&other));
    driver_free(d);
    check_place(&other);
}

static struct repair_report repair(struct buf *damaged)
{
    struct repair_report report;
    struct err err;

    if (try_repair(damaged, &report, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(report.has_lost_file, access(lost_path, F_OK) == 0);
    assert_sound();
    return report;
}

static void assert_line(const struct buf *lines, const char *line)
{
    struct str rest = buf_str(lines), part;

    while (str_next(&rest, '\n', &part))
        if (str_has_prefix(part, str_of(line)))
            return;
    fail_msg("\"%s\" is not in:\n%s", line, lines->n > 0 ? lines->p : "");
}

/* ---- all that stands in a file of one session, or of all: "" ---- */

static void dump(const char *file, const char *session, struct buf *out)
{
    static const char *const tables[] = {"fact", "message", "inbox", "run", "session"};
    char name[300];
    sqlite3 *h;

    buf_clear(out);
    snprintf(name, sizeof(name), "file:%s?immutable=1", file);
    assert_int_equal(sqlite3_open_v2(name, &h, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL), SQLITE_OK);
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        char sql[200];
        sqlite3_stmt *st;
        int first = i == 0 ? 1 : 0; /* the place of a fact in the file may be another */

        snprintf(sql, sizeof(sql), "SELECT * FROM %s WHERE sid IN (SELECT sid FROM session WHERE id GLOB '%s') %s",
                 tables[i], session[0] == '\0' ? "*" : session, i == 0 ? "ORDER BY sid, seq" : "ORDER BY 1, 2");
        assert_int_equal(sqlite3_prepare_v2(h, sql, -1, &st, NULL), SQLITE_OK);
        while (sqlite3_step(st) == SQLITE_ROW)
            for (int k = first; k < sqlite3_column_count(st); k++)
                buf_addf(out, "%s|", (const char *)sqlite3_column_text(st, k));
        assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
    }
    sqlite3_close(h);
}

/* ---- nothing is wrong ---- */

static void a_sound_database_is_copied_fact_by_fact(void **state)
{
    CLEANUP(buf_done) struct buf before = BUF_INIT, after = BUF_INIT, damaged = BUF_INIT;
    struct repair_report report;
    struct stat info;
    struct err err;

    (void)state;
    sample_put(&place);
    dump(place.database, "", &before);
    assert_true(before.n > 10000);
    assert_int_equal(try_repair(&damaged, &report, &err), 0);
    dump(other.database, "", &after);
    assert_string_equal(before.p, after.p);
    assert_int_equal(damaged.n, 0);
    assert_true(report.sessions == SAMPLE_SESSIONS && report.damaged == 0 && report.lost == 0 && report.missing == 0);
    assert_false(report.has_lost_file);
    assert_int_equal(place_count_files(&other), 1);
    assert_int_equal(stat(other.database, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_sound();
}

/* What runs goes on in the next life, which has a number of its own; letters are still on their way. */
static void runs_that_were_cut_by_a_crash_are_recovered_as_usual(void **state)
{
    CLEANUP(buf_done) struct buf damaged = BUF_INIT;
    struct query q = {.kind = QUERY_UNFINISHED};
    struct driver *d;
    struct answer *a;
    struct opened *o;

    (void)state;
    sample_put(&place);
    place_sql(&place, "UPDATE boot SET clean = 0");
    place_sql(&place, "INSERT INTO letter(id, dst, src, body) VALUES(7, 'talk', 2, x'00ff')");
    repair(&damaged);
    d = driver_new(place_open(&other));
    a = driver_query(d, &q);
    assert_int_equal(a->n, 2);
    answer_free(a);
    o = driver_open(d, STR("calling"));
    assert_true(o->rc == 0 && o->session.run.active && o->calls != NULL && !o->ended_in_order);
    opened_free(o);
    o = driver_open(d, STR("talk"));
    assert_int_equal(o->n_letters, 1);
    assert_true(o->letters[0].id == 7 && str_eq(o->letters[0].body, (struct str){"\x00\xff", 2}));
    opened_free(o);
    assert_true(store_writer(driver_store(d)) > 2);
    driver_free(d);
}

static void what_was_erased_is_not_found_again(void **state)
{
    CLEANUP(buf_done) struct buf damaged = BUF_INIT;
    struct repair_report report;
    struct driver *d;
    struct append a;
    struct story t;

    (void)state;
    sample_put(&place);
    d = driver_new(place_open(&place));
    story_open(&t, d, STR("tools"));
    a = story_step(&t);
    a.erase = true;
    assert_int_equal(driver_append(d, &a, NULL), 0);
    driver_free(d);
    report = repair(&damaged);
    assert_int_equal(report.sessions, SAMPLE_SESSIONS - 1);
    assert_int_equal(place_count_bytes(&other, STR("CANARY result")), 0);
}

/* ---- facts ---- */

#define OF(name) " WHERE sid = (SELECT sid FROM session WHERE id = '" name "')"

static void assert_others_are_as_they_were(const struct buf before[SAMPLE_SESSIONS], const char *but)
{
    for (int i = 0; i < SAMPLE_SESSIONS; i++) {
        CLEANUP(buf_done) struct buf after = BUF_INIT;

        if (strcmp(sample_names[i], but) == 0)
            continue;
        dump(other.database, sample_names[i], &after);
        if (!str_eq(buf_str(&after), buf_str(&before[i])))
            fail_msg("%s is another one than before", sample_names[i]);
    }
}

static void a_session_is_kept_up_to_the_damage(void **state)
{
    static const struct {
        const char *sql, *session, *says;
        bool is_ended; /* where it is cut */
    } rows[] = {
        {"UPDATE fact SET body = replace(body, 'CANARY', 'CANARZ')" OF("talk") " AND seq = 5", "talk",
         "talk kept 4 lost 7 missing 0 ended: fact 5: the stored bytes are damaged", true},
        {"DELETE FROM fact" OF("talk") " AND seq = 7", "talk", "talk kept 6 lost 4 missing 1: fact 7 is missing",
         false},
        {"DELETE FROM fact" OF("talk") " AND seq > 8", "talk", "talk kept 8 lost 0 missing 3 ended: fact 9 is missing",
         true},
        {"UPDATE fact SET at = at + 1" OF("tools") " AND seq = 8", "tools",
         "tools kept 7 lost 5 missing 0 ended: fact 8: the stored bytes are damaged", true},
        {"DELETE FROM fact" OF("calling") " AND seq = 6", "calling",
         "calling kept 5 lost 0 missing 1 ended: fact 6 is missing", true},
        {"UPDATE fact SET kind = 'run_ended'" OF("busy") " AND seq = 4", "busy",
         "busy kept 3 lost 1 missing 0 ended: fact 4: the stored bytes are damaged", true},
        {"DELETE FROM fact" OF("queue") " AND seq = 1", "queue", "queue kept 0 lost 1 missing 1: fact 1 is missing",
         false},
        {"DELETE FROM fact" OF("queue"), "queue", "queue kept 0 lost 0 missing 2: fact 1 is missing", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(buf_done) struct buf damaged = BUF_INIT;
        struct buf before[SAMPLE_SESSIONS] = {0};
        struct driver *d;
        struct opened *o;

        sample_put(&place);
        for (int k = 0; k < SAMPLE_SESSIONS; k++)
            dump(place.database, sample_names[k], &before[k]);
        place_sql(&place, rows[i].sql);
        repair(&damaged);
        assert_line(&damaged, rows[i].says);
        assert_others_are_as_they_were(before, rows[i].session);
        for (int k = 0; k < SAMPLE_SESSIONS; k++)
            buf_done(&before[k]);
        d = driver_new(place_open(&other));
        o = driver_open(d, str_of(rows[i].session));
        assert_false(session_is_unfinished(&o->session));
        assert_int_equal(session_open_calls(&o->session, CALL_PROPOSED) + session_open_calls(&o->session, CALL_RUNNING),
                         0);
        assert_int_equal(o->session.last_end == END_ERROR, rows[i].is_ended);
        opened_free(o);
        driver_free(d);
    }
}

/* "session/key " of each, in order. */
static void list_receipts(struct buf *out)
{
    static const char sql[] = "SELECT group_concat(name, ' ') FROM (SELECT session || '/' || key AS name FROM receipt"
                              " ORDER BY session, key)";
    char name[300];
    sqlite3_stmt *st;
    sqlite3 *h;

    snprintf(name, sizeof(name), "file:%s?immutable=1", other.database);
    assert_int_equal(sqlite3_open_v2(name, &h, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(h, sql, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    buf_addf(out, "%s", (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    sqlite3_close(h);
}

static void receipts_of_whole_sessions_are_kept(void **state)
{
    static const struct {
        const char *sql, *left;
    } rows[] = {
        {"SELECT 1", "busy/post calling/post queue/post talk/look talk/post tools/post"},
        {"UPDATE receipt SET reply = replace(reply, 'm1', 'm2') WHERE session = 'busy'",
         "calling/post queue/post talk/look talk/post tools/post"},
        {"UPDATE fact SET at = at + 1" OF("tools") " AND seq = 8",
         "busy/post calling/post queue/post talk/look talk/post"},
        {"DELETE FROM session WHERE id = 'talk'", "busy/post calling/post queue/post tools/post"},
        /* its end is lost, and nothing says so but what was replied */
        {"UPDATE session SET last_seq = 10" OF("talk"), "busy/post calling/post queue/post talk/post tools/post"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(buf_done) struct buf damaged = BUF_INIT, left = BUF_INIT;

        sample_put(&place);
        place_sql(&place, rows[i].sql);
        if (i == 4)
            place_sql(&place, "DELETE FROM fact" OF("talk") " AND seq = 11");
        repair(&damaged);
        list_receipts(&left);
        assert_string_equal(left.p, rows[i].left);
    }
}

static void what_is_behind_the_damage_is_in_a_file_of_its_own(void **state)
{
    CLEANUP(buf_done) struct buf damaged = BUF_INIT;
    struct buf lines;
    struct repair_report report;
    struct str rest, line;
    struct arena arena;
    struct stat info;
    int64_t seq = 5;

    (void)state;
    sample_put(&place);
    place_sql(&place, "UPDATE fact SET body = body || 'x'" OF("tools") " AND seq = 5");
    report = repair(&damaged);
    lines = sample_read(lost_path);
    assert_int_equal(stat(lost_path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    rest = buf_str(&lines);
    arena_init(&arena);
    while (str_next(&rest, '\n', &line) && line.n > 0) {
        struct json *node, *body;

        assert_int_equal(json_parse(&arena, line, &node, NULL), 0);
        assert_true(str_is(json_text(json_find(node, "session")), "tools"));
        assert_int_equal(json_number(json_find(node, "seq"), 0), seq);
        assert_int_equal(json_truth(json_find(node, "damaged"), false), seq == 5);
        body = json_find(node, "body");
        assert_int_equal(body->type, seq == 5 ? JSON_STRING : JSON_OBJECT);
        if (seq == 7)
            assert_true(str_is(json_text(json_find(body, "text")), "CANARY result"));
        seq++;
    }
    assert_int_equal(report.lost, seq - 5);
    assert_int_equal(seq, 13);
    arena_done(&arena);
    buf_done(&lines);
}

static void facts_that_do_not_fit_end_a_session_too(void **state)
{
    CLEANUP(buf_done) struct buf damaged = BUF_INIT;

    (void)state;
    sample_put(&place);
    forge_fact(&place, 1, 6, "budget", "{\"run\":1}");
    forge_epoch(&place, 2, 5, 3);
    repair(&damaged);
    assert_line(&damaged, "talk kept 7 lost 4 missing 0 ended: fact 8 (run_started) does not fit");
    assert_line(&damaged,
                "tools kept 4 lost 8 missing 0 ended: fact 5 (assistant) does not fit what is before it: its");
}

/* ---- tables and indexes: they are made anew ---- */

static void whatever_is_wrong_with_the_tables_the_log_makes_them_again(void **state)
{
    static const char *const damages[] = {
        "DELETE FROM message",
        "UPDATE message SET place = place + 100",
        "UPDATE session SET inbox = 9, state = 'asking', message_count = 0, epoch = 1, owner = 77",
        "UPDATE session SET unfinished = 1 - unfinished",
        "UPDATE run SET status = 'running', ended_at = 0",
        "DELETE FROM inbox",
        "DELETE FROM head",
        "DELETE FROM boot",
        "DROP INDEX fact_seq",
        "DROP TABLE letter",
        "DROP TABLE message",
        "INSERT INTO message VALUES(70, 1, 1, 'm')",
        "PRAGMA user_version = 99",
    };
    CLEANUP(buf_done) struct buf before = BUF_INIT;

    (void)state;
    sample_put(&place);
    dump(place.database, "", &before);
    for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
        CLEANUP(buf_done) struct buf after = BUF_INIT, damaged = BUF_INIT;
        struct repair_report report;
        struct err err;

        sample_put(&place);
        place_sql(&place, damages[i]);
        assert_int_equal(try_repair(&damaged, &report, &err), 0);
        if (damaged.n > 0)
            fail_msg("%s: %s", damages[i], damaged.p);
        dump(other.database, "", &after);
        assert_string_equal(before.p, after.p);
        assert_sound();
    }
}

/* The facts say who they are of; whether there were more of them nobody knows, so nothing runs on. */
static void without_the_rows_of_sessions_their_names_come_from_the_facts(void **state)
{
    CLEANUP(buf_done) struct buf damaged = BUF_INIT;
    struct query q = {.kind = QUERY_UNFINISHED};
    struct repair_report report;
    struct driver *d;
    struct answer *a;

    (void)state;
    sample_put(&place);
    place_sql(&place, "DELETE FROM session");
    place_sql(&place, "DELETE FROM fact WHERE sid = 5 AND seq = 1");
    report = repair(&damaged);
    assert_int_equal(report.sessions, SAMPLE_SESSIONS - 1);
    assert_line(&damaged, "calling kept 6 lost 0 missing 0 ended: nothing says whether this was all");
    assert_line(&damaged, "busy kept 4 lost 0 missing 0 ended: nothing says");
    assert_line(&damaged, "recovered-5 kept 0 lost 1 missing 1: fact 1 is missing");
    d = driver_new(place_open(&other));
    a = driver_query(d, &q);
    assert_int_equal(a->n, 0);
    answer_free(a);
    driver_free(d);
}

static void of_two_sessions_with_one_name_the_newer_one_has_it(void **state)
{
    CLEANUP(buf_done) struct buf damaged = BUF_INIT;
    struct repair_report report;

    (void)state;
    sample_put(&place);
    forge_fact(&place, 2, 1, "session_created", "{\"id\":\"queue\",\"nonce\":\"0000000000000001\",\"system\":\"s\"}");
    report = repair(&damaged);
    assert_line(&damaged, "queue kept 0 lost 12 missing 0: session queue exists already");
    assert_int_equal(report.sessions, SAMPLE_SESSIONS - 1);
}

/* ---- pages ---- */

#define PAGE 4096

/* Each page is wiped out, or full of something else: what stood in it is missing, and nothing else. */
static void pages_may_be_lost(void **state)
{
    struct buf good, before[SAMPLE_SESSIONS] = {0};
    size_t kept = 0, pages = 0;

    (void)state;
    sample_put(&place);
    for (int i = 0; i < SAMPLE_SESSIONS; i++)
        dump(place.database, sample_names[i], &before[i]);
    good = sample_read(place.database);
    for (size_t at = 0; at < good.n; at += PAGE, pages++) {
        CLEANUP(buf_done) struct buf bytes = BUF_INIT, damaged = BUF_INIT;
        struct repair_report report;

        buf_add(&bytes, good.p, good.n);
        memset(bytes.p + at, pages % 2 == 0 ? 0 : 0xa5, PAGE);
        place_clear(&place);
        sample_write(place.database, &bytes);
        report = repair(&damaged);
        kept += report.damaged == 0 && report.sessions == SAMPLE_SESSIONS;
        for (int i = 0; i < SAMPLE_SESSIONS; i++) {
            CLEANUP(buf_done) struct buf after = BUF_INIT, name = BUF_INIT;

            buf_addf(&name, "%s kept", sample_names[i]);
            dump(other.database, sample_names[i], &after);
            if (str_find(buf_str(&damaged), buf_str(&name)) < 0 && after.n > 0)
                assert_true(str_eq(buf_str(&after), buf_str(&before[i])));
        }
    }
    assert_true(kept > pages / 2 && kept < pages); /* most hold tables and indexes */
    for (int i = 0; i < SAMPLE_SESSIONS; i++)
        buf_done(&before[i]);
    buf_done(&good);
}

static void a_file_may_be_cut_off_anywhere(void **state)
{
    struct buf good;
    uint64_t before = 0;

    (void)state;
    sample_put(&place);
    good = sample_read(place.database);
    for (size_t n = 1; n < good.n; n += 700 + n / 12) {
        CLEANUP(buf_done) struct buf damaged = BUF_INIT;
        struct buf part = {.p = good.p, .n = n};
        struct repair_report report;

        place_clear(&place);
        sample_write(place.database, &part);
        report = repair(&damaged);
        assert_true(report.kept + report.lost >= before); /* the more there is, the more is found */
        before = report.kept + report.lost;
    }
    assert_true(before > 10);
    buf_done(&good);
}

static void a_database_without_its_first_page_loses_nothing(void **state)
{
    CLEANUP(buf_done) struct buf damaged = BUF_INIT, before = BUF_INIT, after = BUF_INIT;
    struct buf bytes;
    struct repair_report report;
    struct err err;

    (void)state;
    sample_put(&place);
    dump(place.database, "", &before);
    bytes = sample_read(place.database);
    memset(bytes.p, 0xee, PAGE);
    sample_write(place.database, &bytes);
    assert_int_equal(try_repair(&damaged, &report, &err), 0);
    dump(other.database, "", &after);
    assert_string_equal(before.p, after.p);
    assert_sound();
    buf_done(&bytes);
}

/* ---- the write-ahead log ---- */

static void commits_that_are_only_in_the_log_are_saved(void **state)
{
    CLEANUP(buf_done) struct buf damaged = BUF_INIT;
    struct sample_files f = sample_kill(&place);
    struct repair_report report;
    struct buf after;

    (void)state;
    sample_files_put(&f, &place, false);
    report = repair(&damaged);
    assert_int_equal(damaged.n, 0);
    assert_true(report.sessions == SAMPLE_SESSIONS && report.lost_commits == 0);
    after = sample_read(place.log);
    assert_true(str_eq(buf_str(&after), buf_str(&f.log))); /* it is not changed */
    buf_done(&after);
    sample_files_free(&f);
}

static uint32_t page_of_frame(const struct buf *log, size_t frame)
{
    const unsigned char *p = (const unsigned char *)log->p + 32 + frame * (24 + PAGE);

    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Whether a later frame of the log holds the same page again: then nothing of it is missed. */
static bool is_written_again(const struct buf *log, size_t frame)
{
    for (size_t later = frame + 1; 32 + (later + 1) * (24 + PAGE) <= log->n; later++)
        if (page_of_frame(log, later) == page_of_frame(log, frame))
            return true;
    return false;
}

/* SQLite would forget everything behind the first broken frame; whole pages stand there. */
static void commits_behind_a_damaged_frame_are_saved(void **state)
{
    struct sample_files f = sample_kill(&place);
    size_t tried = 0;

    (void)state;
    for (size_t frame = 0; 32 + frame * (24 + PAGE) < f.log.n / 2; frame += 7) {
        size_t at = 32 + frame * (24 + PAGE) + 24 + 100;
        CLEANUP(buf_done) struct buf damaged = BUF_INIT;
        struct repair_report report;

        if (!is_written_again(&f.log, frame))
            continue;
        tried++;
        f.log.p[at] ^= 0x11;
        sample_files_put(&f, &place, false);
        report = repair(&damaged);
        assert_true(report.lost_commits > 1);
        if (report.sessions != SAMPLE_SESSIONS || damaged.n > 0)
            fail_msg("damage at %zu: %" PRIu64 " sessions; %s", at, report.sessions, damaged.n > 0 ? damaged.p : "");
        f.log.p[at] ^= 0x11;
    }
    assert_true(tried > 3);
    sample_files_free(&f);
}

/* ---- anything ---- */

static void bytes_may_be_anything(void **state)
{
    uint64_t seed = sample_seed();
    struct buf good;

    (void)state;
    sample_put(&place);
    good = sample_read(place.database);
    for (int n = 0; n < 100; n++) {
        CLEANUP(buf_done) struct buf bytes = BUF_INIT, damaged = BUF_INIT;
        size_t flips = 1 + (size_t)(sample_draw(&seed) % (n % 10 == 0 ? 2000 : 8));

        buf_add(&bytes, good.p, good.n);
        for (size_t i = 0; i < flips; i++)
            bytes.p[sample_draw(&seed) % good.n] ^= (char)(1 + sample_draw(&seed) % 255);
        place_clear(&place);
        sample_write(place.database, &bytes);
        repair(&damaged);
    }
    buf_done(&good);
}

/* ---- what is refused ---- */

static void a_directory_that_is_worked_in_is_not_repaired(void **state)
{
    struct driver *d = driver_new(place_open(&place));
    struct repair_report report;
    struct err err;

    (void)state;
    assert_int_equal(try_repair(NULL, &report, &err), -ERR_LOCKED);
    assert_non_null(strstr(err.text, "is held by process"));
    driver_free(d);
    assert_int_equal(place_count_files(&other), 0);
    place_clear(&place);
    assert_int_equal(try_repair(NULL, &report, &err), -ERR_NOT_FOUND);
    assert_int_equal(place_count_files(&place), 0);
}

static void what_has_one_of_the_names_is_not_touched(void **state)
{
    const struct repair_options o = {.rest = end_run, .damaged = add_damaged};
    const char *const names[] = {other.database, lost_path};
    struct repair_report report;
    struct err err;

    (void)state;
    sample_put(&place);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct buf mine = {.p = (char[]){"mine"}, .n = 4}, now;

        place_clear(&other);
        sample_write(names[i], &mine);
        assert_int_equal(store_repair(place.dir, other.database, &o, &report, &err), -ERR_CONFLICT);
        assert_non_null(strstr(err.text, names[i]));
        now = sample_read(names[i]);
        assert_true(str_is(buf_str(&now), "mine"));
        buf_done(&now);
        assert_int_equal(place_count_files(&other), 1);
    }
}

static void every_failure_leaves_all_or_nothing(void **state)
{
    static const char *const kinds[] = {"open", "write", "fsync", "rename", "sql"};

    (void)state;
    sample_put(&place);
    place_sql(&place, "DELETE FROM fact" OF("talk") " AND seq = 5");
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        bool met = true;
        int failed = 0;

        for (uint64_t k = 0; met; k += k < 60 ? 1 : 23) {
            CLEANUP(buf_done) struct buf damaged = BUF_INIT;
            struct repair_report report;
            struct err err;
            int rc;

            fault_arm(kinds[i], k, ENOSPC, false);
            rc = try_repair(&damaged, &report, &err);
            met = fault_disarm();
            assert_true(rc == 0 || met);
            if (access(other.database, F_OK) == 0)
                assert_sound();
            else
                assert_true(rc < 0 && place_count_files(&other) <= 1);
            failed += rc != 0;
        }
        assert_true(failed > 0);
    }
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(a_sound_database_is_copied_fact_by_fact),
        CASE(runs_that_were_cut_by_a_crash_are_recovered_as_usual),
        CASE(what_was_erased_is_not_found_again),
        CASE(a_session_is_kept_up_to_the_damage),
        CASE(receipts_of_whole_sessions_are_kept),
        CASE(what_is_behind_the_damage_is_in_a_file_of_its_own),
        CASE(facts_that_do_not_fit_end_a_session_too),
        CASE(whatever_is_wrong_with_the_tables_the_log_makes_them_again),
        CASE(without_the_rows_of_sessions_their_names_come_from_the_facts),
        CASE(of_two_sessions_with_one_name_the_newer_one_has_it),
        CASE(pages_may_be_lost),
        CASE(a_file_may_be_cut_off_anywhere),
        CASE(a_database_without_its_first_page_loses_nothing),
        CASE(commits_that_are_only_in_the_log_are_saved),
        CASE(commits_behind_a_damaged_frame_are_saved),
        CASE(bytes_may_be_anything),
        CASE(a_directory_that_is_worked_in_is_not_repaired),
        CASE(what_has_one_of_the_names_is_not_touched),
        CASE(every_failure_leaves_all_or_nothing),
    };

    fault_vfs_install();
    return cmocka_run_group_tests_name("sqlite repair", cases, NULL, NULL);
}
