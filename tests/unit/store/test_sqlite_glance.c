/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/str.h"
#include "store/place.h"
#include "store/sqlite/glance.h"
#include "store/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { LONG_MS = 60 * 1000 };

static void store_some(void)
{
    struct driver *d = driver_new(place_open(&place));
    struct story t;

    story_open(&t, d, STR("s1"));
    story_create(&t, STR("title"), STR("system"));
    assert_int_equal(story_commit(&t, d), 0);
    driver_free(d);
}

static void where_nothing_is_there_is_nothing_made(void **state UNUSED)
{
    struct sqlite_glance seen;
    struct err err;

    assert_int_equal(sqlite_glance("/nowhere/at/all", LONG_MS, &seen, &err), -ERR_NOT_FOUND);
    assert_int_equal(sqlite_glance(place.dir, LONG_MS, &seen, &err), -ERR_NOT_FOUND);
}

static void a_sound_file_is_counted_whole(void **state UNUSED)
{
    struct sqlite_glance seen = {0};
    struct err err;

    store_some();
    assert_int_equal(sqlite_glance(place.dir, LONG_MS, &seen, &err), 0);
    assert_int_equal(seen.sessions, 1);
    assert_true(seen.is_whole && seen.file_bytes > 0 && seen.newest_at > 0);
}

static void it_looks_beside_an_owner_without_its_lock(void **state UNUSED)
{
    struct driver *d = driver_new(place_open(&place));
    struct sqlite_glance seen = {0};
    struct err err;

    assert_int_equal(sqlite_glance(place.dir, LONG_MS, &seen, &err), 0);
    assert_int_equal(seen.sessions, 0);
    driver_free(d);
}

/* Rows enough that SQLite looks at the clock before it has gone through them. */
static void without_time_it_is_not_whole_and_not_damaged(void **state UNUSED)
{
    struct sqlite_glance seen = {.is_whole = true};
    struct err err;

    store_some();
    place_sql(&place, "INSERT INTO letter(id, dst, src, body) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
                      "FROM n WHERE i < 20000) SELECT i, 'x', i, 'x' FROM n");
    assert_int_equal(sqlite_glance(place.dir, 0, &seen, &err), 0);
    assert_false(seen.is_whole);
    assert_int_equal(seen.sessions, 1);
}

static void a_newer_or_foreign_file_is_refused(void **state UNUSED)
{
    struct sqlite_glance seen;
    struct err err;

    store_some();
    place_sql(&place, "PRAGMA user_version=1000");
    assert_int_equal(sqlite_glance(place.dir, LONG_MS, &seen, &err), -ERR_VERSION);
    place_sql(&place, "PRAGMA application_id=7");
    assert_int_equal(sqlite_glance(place.dir, LONG_MS, &seen, &err), -ERR_VERSION);
}

static void damage_is_named(void **state UNUSED)
{
    struct sqlite_glance seen;
    struct err err;
    FILE *f;

    store_some();
    f = fopen(place.database, "r+");
    if (f == NULL)
        abort();
    for (long page = 4096; page < 40 * 4096; page += 4096)
        assert_true(fseek(f, page, SEEK_SET) == 0 && fputs("no page of a tree", f) >= 0);
    fclose(f);
    assert_int_equal(sqlite_glance(place.dir, LONG_MS, &seen, &err), -ERR_CORRUPT);
    assert_true(strlen(err.text) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(where_nothing_is_there_is_nothing_made, place_begin, place_end),
        cmocka_unit_test_setup_teardown(a_sound_file_is_counted_whole, place_begin, place_end),
        cmocka_unit_test_setup_teardown(it_looks_beside_an_owner_without_its_lock, place_begin, place_end),
        cmocka_unit_test_setup_teardown(without_time_it_is_not_whole_and_not_damaged, place_begin, place_end),
        cmocka_unit_test_setup_teardown(a_newer_or_foreign_file_is_refused, place_begin, place_end),
        cmocka_unit_test_setup_teardown(damage_is_named, place_begin, place_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
