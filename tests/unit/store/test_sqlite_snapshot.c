/* SPDX-License-Identifier: MIT */
/* A snapshot is the database as it was at one moment, whole or not there, and never in the place of something else. */
#include "base/fault.h"
#include "base/str.h"
#include "store/check.h"
#include "store/sample.h"
#include "store/sqlite/fault_vfs.h"
#include "store/sqlite/snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static struct place other; /* where the snapshot goes */
static char copy[256];

static int set_up(void **state)
{
    place_make(&other);
    snprintf(copy, sizeof(copy), "%s/copy.db", other.dir);
    place_begin(state);
    sample_put(&place);
    return 0;
}

static int tear_down(void **state)
{
    place_remove(&other);
    return place_end(state);
}

static const struct snapshot_options quietly = {0};

static void assert_clean(const char *file)
{
    CLEANUP(buf_done) struct buf lines = BUF_INIT;
    struct err err;

    assert_int_equal(check_findings(file, &lines, &err), 0);
    if (lines.n > 0)
        fail_msg("%s", lines.p);
}

static void assert_same_text(void)
{
    assert_int_equal(place_count_bytes(&other, STR("CANARY answer")), 1);
    assert_int_equal(place_count_bytes(&other, STR("CANARY result")), 1);
}

static uint64_t seen_done, seen_total;

static void on_progress(void *arg UNUSED, uint64_t done, uint64_t total)
{
    assert_true(done >= seen_done && done <= total);
    seen_done = done;
    seen_total = total;
}

static void a_snapshot_is_one_file_for_its_owner_alone(void **state)
{
    const struct snapshot_options o = {.progress = on_progress};
    struct stat info;
    struct err err;

    (void)state;
    seen_done = seen_total = 0;
    assert_int_equal(store_snapshot(place.database, copy, &o, &err), 0);
    assert_int_equal(stat(copy, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_true(seen_done == seen_total && seen_total == (uint64_t)info.st_size);
    assert_int_equal(place_count_files(&other), 1);
    assert_clean(copy);
    assert_same_text();
}

static void what_has_the_name_is_not_touched(void **state)
{
    struct buf mine = {.p = (char[]){"mine"}, .n = 4}, now;
    struct err err;

    (void)state;
    sample_write(copy, &mine);
    assert_int_equal(store_snapshot(place.database, copy, &quietly, &err), -ERR_CONFLICT);
    assert_non_null(strstr(err.text, "is not overwritten; name another file"));
    now = sample_read(copy);
    assert_true(str_is(buf_str(&now), "mine"));
    buf_done(&now);
    assert_int_equal(place_count_files(&other), 1);
}

static void commits_that_are_only_in_the_log_are_in_the_snapshot(void **state)
{
    struct sample_files f = sample_kill(&place);
    struct err err;

    (void)state;
    sample_files_put(&f, &place, false);
    assert_int_equal(store_snapshot(place.database, copy, &quietly, &err), 0);
    assert_clean(copy);
    assert_same_text();
    place_clear(&other);
    f.log.p[5000] ^= 1;
    sample_files_put(&f, &place, false);
    assert_int_equal(store_snapshot(place.database, copy, &quietly, &err), -ERR_CORRUPT);
    assert_non_null(strstr(err.text, "commits are lost; `culm db check` says more"));
    assert_int_equal(place_count_files(&other), 0);
    sample_files_free(&f);
}

static void what_is_wrong_with_the_database_is_found_in_the_snapshot(void **state)
{
    CLEANUP(buf_done) struct buf lines = BUF_INIT;
    struct err err;

    (void)state;
    place_sql(&place, "UPDATE session SET inbox = 7 WHERE id = 'talk'");
    assert_int_equal(store_snapshot(place.database, copy, &quietly, &err), 0);
    assert_int_equal(check_findings(copy, &lines, &err), 0);
    assert_true(str_has_prefix(buf_str(&lines), STR("session talk: its row 1: inbox is 7")));
}

static void a_database_that_is_not_there_is_said(void **state)
{
    struct err err;

    (void)state;
    place_clear(&place);
    assert_int_equal(store_snapshot(place.database, copy, &quietly, &err), -ERR_NOT_FOUND);
    assert_int_equal(place_count_files(&other), 0);
    snprintf(copy, sizeof(copy), "%s/missing/copy.db", other.dir);
    assert_true(store_snapshot(place.database, copy, &quietly, &err) < 0);
}

/* Where the disk refuses there is no snapshot, and no draft either. The last sync is of a snapshot that is there. */
static void every_failure_leaves_all_or_nothing(void **state)
{
    static const char *const kinds[] = {"open", "write", "fsync", "rename"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        bool met = true;
        int failed = 0;

        for (uint64_t k = 0; met; k++) {
            struct err err;
            int rc;

            place_clear(&other);
            fault_arm(kinds[i], k, ENOSPC, false);
            rc = store_snapshot(place.database, copy, &quietly, &err);
            met = fault_disarm();
            if (rc == 0 || access(copy, F_OK) == 0)
                assert_clean(copy);
            assert_int_equal(place_count_files(&other), access(copy, F_OK) == 0 ? 1 : 0);
            assert_true(rc == 0 || met);
            failed += rc != 0;
        }
        assert_true(failed > 0);
    }
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(a_snapshot_is_one_file_for_its_owner_alone),
        CASE(what_has_the_name_is_not_touched),
        CASE(commits_that_are_only_in_the_log_are_in_the_snapshot),
        CASE(what_is_wrong_with_the_database_is_found_in_the_snapshot),
        CASE(a_database_that_is_not_there_is_said),
        CASE(every_failure_leaves_all_or_nothing),
    };

    fault_vfs_install();
    return cmocka_run_group_tests_name("sqlite snapshot", cases, NULL, NULL);
}
