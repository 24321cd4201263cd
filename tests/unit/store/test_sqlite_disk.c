/* SPDX-License-Identifier: MIT */
/* The disk refuses: what was acknowledged stays, what was not says so, reads go on, and so does everything else
 * afterwards. */
#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/check.h"
#include "store/life.h"
#include "store/place.h"
#include "store/sqlite/fault_vfs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#define SESSIONS 3

static const char *const names[SESSIONS] = {"a", "b", "c"};

/* ---- the k-th call of a kind fails ---- */

struct lives {
    struct story t[SESSIONS];
    uint64_t acked[SESSIONS];
    unsigned n;
};

static void begin_lives(struct lives *l, struct driver *d)
{
    memset(l, 0, sizeof(*l));
    for (int i = 0; i < SESSIONS; i++)
        story_open(&l->t[i], d, str_of(names[i]));
}

/* As an owner does: what was not stored is a crash of that one session, which is opened anew. */
static void take_outcome(struct lives *l, struct driver *d, int i, const struct appended *done, bool kept)
{
    if (done->rc == 0) {
        l->acked[i] = kept ? done->last_seq : 0;
        if (kept)
            return;
    } else {
        uint64_t generation = l->t[i].generation;

        assert_true(done->rc == -ERR_STORAGE || done->rc == -ERR_REFUSED);
        assert_int_equal(done->err.code, -done->rc);
        story_open(&l->t[i], d, str_of(names[i]));
        if (generation > l->t[i].generation)
            l->t[i].generation = generation;
        assert_true(l->t[i].s.seq >= l->acked[i] || !kept);
        return;
    }
    story_open(&l->t[i], d, str_of(names[i]));
}

static unsigned run_lives(struct lives *l, struct driver *d, int steps)
{
    unsigned failures = 0;

    for (int n = 0; n < steps; n++) {
        const struct appended *done;
        bool kept[SESSIONS];
        struct appended copy[SESSIONS];

        driver_forget(d);
        for (int i = 0; i < SESSIONS; i++) {
            struct append a;

            kept[i] = life_step(&l->t[i], d, l->n++, &a);
            a.token = (uint64_t)i;
            driver_send(d, &a);
            facts_unref(a.facts);
        }
        driver_wait_appends(d);
        assert_int_equal(driver_completions(d, &done), SESSIONS);
        memcpy(copy, done, sizeof(copy));
        for (int k = 0; k < SESSIONS; k++) {
            int i = (int)copy[k].token;

            failures += copy[k].rc != 0;
            take_outcome(l, d, i, &copy[k], kept[i]);
        }
    }
    return failures;
}

static void check_lives(const struct lives *l, struct driver *d)
{
    for (int i = 0; i < SESSIONS; i++)
        assert_true(check_session(d, str_of(names[i])) >= l->acked[i]);
}

/* A fault that lasts is met again when the appends of a batch are tried one by one: those are told. */
static void every_fault_of(struct driver **d, const char *kind, int sys, bool lasting)
{
    struct lives *l = mem_zalloc(sizeof(*l));
    bool met = true;

    for (unsigned k = 0; met; k += k < 20 ? 1 : 7) {
        unsigned failures;

        driver_free(*d);
        place_clear(&place);
        *d = driver_new(place_open(&place));
        begin_lives(l, *d);
        fault_arm(kind, k, sys, lasting);
        failures = run_lives(l, *d, 6);
        met = fault_disarm();
        if (!met)
            assert_int_equal(failures, 0);
        if (met && lasting && k < 10)
            assert_true(failures > 0);
        assert_int_equal(run_lives(l, *d, 3), 0); /* without a restart */
        check_lives(l, *d);
        driver_free(*d);
        check_place(&place);
        *d = driver_new(place_open(&place));
        check_lives(l, *d);
    }
    mem_free(l);
}

static void any_write_may_find_the_disk_full(void **state)
{
    every_fault_of((struct driver **)state, "write", ENOSPC, false);
    every_fault_of((struct driver **)state, "write", ENOSPC, true);
}

static void any_write_may_fail(void **state)
{
    every_fault_of((struct driver **)state, "write", EIO, false);
    every_fault_of((struct driver **)state, "write", EIO, true);
}

static void any_sync_may_fail(void **state)
{
    every_fault_of((struct driver **)state, "fsync", EIO, false);
    every_fault_of((struct driver **)state, "fsync", EIO, true);
}

/* ---- after a sync that failed ---- */

