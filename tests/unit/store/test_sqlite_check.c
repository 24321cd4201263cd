/* SPDX-License-Identifier: MIT */
/* Each kind of damage is found, and named with its session; a store that has none is called clean. */
#include "base/str.h"
#include "store/check.h"
#include "store/forge.h"
#include "store/life.h"
#include "store/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void assert_says(const char *session, const char *what)
{
    CLEANUP(buf_done) struct buf lines = BUF_INIT, begin = BUF_INIT;
    struct str rest, line;
    struct err err = {0};
    int rc = check_findings(place.database, &lines, &err);

    if (rc < 0)
        fail_msg("%s", err.text);
    if (session != NULL)
        buf_addf(&begin, "session %s: ", session);
    rest = buf_str(&lines);
    while (str_next(&rest, '\n', &line))
        if (str_has_prefix(line, buf_str(&begin)) && str_find(line, str_of(what)) >= 0)
            return;
    fail_msg("session %s, \"%s\" is not in:\n%s", session == NULL ? "-" : session, what, lines.n > 0 ? lines.p : "");
}

/* ---- stores without a fault ---- */

static void a_store_that_was_worked_on_is_clean(void **state)
{
    static const char *const names[] = {"a", "b", "c"};
    struct driver *d = driver_new(place_open(&place));
    struct story t[ARRAY_LEN(names)];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        story_open(&t[i], d, str_of(names[i]));
    for (unsigned n = 0; n < 300; n++) {
        size_t i = n % ARRAY_LEN(names);
        struct append a;
        bool kept = life_step(&t[i], d, n, &a);

        assert_int_equal(driver_append(d, &a, NULL), 0);
        facts_unref(a.facts);
        if (!kept)
            story_open(&t[i], d, str_of(names[i]));
        if (n % 100 != 99)
            continue;
        driver_free(d);
        check_place(&place);
        d = driver_new(place_open(&place));
        for (size_t k = 0; k < ARRAY_LEN(names); k++)
            story_open(&t[k], d, str_of(names[k]));
    }
    driver_free(d);
    check_place(&place);
}

static void a_session_longer_than_a_batch_is_clean(void **state)
{
    struct driver *d = driver_new(place_open(&place));
    struct story t;

    (void)state;
    story_open(&t, d, STR("long"));
    for (int i = 0; i < 150; i++)
        story_turn(&t, d, STR("question"), STR("answer"));
    driver_free(d);
    check_place(&place);
    sample_put(&place);
    check_place(&place);
}

/* A head is there to save time; a kind that this culm does not know is not damage. */
static void what_may_be_missing_or_new_is_not_a_finding(void **state)
{
    (void)state;
    sample_put(&place);
    place_sql(&place, "DELETE FROM head");
    place_sql(&place, "DELETE FROM partial");
    check_place(&place);
    sample_put(&place);
    place_sql(&place, "DELETE FROM inbox WHERE sid = 5");
    place_sql(&place, "UPDATE session SET inbox = 0, state = 'idle' WHERE sid = 5");
    place_sql(&place, "DELETE FROM head WHERE sid = 5");
    forge_fact(&place, 5, 2, "weather_changed", "{\"to\":\"rain\"}");
    assert_says("queue", "updated_at"); /* of the message that is no message any more */
    place_sql(&place, "UPDATE session SET updated_at = created_at WHERE sid = 5");
    check_place(&place);
}

static void nothing_is_made_beside_a_file_that_is_nobodys(void **state)
{
    (void)state;
    sample_put(&place);
    assert_int_equal(access(place.log, F_OK), -1);
    check_place(&place);
    assert_int_equal(access(place.log, F_OK), -1);
    assert_int_equal(access(place.index, F_OK), -1);
}

static void what_is_no_database_of_ours_is_said(void **state)
{
    CLEANUP(buf_done) struct buf lines = BUF_INIT;
    struct err err;

    (void)state;
    assert_int_equal(check_findings(place.database, &lines, &err), -ERR_NOT_FOUND);
    assert_int_equal(check_findings(place.dir, &lines, &err), -ERR_NOT_FOUND);
    sample_put(&place);
    place_sql(&place, "PRAGMA user_version = 99");
    assert_int_equal(check_findings(place.database, &lines, &err), -ERR_VERSION);
    assert_non_null(strstr(err.text, "format 99"));
    place_clear(&place);
    sample_write(place.database, &(struct buf){0});
    place_sql(&place, "CREATE TABLE other(x)");
    assert_int_equal(check_findings(place.database, &lines, &err), -ERR_VERSION);
}

