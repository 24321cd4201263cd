/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "base/str.h"
#include "store/check.h"
#include "store/store_suite.h"
#include "store/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- commits ---- */

static void every_append_and_commit_is_counted(void **state)
{
    struct driver *d = *state;
    struct sqlite_stats before = place_stats(d), after;
    struct story s;

    story_open(&s, d, STR("counted"));
    story_create(&s, STR("T"), STR("s"));
    story_send(&s, d);
    driver_wait_appends(d);
    after = place_stats(d);
    assert_int_equal(after.appends, before.appends + 1);
    assert_int_equal(after.queued, 0);
    assert_int_equal(after.refused + after.failed, before.refused + before.failed);
    assert_true(after.commits > before.commits);
    assert_int_equal(after.flush.count, after.commits);
    assert_true(after.flush.sum_us > 0);
    assert_true(after.file_bytes > 0 && after.disk_free_bytes > 0);
}

static void what_piles_up_is_committed_together(void **state)
{
    enum { SESSIONS = 200 };
    struct driver *d = *state;
    struct story *all = mem_zalloc(SESSIONS * sizeof(*all));
    static char names[SESSIONS][16];
    uint64_t before = place_stats(d).commits;
    struct sqlite_stats s;

    for (int i = 0; i < SESSIONS; i++) {
        snprintf(names[i], sizeof(names[i]), "s%d", i);
        story_open(&all[i], d, str_of(names[i]));
    }
    for (int i = 0; i < SESSIONS; i++) {
        story_create(&all[i], STR("T"), STR("s"));
        story_send(&all[i], d);
        story_post(&all[i], STR("u"), STR("x"));
        story_send(&all[i], d);
    }
    driver_wait_appends(d);
    s = place_stats(d);
    assert_int_equal(s.appends, 2 * SESSIONS);
    assert_true(s.commits - before < SESSIONS);
    assert_true(driver_notified(d) < 2 * SESSIONS + SESSIONS);
    mem_free(all);
}

static void an_empty_store_commits_nothing(void **state)
{
    struct driver *d = *state;
    uint64_t before = place_stats(d).commits;
    struct opened *o = driver_open(d, STR("a"));

    opened_free(o);
    assert_int_equal(place_stats(d).commits, before);
}

static void wait_for_checkpoint(const struct driver *d)
{
    for (int ms = 0; ms < 60000 && place_stats(d).checkpoints == 0; ms++)
        usleep(1000);
    assert_true(place_stats(d).checkpoints > 0);
}

static void the_log_is_folded_back_when_nothing_waits(void **state)
{
    struct driver *d = *state;
    char *text = mem_zalloc(1 << 20);
    struct story t;

    memset(text, 'x', 1 << 20);
    story_open(&t, d, STR("a"));
    story_create(&t, STR("T"), STR_NULL);
    for (int i = 0; i < 6; i++) {
        story_post(&t, STR("u"), (struct str){text, 1 << 20});
        assert_int_equal(story_commit(&t, d), 0);
    }
    wait_for_checkpoint(d);
    mem_free(text);
}

/* ---- the directory ---- */