static void a_connection_whose_sync_failed_is_given_up(void **state)
{
    struct driver *d = *state;
    struct story t;

    story_open(&t, d, STR("a"));
    story_create(&t, STR("T"), STR_NULL);
    assert_int_equal(story_commit(&t, d), 0);
    assert_int_equal(place_stats(d).reopened, 0);
    fault_arm("fsync", 0, EIO, false);
    story_post(&t, STR("u"), STR("x"));
    assert_int_equal(story_commit(&t, d), 0); /* tried again on a new connection */
    assert_true(fault_disarm());
    assert_int_equal(place_stats(d).reopened, 1);
    assert_int_equal(check_session(d, t.id), 2);
}

static void a_file_that_cannot_be_opened_again_is_tried_again(void **state)
{
    struct driver *d = *state;
    struct appended done;
    struct append a;
    struct story t;

    story_open(&t, d, STR("a"));
    story_create(&t, STR("T"), STR_NULL);
    assert_int_equal(story_commit(&t, d), 0);
    fault_arm("fsync", 0, EIO, true);
    story_post(&t, STR("u"), STR("x"));
    a = story_step(&t);
    assert_int_equal(driver_append(d, &a, &done), -ERR_STORAGE);
    fault_arm("open", 0, EIO, true);
    assert_int_equal(driver_append(d, &a, &done), -ERR_STORAGE);
    assert_int_equal(driver_append(d, &a, &done), -ERR_STORAGE);
    assert_true(done.err.text[0] != '\0');
    assert_int_equal(check_session(d, t.id), 1); /* reads go on */
    fault_disarm();
    assert_int_equal(driver_append(d, &a, &done), 0);
    facts_unref(a.facts);
    assert_int_equal(check_session(d, t.id), 2);
}

static void a_life_that_cannot_be_left_in_order_is_not(void **state)
{
    struct driver *d = *state;
    struct story t;

    story_open(&t, d, STR("a"));
    story_create(&t, STR("T"), STR_NULL);
    assert_int_equal(story_commit(&t, d), 0);
    fault_arm("write", 0, ENOSPC, true);
    driver_free(d);
    fault_disarm();
    d = *state = driver_new(place_open(&place));
    assert_false(store_was_clean(driver_store(d)));
    assert_int_equal(check_session(d, t.id), 1);
}

static void a_disk_that_is_full_at_start_is_said(void **state)
{
    struct place other;
    struct store *st;
    struct err err;

    (void)state;
    place_make(&other);
    fault_arm("write", 0, ENOSPC, true);
    assert_int_equal(place_try(&other, false, &st, &err), -ERR_STORAGE);
    fault_disarm();
    assert_int_equal(err.sys, ENOSPC);
    assert_non_null(strstr(err.text, "No space left on device"));
    assert_int_equal(place_try(&other, false, &st, &err), 0);
    store_close(st);
    place_remove(&other);
}

/* ---- a real disk that is full ---- */

static struct place small;

static int mount_small(void **state)
{
    place_make(&small);
    if (geteuid() != 0 || mount("culm-test", small.dir, "tmpfs", 0, "size=8m") != 0) {
        place_remove(&small);
        small.dir[0] = '\0';
    }
    *state = NULL;
    return 0;
}

static int unmount_small(void **state)
{
    driver_free(*state);
    if (small.dir[0] != '\0') {
        umount2(small.dir, MNT_DETACH);
        place_remove(&small);
    }
    return 0;
}

static void filler_path(char path[256])
{
    snprintf(path, 256, "%s/filler", small.dir);
}

static void fill(size_t leave)
{
    static char block[4096];
    char path[256];
    off_t size = 0;
    int fd;

    filler_path(path);
    fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    assert_true(fd >= 0);
    while (write(fd, block, sizeof(block)) == (ssize_t)sizeof(block))
        size += (off_t)sizeof(block);
    assert_int_equal(ftruncate(fd, size - (off_t)leave), 0);
    close(fd);
}

static void make_room(void)
{
    char path[256];

    filler_path(path);
    assert_int_equal(unlink(path), 0);
}

static void post_until_refused(struct driver *d, struct story *t, uint64_t *acked)
{
    static char text[3000];

    memset(text, 'y', sizeof(text));
    for (int n = 0; n < 10000; n++) {
        struct appended done;
        struct append a;

        story_post(t, STR("u"), (struct str){text, sizeof(text)});
        a = story_step(t);
        driver_append(d, &a, &done);
        facts_unref(a.facts);
        if (done.rc != 0) {
            assert_int_equal(done.rc, -ERR_STORAGE);
            assert_non_null(strstr(done.err.text, "No space left on device"));
            return;
        }
        *acked = done.last_seq;
    }
    fail_msg("the disk never filled");
}