/* ---- rows that are wrong ---- */

#define OF(name) " WHERE sid = (SELECT sid FROM session WHERE id = '" name "')"

static void wrong_rows_are_found_and_named(void **state)
{
    static const struct {
        const char *sql, *session, *says;
    } rows[] = {
        {"UPDATE fact SET body = replace(body, 'CANARY', 'CANARZ')" OF("talk"), "talk", "fact 2: the stored bytes"},
        {"UPDATE fact SET at = at + 1" OF("busy") " AND seq = 1", "busy", "fact 1: the stored bytes are damaged"},
        {"UPDATE fact SET epoch = epoch - (1 << 24)" OF("calling") " AND seq = 6", "calling", "fact 6: the stored"},
        {"DELETE FROM fact" OF("tools") " AND seq = 4", "tools", "facts 4 to 4 are missing"},
        {"DELETE FROM fact" OF("tools") " AND seq > 9", "tools", "facts 10 to "},
        {"DELETE FROM fact" OF("talk") " AND kind = 'run_ended'", "talk", "are missing"},
        {"DELETE FROM fact" OF("queue"), "queue", "facts 1 to 2 are missing"},
        {"UPDATE fact SET seq = 99" OF("talk") " AND seq = 5", "talk", "facts 5 to 5 are missing"},
        {"DELETE FROM message" OF("talk") " AND place = 2", "talk", "its message at place 2 is missing"},
        {"UPDATE message SET place = 77" OF("talk") " AND place = 4", "talk",
         "a message at place 77 that the log does not have"},
        {"UPDATE message SET seq = 2" OF("tools") " AND place = 3", "tools", "its message at place 3: seq is 2"},
        {"UPDATE message SET id = 'other'" OF("tools") " AND place = 1", "tools", "id is \"other\""},
        {"INSERT INTO inbox SELECT sid, 2, 'm1', 0 FROM session WHERE id = 'talk'", "talk", "waiting message 2"},
        {"DELETE FROM inbox" OF("queue"), "queue", "its waiting message 2 is missing"},
        {"UPDATE session SET message_count = message_count + 1" OF("tools"), "tools", "message_count"},
        {"UPDATE session SET inbox = 5" OF("talk"), "talk", "inbox is 5, and the log says 0"},
        {"UPDATE session SET last_seq = last_seq - 1" OF("busy"), "busy", "last_seq"},
        {"UPDATE session SET last_seq = last_seq + 2" OF("busy"), "busy", "facts 5 to 6 are missing"},
        {"UPDATE session SET title = 'Other'" OF("queue"), "queue", "title is \"Other\", and the log says \"A title\""},
        {"UPDATE session SET unfinished = 0" OF("busy"), "busy", "unfinished is 0, and the log says 1"},
        {"UPDATE session SET unfinished = 1" OF("talk"), "talk", "unfinished is 1, and the log says 0"},
        {"UPDATE session SET state = 'done'" OF("calling"), "calling", "state is \"done\", and the log says"},
        {"UPDATE session SET epoch = 5" OF("talk"), "talk", "epoch 5, which is older"},
        {"UPDATE session SET epoch = epoch + 7" OF("talk"), "talk", "its row was written in life 8"},
        {"UPDATE session SET owner = 9" OF("busy"), "busy", "its owner is life 9"},
        {"UPDATE session SET id = 'renamed'" OF("queue"), "renamed",
         "another id than its first fact, which says queue"},
        {"DELETE FROM session WHERE id = 'queue'", "number 5", "there are facts of it, and no row"},
        {"UPDATE run SET status = 'running', ended_at = 0" OF("tools"), "tools", "run 1: status is \"running\""},
        {"UPDATE run SET prompt_tokens = prompt_tokens + 1" OF("tools"), "tools", "prompt_tokens"},
        {"DELETE FROM run" OF("busy"), "busy", "its run 1 is missing"},
        {"UPDATE head SET body = substr(body, 1, 50) || x'ff' || substr(body, 52)" OF("talk"), "talk",
         "the stored bytes of its head"},
        {"UPDATE partial SET gen = 0, round = 0" OF("busy"), "busy", "text in flight of call 1.0.0, which is over"},
        {"UPDATE partial SET epoch = epoch - 1" OF("busy"), "busy", "text in flight is of another epoch"},
        {"INSERT INTO partial SELECT sid, epoch, 1, 1, 0, '', '' FROM session WHERE id = 'talk'", "talk", "is over"},
        {"DELETE FROM boot", "talk", "was written in life 1, and the newest one is 0"},
        {"INSERT INTO boot(writer, boot, started_at) VALUES(-4, 'x', 1)", NULL, "numbers that no life can have"},
        {"INSERT INTO message VALUES(70, 1, 1, 'm')", NULL, "table message has rows of 1 sessions that are not there"},
        {"INSERT INTO inbox VALUES(70, 1, 'm', 0)", NULL, "table inbox has rows"},
        {"UPDATE run SET sid = 70" OF("talk"), NULL, "table run has rows"},
        {"UPDATE head SET sid = 70" OF("talk"), NULL, "table head has rows"},
        {"UPDATE partial SET sid = 70", NULL, "table partial has rows"},
        {"INSERT INTO letter(id, dst, src, body) VALUES(1, 'talk', 70, x'00')", NULL, "the first is number 70"},
        {"UPDATE fact SET sid = 70" OF("talk"), "number 70", "there are facts of it, and no row"},
        {"INSERT INTO session(sid, id, epoch, owner, last_seq, unfinished) VALUES(9, 'empty', 16777217, 0, 0, 0)",
         "empty", "no facts"},
        {"UPDATE receipt SET reply = replace(reply, 'm1', 'm2') WHERE session = 'talk'", "talk",
         "the reply kept under key post is damaged"},
        {"UPDATE receipt SET key = 'other' WHERE session = 'queue'", "queue", "the reply kept under key other is"},
        {"UPDATE receipt SET crc = crc + (1 << 32) WHERE session = 'nobody'", "nobody", "key look is damaged"},
        {"DELETE FROM session WHERE id = 'queue'", "queue", "a reply is kept under key post, and there is no such"},
        {"DROP TABLE receipt", NULL, "table receipt is missing"},
        {"DROP INDEX run_active", NULL, "index run_active is missing"},
        {"DROP TABLE letter", NULL, "table letter is missing"},
        {"CREATE TABLE guest(x)", NULL, "table guest is none of culm's"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        sample_put(&place);
        place_sql(&place, rows[i].sql);
        assert_says(rows[i].session, rows[i].says);
    }
}

/* ---- facts and heads with checksums that are right ---- */

static void count_more(struct session *s)
{
    s->inbox++;
}
static void reach_further(struct session *s)
{
    s->seq += 5;
}
static void call_too_many(struct session *s)
{
    s->n_calls = 200;
}

static void lies_are_found_and_named(void **state)
{
    (void)state;
    sample_put(&place);
    forge_fact(&place, 1, 7, "assistant", "{\"run\":1,\"round\":1,\"id\":\"a1\",\"text\":\"x\",\"place\":1}");
    assert_says("talk", "does not fit what is before it");
    sample_put(&place);
    forge_fact(&place, 1, 6, "budget", "{\"run\":1}");
    assert_says("talk", "fact 8 (run_started) does not fit what is before it: a run is active already");
    sample_put(&place);
    forge_epoch(&place, 2, 5, 3);
    assert_says("tools", "fact 5 (assistant) does not fit what is before it: its epoch falls");
    sample_put(&place);
    forge_epoch(&place, 1, 3, (UINT64_C(1) << 24) + 9);
    assert_says("talk", "fact 3 was written in life 9, and the newest one is 1");
    sample_put(&place);
    forge_head(&place, 1, count_more);
    assert_says("talk", "its head disagrees with the log at fact 11: inbox");
    sample_put(&place);
    forge_head(&place, 2, reach_further);
    assert_says("tools", "which the log does not have");
    sample_put(&place);
    forge_head(&place, 2, call_too_many);
    assert_says("tools", "its head is no session");
}

/* ---- bytes ---- */

static size_t find_bytes(const struct buf *bytes, struct str needle)
{
    ptrdiff_t at = str_find(buf_str(bytes), needle);

    assert_true(at >= 0);
    return (size_t)at;
}

static void a_flipped_byte_in_the_text_of_a_fact_is_found(void **state)
{
    struct buf bytes;

    (void)state;
    sample_put(&place);
    bytes = sample_read(place.database);
    bytes.p[find_bytes(&bytes, STR("CANARY answer")) + 3] ^= 1;
    sample_write(place.database, &bytes);
    buf_done(&bytes);
    assert_says("talk", "fact 5: the stored bytes are damaged");
}

static void pages_that_are_wiped_out_are_found(void **state)
{
    struct buf good;

    (void)state;
    sample_put(&place);
    good = sample_read(place.database);
    for (size_t at = 0; at < good.n; at += 4096) {
        CLEANUP(buf_done) struct buf lines = BUF_INIT, bytes = BUF_INIT;
        struct err err;

        buf_add(&bytes, good.p, good.n);
        memset(bytes.p + at, 0, 4096);
        sample_write(place.database, &bytes);
        if (check_findings(place.database, &lines, &err) == 0 && lines.n == 0)
            fail_msg("the loss of the page at %zu was not found", at);
    }
    buf_done(&good);
}

static void a_file_that_is_cut_off_is_found(void **state)
{
    struct buf good;

    (void)state;
    sample_put(&place);
    good = sample_read(place.database);
    for (size_t n = 0; n < good.n; n += 1024 + n / 8) {
        CLEANUP(buf_done) struct buf lines = BUF_INIT;
        struct buf part = {.p = good.p, .n = n};
        struct err err;

        sample_write(place.database, &part);
        if (check_findings(place.database, &lines, &err) == 0 && lines.n == 0)
            fail_msg("a cut at %zu was not found", n);
    }
    buf_done(&good);
}

/* ---- the write-ahead log ---- */

#define LOG_HEADER 32
#define LOG_FRAME (24 + 4096)

#define LAST_COMMIT 12 /* at most so many frames */

/* Frames of this log; behind them there may be some of an older one. */
static size_t count_frames(const struct buf *log)
{
    size_t n = 0;

    for (const char *at = log->p + LOG_HEADER; at + LOG_FRAME <= log->p + log->n; at += LOG_FRAME)
        n += memcmp(at + 8, log->p + 16, 8) == 0;
    return n;
}

static void damage_of_the_log_is_found(void **state)
{
    static const size_t places[] = {0, 5, 8, 17, 23, 24, 24 + 2000, LOG_FRAME - 1};
    struct sample_files f = sample_kill(&place);
    size_t n = count_frames(&f.log);

    (void)state;
    sample_files_put(&f, &place, false);
    check_place(&place);
    assert_true(n > 10);
    for (size_t i = 0; i < n - LAST_COMMIT; i += 1 + i / 16) {
        char *byte = f.log.p + LOG_HEADER + i * LOG_FRAME + places[i % ARRAY_LEN(places)];

        *byte ^= 0x10;
        sample_files_put(&f, &place, false);
        assert_says(NULL, "the write-ahead log is damaged at frame");
        *byte ^= 0x10;
    }
    for (size_t i = 0; i < LOG_HEADER; i++) {
        f.log.p[i] ^= 0x10;
        sample_files_put(&f, &place, false);
        assert_says(NULL, "the header of the write-ahead log is damaged");
        f.log.p[i] ^= 0x10;
    }
    sample_files_free(&f);
}

/* Else it looks like a commit that was never finished. */
static void damage_of_the_last_frame_is_found_while_its_index_is_there(void **state)
{
    struct sample_files f = sample_kill(&place);
    char *byte = f.log.p + LOG_HEADER + (count_frames(&f.log) - 1) * LOG_FRAME + 30;

    (void)state;
    sample_files_put(&f, &place, true);
    check_place(&place);
    *byte ^= 1;
    sample_files_put(&f, &place, true);
    assert_says(NULL, "the write-ahead log is damaged at frame");
    sample_files_put(&f, &place, false);
    check_place(&place);
    sample_files_free(&f);
}

/* As of a log that begins anew: its number is another one, and with it the sum from which the frames' go on. */
static void renew_header(struct buf *log)
{
    uint32_t word, a = 0, b = 0;

    log->p[15]++;
    for (size_t i = 0; i < 24; i += 8) {
        memcpy(&word, log->p + i, 4);
        a += word + b;
        memcpy(&word, log->p + i + 4, 4);
        b += word + a;
    }
    a = htobe32(a);
    b = htobe32(b);
    memcpy(log->p + 24, &a, 4);
    memcpy(log->p + 28, &b, 4);
}

/* Until its first frame is there, the old ones stand behind its header; all of them are in the file. */
static void a_log_that_begins_anew_is_not_damage(void **state)
{
    struct sample_files f = sample_kill(&place);

    (void)state;
    renew_header(&f.log);
    sample_files_put(&f, &place, false);
    assert_says(NULL, "the write-ahead log is damaged at frame 1");
    sample_files_free(&f);

    f = sample_kill(&place);
    sample_files_put(&f, &place, false);
    place_sql(&place, "PRAGMA wal_checkpoint(TRUNCATE)");
    buf_done(&f.database);
    f.database = sample_read(place.database);
    renew_header(&f.log);
    sample_files_put(&f, &place, false);
    check_place(&place);
    sample_files_free(&f);
}

/* A power cut in the middle of a commit: it was never acknowledged. */
static void a_commit_that_was_not_finished_is_not_damage(void **state)
{
    struct sample_files f = sample_kill(&place);
    size_t end = LOG_HEADER + count_frames(&f.log) * LOG_FRAME;

    (void)state;
    for (size_t cut = 0; cut < LAST_COMMIT * LOG_FRAME; cut += 1800) {
        struct sample_files part = f;

        part.log.n = end - cut;
        sample_files_put(&part, &place, false);
        check_place(&place);
    }
    sample_files_free(&f);
}

/* ---- anything ---- */

/* All that the store believes of what stands in the file; text in flight and the names of lives have no checksum. */
static void dump(struct buf *out)
{
    static const char *const tables[] = {"fact ORDER BY sid, seq", "session ORDER BY sid",
                                         "message ORDER BY sid, place", "inbox ORDER BY sid, seq",
                                         "run ORDER BY sid, number"};
    char name[300];
    sqlite3 *h;

    snprintf(name, sizeof(name), "file:%s?immutable=1", place.database);
    assert_int_equal(sqlite3_open_v2(name, &h, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL), SQLITE_OK);
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        char sql[80];
        sqlite3_stmt *st;

        snprintf(sql, sizeof(sql), "SELECT * FROM %s", tables[i]);
        assert_int_equal(sqlite3_prepare_v2(h, sql, -1, &st, NULL), SQLITE_OK);
        while (sqlite3_step(st) == SQLITE_ROW)
            for (int k = 0; k < sqlite3_column_count(st); k++)
                buf_addf(out, "%s|", (const char *)sqlite3_column_text(st, k));
        assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
    }
    sqlite3_close(h);
}