static void only_the_owner_may_look_into_the_directory(void **state)
{
    static const char *const names[] = {"culm.db", "culm.lock", "culm.db-wal", "culm.db-shm"};
    struct place inner = place;
    struct store *st;
    struct err err;
    struct stat info;
    char path[256];

    (void)state;
    snprintf(inner.dir, sizeof(inner.dir), "%s/made", place.dir);
    assert_int_equal(place_try(&inner, false, &st, &err), 0);
    assert_int_equal(stat(inner.dir, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", inner.dir, names[i]);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0600);
    }
    store_close(st);
    place_remove(&inner);
}

static void a_second_owner_is_refused_with_the_number_of_the_first(void **state)
{
    char number[32];
    struct store *st;
    struct err err;

    (void)state;
    assert_int_equal(place_try(&place, false, &st, &err), -ERR_LOCKED);
    snprintf(number, sizeof(number), "process %d since 20", (int)getpid());
    assert_non_null(strstr(err.text, number));
    assert_non_null(strstr(err.text, place.dir));
    assert_non_null(strstr(err.text, "--data-dir"));
}

static void the_lock_goes_with_its_holder(void **state)
{
    driver_free(*state);
    *state = driver_new(place_open(&place));
}

/* ---- versions ---- */

static void assert_refused(enum err_code code, const char *word)
{
    struct store *st;
    struct err err;

    for (int read_only = 0; read_only < 2; read_only++) {
        assert_int_equal(place_try(&place, read_only != 0, &st, &err), -(int)code);
        if (strstr(err.text, word) == NULL)
            fail_msg("\"%s\" does not say %s", err.text, word);
    }
}

static void a_newer_file_is_refused(void **state)
{
    driver_free(*state);
    *state = NULL;
    place_sql(&place, "PRAGMA user_version=99");
    assert_refused(ERR_VERSION, "format 99");
    assert_int_equal(place_sql(&place, "PRAGMA user_version"), 99);
}

static void a_file_of_the_first_version_is_brought_up(void **state)
{
    struct receipt r = {
        .key = STR("k"), .fingerprint = STR("f"), .at = 1, .reply = STR("{\"kind\":\"POSTED\",\"seq\":8}")};
    struct story t;

    story_open(&t, *state, STR("a"));
    story_turn(&t, *state, STR("question"), STR("answer"));
    driver_free(*state);
    *state = NULL;
    place_make_version_1(&place);
    *state = driver_new(place_open(&place));
    story_open(&t, *state, STR("a"));
    story_post(&t, STR("u2"), STR("goes on"));
    t.receipt = &r;
    assert_int_equal(story_commit(&t, *state), 0);
    driver_free(*state);
    *state = NULL;
    check_place(&place);
}

static void a_file_of_another_program_is_refused(void **state)
{
    FILE *f;

    driver_free(*state);
    *state = NULL;
    place_clear(&place);
    f = fopen(place.database, "w");
    assert(f != NULL);
    fclose(f);
    place_sql(&place, "CREATE TABLE other(x)");
    assert_refused(ERR_VERSION, "not a database of culm");
    assert_int_equal(place_sql(&place, "SELECT count(*) FROM sqlite_schema"), 1);
    place_sql(&place, "PRAGMA application_id=7");
    assert_refused(ERR_VERSION, "not a database of culm");
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    FILE *f;

    driver_free(*state);
    *state = NULL;
    place_clear(&place);
    f = fopen(place.database, "w");
    assert(f != NULL);
    for (int i = 0; i < 4096; i++)
        fputc('x', f);
    fclose(f);
    assert_refused(ERR_CORRUPT, "culm.db");
}

/* ---- reading beside the owner ---- */

static void a_reader_beside_the_owner_sees_what_is_committed(void **state)
{
    struct driver *d = *state, *reader;
    struct store *st;
    struct err err;
    struct story t;
    struct opened *o;
    struct append a;

    story_open(&t, d, STR("a"));
    story_turn(&t, d, STR("q"), STR("a"));
    assert_int_equal(place_try(&place, true, &st, &err), 0);
    reader = driver_new(st);
    assert_int_equal(store_writer(st), 0);
    o = driver_open(reader, STR("a"));
    assert_int_equal(o->rc, 0);
    assert_int_equal(o->session.seq, t.s.seq);
    opened_free(o);
    story_post(&t, STR("u"), STR("more"));
    assert_int_equal(story_commit(&t, d), 0);
    o = driver_open(reader, STR("a"));
    assert_int_equal(o->session.seq, t.s.seq);
    opened_free(o);

    story_post(&t, STR("u"), STR("by the reader"));
    a = story_step(&t);
    assert_int_equal(driver_append(reader, &a, NULL), -ERR_STORAGE);
    facts_unref(a.facts);
    driver_free(reader);
}

static void a_reader_needs_no_owner(void **state)
{
    struct driver *d = *state;
    struct store *st;
    struct err err;
    struct story t;
    struct opened *o;

    story_open(&t, d, STR("a"));
    story_turn(&t, d, STR("q"), STR("a"));
    driver_free(d);
    *state = NULL;
    assert_int_equal(place_try(&place, true, &st, &err), 0);
    assert_true(store_was_clean(st));
    d = driver_new(st);
    o = driver_open(d, STR("a"));
    assert_int_equal(o->rc, 0);
    assert_int_equal(o->session.seq, t.s.seq);
    opened_free(o);
    driver_free(d);
}

static void a_reader_of_nothing_is_told(void **state)
{
    struct place empty;
    struct store *st;
    struct err err;

    (void)state;
    place_make(&empty);
    assert_int_equal(place_try(&empty, true, &st, &err), -ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "culm serve"));
    place_remove(&empty);
}

/* ---- erasing ---- */