/* The write-ahead log takes all the room there is; then room comes back, three times over. */
static void a_full_disk_and_room_again(void **state)
{
    uint64_t acked = 0;
    struct driver *d;
    struct story t;

    if (small.dir[0] == '\0')
        skip();
    d = *state = driver_new(place_open(&small));
    for (int round = 0; round < 3; round++) {
        fill(round == 1 ? 0 : 400 * 1024);
        story_open(&t, d, STR("a"));
        if (round == 0)
            story_create(&t, STR("T"), STR_NULL);
        post_until_refused(d, &t, &acked);
        assert_int_equal(check_session(d, STR("a")), acked);
        make_room();
        story_open(&t, d, STR("a"));
        assert_int_equal(t.s.seq, acked);
        story_post(&t, STR("u"), STR("room"));
        assert_int_equal(story_commit(&t, d), 0);
        assert_int_equal(check_session(d, STR("a")), ++acked);
        if (round == 1) { /* the inbox is bounded: answer it */
            story_run(&t, STR("r"));
            story_round(&t);
            story_end(&t, END_CANCELLED);
            assert_int_equal(story_commit(&t, d), 0);
            acked = t.s.seq;
        }
    }
    driver_free(d);
    d = *state = driver_new(place_open(&small));
    assert_int_equal(check_session(d, STR("a")), acked);
}

/* Appends that need no new room go on for ever: the log is folded back into the file and begins anew. */
static void a_log_that_fills_the_disk_makes_room_for_itself(void **state)
{
    struct driver *d;
    struct story t;
    struct append a;

    if (small.dir[0] == '\0')
        skip();
    d = *state = driver_new(place_open(&small));
    story_open(&t, d, STR("a"));
    story_create(&t, STR("T"), STR_NULL);
    assert_int_equal(story_commit(&t, d), 0);
    driver_free(d); /* so that the file has its pages */
    d = *state = driver_new(place_open(&small));
    fill(160 * 1024);
    story_open(&t, d, STR("a"));
    a = story_step(&t);
    for (int i = 0; i < 200; i++) {
        int rc = driver_append(d, &a, NULL); /* claimed again and again: one page each time */

        if (rc != 0)
            fail_msg("claim %d: %d", i, rc);
        a.expect = a.epoch;
        a.epoch += 1 << 24;
    }
    make_room();
    assert_int_equal(check_session(d, t.id), 1);
}

static void what_is_too_big_for_the_room_does_not_hurt_its_neighbours(void **state)
{
    enum { NEIGHBOURS = 6 };
    static const char *const ids[NEIGHBOURS] = {"n0", "n1", "n2", "n3", "n4", "n5"};
    size_t size = 2 << 20;
    const struct appended *done;
    struct story big, t[NEIGHBOURS];
    struct driver *d;
    char *text;
    bool failed = false;

    if (small.dir[0] == '\0')
        skip();
    d = *state = driver_new(place_open(&small));
    text = mem_zalloc(size);
    memset(text, 'z', size);
    story_open(&big, d, STR("big"));
    story_create(&big, STR("T"), STR_NULL);
    assert_int_equal(story_commit(&big, d), 0);
    for (int i = 0; i < NEIGHBOURS; i++)
        story_open(&t[i], d, str_of(ids[i]));
    fill(700 * 1024);
    driver_forget(d);
    for (int i = 0; i < NEIGHBOURS; i++) {
        story_create(&t[i], STR("T"), STR_NULL);
        story_send(&t[i], d);
        if (i == 2) {
            story_post(&big, STR("u"), (struct str){text, size});
            story_send(&big, d);
        }
    }
    driver_wait_appends(d);
    for (size_t i = 0; i < driver_completions(d, &done); i++) {
        bool is_big = done[i].sid == big.sid;

        assert_int_equal(done[i].rc, is_big ? -ERR_STORAGE : 0);
        failed |= is_big;
    }
    assert_true(failed);
    make_room();
    story_open(&big, d, STR("big"));
    story_post(&big, STR("u"), (struct str){text, size});
    assert_int_equal(story_commit(&big, d), 0);
    mem_free(text);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, place_begin_open, place_end)
#define SMALL(fn) cmocka_unit_test_setup_teardown(fn, mount_small, unmount_small)

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(any_write_may_find_the_disk_full),
        CASE(any_write_may_fail),
        CASE(any_sync_may_fail),
        CASE(a_connection_whose_sync_failed_is_given_up),
        CASE(a_file_that_cannot_be_opened_again_is_tried_again),
        CASE(a_life_that_cannot_be_left_in_order_is_not),
        CASE(a_disk_that_is_full_at_start_is_said),
        SMALL(a_full_disk_and_room_again),
        SMALL(a_log_that_fills_the_disk_makes_room_for_itself),
        SMALL(what_is_too_big_for_the_room_does_not_hurt_its_neighbours),
    };

    fault_vfs_install();
    return cmocka_run_group_tests(cases, NULL, NULL);
}