static void a_flipped_byte_is_found_or_changes_nothing(void **state)
{
    uint64_t seed = sample_seed();
    CLEANUP(buf_done) struct buf before = BUF_INIT;
    struct buf good;
    int found = 0;

    (void)state;
    sample_put(&place);
    good = sample_read(place.database);
    dump(&before);
    for (int n = 0; n < 400; n++) {
        CLEANUP(buf_done) struct buf lines = BUF_INIT, after = BUF_INIT;
        size_t at = (size_t)(sample_draw(&seed) % good.n);
        char bits = (char)(1 + sample_draw(&seed) % 255);
        struct err err;

        good.p[at] ^= bits;
        sample_write(place.database, &good);
        if (check_findings(place.database, &lines, &err) < 0 || lines.n > 0) {
            found++;
        } else {
            dump(&after);
            if (!str_eq(buf_str(&after), buf_str(&before)))
                fail_msg("byte %zu, bits %02x: not found", at, (unsigned char)bits);
        }
        good.p[at] ^= bits;
    }
    assert_true(found > 60); /* most bytes of a small file are in no row */
    buf_done(&good);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, place_begin, place_end)

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(a_store_that_was_worked_on_is_clean),
        CASE(a_session_longer_than_a_batch_is_clean),
        CASE(what_may_be_missing_or_new_is_not_a_finding),
        CASE(nothing_is_made_beside_a_file_that_is_nobodys),
        CASE(what_is_no_database_of_ours_is_said),
        CASE(wrong_rows_are_found_and_named),
        CASE(lies_are_found_and_named),
        CASE(a_flipped_byte_in_the_text_of_a_fact_is_found),
        CASE(pages_that_are_wiped_out_are_found),
        CASE(a_file_that_is_cut_off_is_found),
        CASE(damage_of_the_log_is_found),
        CASE(damage_of_the_last_frame_is_found_while_its_index_is_there),
        CASE(a_log_that_begins_anew_is_not_damage),
        CASE(a_commit_that_was_not_finished_is_not_damage),
        CASE(a_flipped_byte_is_found_or_changes_nothing),
    };

    return cmocka_run_group_tests_name("sqlite check", cases, NULL, NULL);
}
