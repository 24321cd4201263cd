/* SPDX-License-Identifier: MIT */
/* A process is cut at each durable step, and at any time; the next one finds what was acknowledged, and no half of
 * anything. */
#include "base/fault.h"
#include "base/str.h"
#include "store/check.h"
#include "store/life.h"
#include "store/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define SESSIONS 4
#define STEPS 40

static const char *const names[SESSIONS] = {"a", "b", "c", "d"};

/* What the child tells before it may be cut: 0 is an erased session. */
struct ack {
    int session;
    uint64_t seq;
};

/* ---- the process that is cut ---- */

static void tell(int fd, int session, uint64_t seq)
{
    struct ack ack = {session, seq};

    if (write(fd, &ack, sizeof(ack)) != (ssize_t)sizeof(ack))
        _exit(3);
}

static void live(int fd, int steps)
{
    struct driver *d = driver_new(place_open(&place));
    struct story t[SESSIONS];

    for (int i = 0; i < SESSIONS; i++)
        story_open(&t[i], d, str_of(names[i]));
    for (int n = 0; n < steps; n++) {
        const struct appended *done;
        size_t count;
        bool kept[SESSIONS];

        driver_forget(d);
        for (int i = 0; i < SESSIONS; i++) {
            struct append a;

            kept[i] = life_step(&t[i], d, (unsigned)(n * SESSIONS + i) + (unsigned)t[i].writer * 13, &a);
            a.token = (uint64_t)i;
            driver_send(d, &a);
            facts_unref(a.facts);
        }
        driver_wait_appends(d);
        count = driver_completions(d, &done);
        for (size_t k = 0; k < count; k++) {
            int i = (int)done[k].token;

            if (done[k].rc != 0)
                _exit(4);
            tell(fd, i, kept[i] ? done[k].last_seq : 0);
        }
        for (int i = 0; i < SESSIONS; i++)
            if (!kept[i])
                story_open(&t[i], d, str_of(names[i]));
    }
    driver_free(d);
}

/* Runs a life in a process of its own; acknowledgements into `acked`. Returns how it ended, as waitpid tells. */
static int spawn(const char *crash, int steps, int kill_after_acks, uint64_t acked[SESSIONS])
{
    int pipes[2], status, acks = 0;
    struct ack ack;
    pid_t pid;

    assert_int_equal(pipe(pipes), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(pipes[0]);
        if (crash != NULL)
            setenv("CULM_CRASH", crash, 1);
        if (!fault_init())
            _exit(2);
        live(pipes[1], steps);
        _exit(0);
    }
    close(pipes[1]);
    while (read(pipes[0], &ack, sizeof(ack)) == (ssize_t)sizeof(ack)) {
        acked[ack.session] = ack.seq;
        if (++acks == kill_after_acks)
            kill(pid, SIGKILL);
    }
    close(pipes[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* ---- the next process ---- */

enum how { IN_ORDER, CUT, EITHER };

/* A session may be gone: erased, and the acknowledgement did not reach us. */
static void check_all(const uint64_t acked[SESSIONS], enum how ended)
{
    struct driver *d = driver_new(place_open(&place));

    if (ended != EITHER)
        assert_int_equal(store_was_clean(driver_store(d)), ended == IN_ORDER);
    for (int i = 0; i < SESSIONS; i++) {
        struct opened *o = driver_open(d, str_of(names[i]));
        uint64_t seq = check_session(d, str_of(names[i]));

        if (seq < acked[i] && o->found)
            fail_msg("session %s: %" PRIu64 " was acknowledged, the log ends at %" PRIu64, names[i], acked[i], seq);
        if (o->found && ended != EITHER)
            assert_int_equal(o->ended_in_order, ended == IN_ORDER);
        opened_free(o);
    }
    driver_free(d);
    check_place(&place);
}

static bool was_cut_by(int status, int code)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return false;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
        fail_msg("the process ended with status %x", (unsigned)status);
    return true;
}

/* The first commit enters the life and the last one leaves it: cut at these, it is as if it had not been. */
static void cut_at(const char *point, int step, int most)
{
    char crash[64];

    for (int k = 1; k <= most; k += step) {
        uint64_t acked[SESSIONS] = {0};
        bool cut;

        snprintf(crash, sizeof(crash), "%s:%d", point, k);
        cut = was_cut_by(spawn(crash, STEPS, 0, acked), 137);
        if (!cut && k == 1)
            fail_msg("%s was never met", point);
        check_place(&place); /* as the cut left it */
        check_all(acked, cut ? EITHER : IN_ORDER);
        if (!cut)
            return;
    }
}

static void a_cut_while_the_lock_is_taken(void **state)
{
    (void)state;
    uint64_t acked[SESSIONS] = {0};

    assert_true(was_cut_by(spawn("store.lock.after:1", STEPS, 0, acked), 137));
    check_all(acked, IN_ORDER);
}

static void a_cut_while_the_tables_are_made(void **state)
{
    static const char *const points[] = {"store.schema.before:1", "store.schema.after:1"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        uint64_t acked[SESSIONS] = {0};

        place_clear(&place);
        assert_true(was_cut_by(spawn(points[i], STEPS, 0, acked), 137));
        check_all(acked, IN_ORDER);
    }
}

static void a_cut_after_a_life_was_entered(void **state)
{
    (void)state;
    uint64_t acked[SESSIONS] = {0};

    assert_true(was_cut_by(spawn("store.boot.after:1", STEPS, 0, acked), 137));
    check_all(acked, CUT);
}

static void a_cut_before_a_commit(void **state)
{
    (void)state;
    cut_at("store.commit.before", 3, 60);
}

static void a_cut_after_a_commit(void **state)
{
    (void)state;
    cut_at("store.commit.after", 3, 60);
}

static void a_cut_around_a_checkpoint(void **state)
{
    (void)state;
    cut_at("store.checkpoint.before", 1, 4);
    cut_at("store.checkpoint.after", 1, 4);
}

static void a_cut_at_the_end_of_a_life(void **state)
{
    (void)state;
    cut_at("store.close.before", 1, 1);
    cut_at("store.close.after", 1, 1);
}

static void a_kill_at_any_time(void **state)
{
    (void)state;
    for (int round = 1; round <= 12; round++) {
        uint64_t acked[SESSIONS] = {0};
        int status = spawn(NULL, 1000, round * 37, acked);

        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        check_place(&place);
        check_all(acked, CUT);
    }
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, place_begin, place_end)

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(a_cut_while_the_lock_is_taken),  CASE(a_cut_while_the_tables_are_made),
        CASE(a_cut_after_a_life_was_entered), CASE(a_cut_before_a_commit),
        CASE(a_cut_after_a_commit),           CASE(a_cut_around_a_checkpoint),
        CASE(a_cut_at_the_end_of_a_life),     CASE(a_kill_at_any_time),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
