/* SPDX-License-Identifier: MIT */
/* One connection: what it does when a statement fails at the worst moment. */
#include "base/fault.h"
#include "base/str.h"
#include "store/place.h"
#include "store/sqlite/db.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char count[] = "SELECT count(*) FROM word";

static void open_as(struct db *db, enum db_mode mode)
{
    struct err err;

    *db = (struct db){0};
    assert_int_equal(db_open(db, place.database, mode, &err), 0);
}

static void run(struct db *db, const char *sql)
{
    struct err err;

    if (db_run(db, sql, NO_VALUES, &err) < 0)
        fail_msg("%s: %s", sql, err.text);
}

/* 0: all of the log was folded back, and it is empty; 1: somebody was in the way. */
static int64_t checkpoint(struct db *writer)
{
    static const char sql[] = "PRAGMA wal_checkpoint(TRUNCATE)";
    struct err err;
    int64_t busy = -1;

    assert_int_equal(db_number(writer, sql, NO_VALUES, &busy, &err), 1);
    return busy;
}

/* A writer with a table, and a reader whose transaction has begun before the last word was written. */
static void begin(struct db *writer, struct db *reader)
{
    static const char table[] = "CREATE TABLE word(text)", word[] = "INSERT INTO word VALUES ('one')",
                      transaction[] = "BEGIN";
    struct err err;
    int64_t n = -1;

    open_as(writer, DB_WRITER);
    assert_int_equal(db_exec(writer, "PRAGMA journal_mode = WAL", &err), 0);
    run(writer, table);
    run(writer, word);
    open_as(reader, DB_READER);
    run(reader, transaction);
    assert_int_equal(db_number(reader, count, NO_VALUES, &n, &err), 1);
    assert_int_equal(n, 1);
    run(writer, word);
    sqlite3_busy_timeout(writer->h, 0);
    assert_int_equal(checkpoint(writer), 1);
}

static void a_transaction_that_is_left_is_in_nobodys_way(void **state UNUSED)
{
    struct db writer, reader;

    begin(&writer, &reader);
    db_rollback(&reader);
    assert_non_null(reader.h);
    assert_int_equal(checkpoint(&writer), 0);
    db_close(&reader);
    db_close(&writer);
}

static void one_that_cannot_be_left_goes_with_its_connection(void **state UNUSED)
{
    struct db writer, reader;

    begin(&writer, &reader);
    fault_arm("sql", 0, 0, false);
    db_rollback(&reader);
    assert_true(fault_disarm());
    assert_null(reader.h);
    assert_int_equal(checkpoint(&writer), 0);
    db_close(&reader);
    db_close(&writer);
}

static void outside_of_a_transaction_there_is_nothing_to_leave(void **state UNUSED)
{
    struct db writer;

    open_as(&writer, DB_WRITER);
    fault_arm("sql", 0, 0, false);
    db_rollback(&writer);
    assert_false(fault_disarm());
    assert_non_null(writer.h);
    db_close(&writer);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, place_begin, place_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_transaction_that_is_left_is_in_nobodys_way),
        CASE(one_that_cannot_be_left_goes_with_its_connection),
        CASE(outside_of_a_transaction_there_is_nothing_to_leave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