/* Many sessions of all sizes around the one that goes: its cells have been moved between pages before. */
static void erasing_leaves_no_byte(void **state)
{
    enum { SESSIONS = 60 };
    static const char canary[] = "CANARY-7f3a9";
    struct driver *d = *state;
    struct story *all = mem_zalloc(SESSIONS * sizeof(*all));
    static char names[SESSIONS][32], ids[SESSIONS][32], texts[SESSIONS][20000];
    struct partial p = {.run = 1, .round = 2, .text = STR("CANARY-7f3a9 in flight")};
    size_t before;

    for (int i = 0; i < SESSIONS; i++) {
        bool marked = i % 3 == 0;

        snprintf(names[i], sizeof(names[i]), "%s-%d", marked ? canary : "plain", i);
        for (int k = 0; k < 100 + i * 300; k += 20)
            snprintf(texts[i] + k, 21, "%-20s", marked ? canary : "other");
        snprintf(ids[i], sizeof(ids[i]), "GONE-%d", i); /* stays: the account feed tells who was erased */
        story_open(&all[i], d, str_of(ids[i]));
        story_create(&all[i], str_of(names[i]), str_of(names[i]));
    }
    for (int step = 0; step < 6; step++) {
        for (int i = 0; i < SESSIONS; i++) {
            story_post(&all[i], str_of(names[i]), str_of(texts[i]));
            if (step == 2)
                story_run(&all[i], str_of(names[i]));
            if (step == 3 || step == 4)
                story_round(&all[i]);
            if (step == 3 || step == 4)
                story_answer(&all[i], str_of(names[i]), str_of(texts[i]), NULL, 0);
            story_send(&all[i], d);
            store_put_partial(driver_store(d), all[i].sid, all[i].epoch, &p);
        }
        driver_wait_appends(d);
    }
    before = place_count_bytes(&place, str_of(canary));
    assert_true(before > 1000);
    for (int i = 0; i < SESSIONS; i++) {
        struct append a = story_step(&all[i]);

        a.erase = true;
        if (i % 3 == 0)
            assert_int_equal(driver_append(d, &a, NULL), 0);
        else {
            struct partial clean = {.run = 1, .round = 2, .text = STR("other")};

            store_put_partial(driver_store(d), all[i].sid, all[i].epoch, &clean);
            story_post(&all[i], STR("u"), STR("x"));
            assert_int_equal(story_commit(&all[i], d), 0);
        }
    }
    driver_free(d);
    *state = NULL;
    assert_int_equal(place_count_bytes(&place, str_of(canary)), 0);
    mem_free(all);
}

/* Not only at the end of a life: what was erased leaves the write-ahead log as soon as nothing waits. */
static void erased_bytes_leave_the_disk_while_the_server_runs(void **state)
{
    static const char canary[] = "CANARY-1c0d2";
    struct driver *d = *state;
    struct append a;
    struct story t;

    story_open(&t, d, STR("a"));
    story_turn(&t, d, str_of(canary), str_of(canary));
    assert_true(place_count_bytes(&place, str_of(canary)) > 0);
    a = story_step(&t);
    a.erase = true;
    assert_int_equal(driver_append(d, &a, NULL), 0);
    wait_for_checkpoint(d);
    assert_int_equal(place_count_bytes(&place, str_of(canary)), 0);
}

/* ---- cost ---- */

static void sessions_of_others_are_not_read(void **state)
{
    struct driver *d = *state;
    struct story t;

    story_open(&t, d, STR("a"));
    story_turn(&t, d, STR("q"), STR("a"));
    /* Names of indexes, so that nobody loses one unseen. */
    assert_int_equal(place_sql(&place, "SELECT count(*) FROM sqlite_schema WHERE name IN ('session_updated',"
                                       "'session_unfinished','session_root','fact_seq','run_id','run_active',"
                                       "'letter_dst','letter_src')"),
                     8);
}

static void text_is_stored_once(void **state)
{
    static const char canary[] = "CANARY-55e1b";
    struct driver *d = *state;
    struct story t;

    story_open(&t, d, STR("a"));
    story_turn(&t, d, str_of(canary), STR("a"));
    driver_free(d);
    *state = NULL;
    assert_int_equal(place_count_bytes(&place, str_of(canary)), 1);
}

/* ---- */

static struct store *open_place(void *arg)
{
    return place_open(arg);
}

static void clear_place(void *arg)
{
    place_clear(arg);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, place_begin_open, place_end)

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(every_append_and_commit_is_counted),
        CASE(what_piles_up_is_committed_together),
        CASE(an_empty_store_commits_nothing),
        CASE(the_log_is_folded_back_when_nothing_waits),
        CASE(only_the_owner_may_look_into_the_directory),
        CASE(a_second_owner_is_refused_with_the_number_of_the_first),
        CASE(the_lock_goes_with_its_holder),
        CASE(a_newer_file_is_refused),
        CASE(a_file_of_the_first_version_is_brought_up),
        CASE(a_file_of_another_program_is_refused),
        CASE(a_file_that_is_no_database_is_refused),
        CASE(a_reader_beside_the_owner_sees_what_is_committed),
        CASE(a_reader_needs_no_owner),
        CASE(a_reader_of_nothing_is_told),
        CASE(erasing_leaves_no_byte),
        CASE(erased_bytes_leave_the_disk_while_the_server_runs),
        CASE(sessions_of_others_are_not_read),
        CASE(text_is_stored_once),
    };
    struct store_factory factory = {.open = open_place, .clear = clear_place, .arg = &place};
    int failed;

    place_make(&place);
    failed = store_suite_run("store suite, SQLite", &factory);
    place_remove(&place);
    return failed + cmocka_run_group_tests(cases, NULL, NULL);
}
