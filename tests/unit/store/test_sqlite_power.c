/* SPDX-License-Identifier: MIT */
/*
 * The power goes after every single write, sync, truncation, creation and deletion of a life, and of the life that
 * recovers from it: what was acknowledged is there, what was not is there whole or not at all, and the store goes on.
 * CULM_POWER_SEEDS (2) disks are tried for each, with the seeds from CULM_POWER_FROM (1) on.
 */
#include "base/buf.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/check.h"
#include "store/life.h"
#include "store/place.h"
#include "store/power_disk.h"
#include "store/power_vfs.h"
#include "store/sqlite/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SESSIONS 3
#define NEVER SIZE_MAX

#ifdef __SANITIZE_ADDRESS__
#define STRIDE 5 /* of the writes; a start of the store costs five times as much here */
#else
#define STRIDE 1
#endif

static const char *const names[SESSIONS] = {"a", "b", "c"};

/* An append, with the numbers of events that were on the tape when it was sent and when it was acknowledged. */
struct step {
    int session;
    size_t sent, acked;
    uint64_t seq; /* 0: erased */
    uint32_t sum; /* of the whole session after it */
};

struct history {
    struct step *steps;
    size_t n, cap;
};

/* Where the power went, for the message of a test that fails. */
static struct {
    bool open;
    struct buf text;
} cut;

static struct place first, second, third; /* of the life, of the one after a cut, of the one after that */
static uint64_t seeds, seed_from;

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);

    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static int set_up(void **state)
{
    *state = NULL;
    seeds = number_of("CULM_POWER_SEEDS", 2);
    seed_from = number_of("CULM_POWER_FROM", 1);
    place_make(&first);
    place_make(&second);
    place_make(&third);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fault_disarm();
    if (cut.open)
        print_error("%s\n", cut.text.p);
    cut.open = false;
    buf_done(&cut.text);
    place_remove(&first);
    place_remove(&second);
    place_remove(&third);
    return 0;
}

/* ---- a life, on tape ---- */

struct life {
    struct history *h;
    struct driver *d;
    struct story t[SESSIONS];
    unsigned n;
};

static uint32_t sum_of(const struct session *s)
{
    return crc32c_add(0, s, sizeof(*s));
}

static struct step *add_step(struct history *h, int session, const struct session *after)
{
    struct step *s;

    h->steps = mem_grow(h->steps, &h->cap, h->n + 1, sizeof(*s));
    s = &h->steps[h->n++];
    *s = (struct step){.session = session, .sent = power_vfs_events(), .acked = NEVER};
    s->seq = after->seq;
    s->sum = sum_of(after);
    return s;
}

static void begin_life(struct life *l, struct history *h, const struct place *p)
{
    struct store *st;
    struct err err;

    if (place_try(p, false, &st, &err) < 0)
        fail_msg("the store does not open: %s", err.text);
    l->h = h;
    l->d = driver_new(st);
    for (int i = 0; i < SESSIONS; i++)
        story_open(&l->t[i], l->d, str_of(names[i]));
}

static void send(struct life *l, int i, const struct append *a, bool kept)
{
    struct session none;

    session_init(&none);
    add_step(l->h, i, kept ? &l->t[i].s : &none);
    driver_send(l->d, a);
    facts_unref(a->facts);
}

static void take_acks(struct life *l, size_t from)
{
    const struct appended *done;
    size_t now, count;

    driver_wait_appends(l->d);
    now = power_vfs_events();
    count = driver_completions(l->d, &done);
    for (size_t i = 0; i < count; i++)
        if (done[i].rc != 0)
            fail_msg("an append was refused: %s", done[i].err.text);
    assert_int_equal(count, l->h->n - from);
    for (size_t i = from; i < l->h->n; i++)
        l->h->steps[i].acked = now;
}

/* One step of each session, all at once. */
static void live(struct life *l, int rounds)
{
    for (int round = 0; round < rounds; round++) {
        size_t from = l->h->n;
        bool kept[SESSIONS];

        driver_forget(l->d);
        for (int i = 0; i < SESSIONS; i++) {
            struct append a;

            kept[i] = life_step(&l->t[i], l->d, l->n++, &a);
            send(l, i, &a, kept[i]);
        }
        take_acks(l, from);
        for (int i = 0; i < SESSIONS; i++)
            if (!kept[i])
                story_open(&l->t[i], l->d, str_of(names[i]));
    }
}

static uint64_t checkpoints_of(const struct life *l)
{
    struct sqlite_stats stats;

    sqlite_store_stats(driver_store(l->d), &stats);
    return stats.checkpoints;
}

static void wait_for_checkpoint(const struct life *l, uint64_t before)
{
    for (int ms = 0; ms < 60000 && checkpoints_of(l) == before; ms++)
        usleep(1000);
    assert_true(checkpoints_of(l) > before);
}

/* What was erased leaves the log as well: a checkpoint that truncates it. */
static void erase(struct life *l, int i)
{
    uint64_t before = checkpoints_of(l);
    size_t from = l->h->n;
    struct append a = story_step(&l->t[i]);

    a.erase = true;
    driver_forget(l->d);
    send(l, i, &a, false);
    take_acks(l, from);
    wait_for_checkpoint(l, before);
    story_open(&l->t[i], l->d, str_of(names[i]));
}

/* A batch that the disk refuses once is tried again after a checkpoint, with EIO on a connection of its own. */
static void live_through(struct life *l, int sys)
{
    uint64_t before = checkpoints_of(l);

    fault_arm("sql", 4, sys, false);
    live(l, 1);
    assert_true(fault_disarm());
    assert_true(checkpoints_of(l) > before);
}

static void end_life(struct life *l)
{
    driver_free(l->d);
    l->d = NULL;
}

/* From an empty directory: the tables are made, every kind of checkpoint is, the log begins anew and is made anew. */
static struct power_tape *two_lives(struct history *h)
{
    struct life *l = mem_zalloc(sizeof(*l));

    power_vfs_start(first.dir);
    begin_life(l, h, &first);
    live(l, 4);
    live_through(l, ENOSPC);
    live(l, 3); /* over the log from its start */
    erase(l, 1);
    live(l, 2);
    live_through(l, EIO);
    live(l, 1);
    end_life(l);
    begin_life(l, h, &first);
    live(l, 2);
    erase(l, 0);
    live(l, 1);
    end_life(l);
    mem_free(l);
    return power_vfs_stop();
}

/* ---- what is found ---- */

static bool is_after(const struct opened *o, const struct step *s)
{
    return o->found ? o->session.seq == s->seq && sum_of(&o->session) == s->sum : s->seq == 0;
}

/* After the last step acknowledged before event `at`, or after one that was on its way. */
static void check_found(const struct history *h, size_t at, int session, const struct opened *o)
{
    const struct step *acked = NULL;
    bool known = false;

    for (size_t i = 0; i < h->n; i++) {
        const struct step *s = &h->steps[i];

        if (s->session != session || s->sent > at)
            continue;
        if (s->acked <= at) {
            acked = s;
            known = false; /* what came before it is over */
        }
        known |= is_after(o, s);
    }
    if (known || (acked == NULL && !o->found))
        return;
    fail_msg("session %s: seq %" PRIu64 " was acknowledged, found is seq %" PRIu64, names[session],
             acked == NULL ? 0 : acked->seq, o->session.seq);
}

static void check_all(struct driver *d, const struct history *h, size_t at)
{
    for (int i = 0; i < SESSIONS; i++) {
        struct opened *o = driver_open(d, str_of(names[i]));

        if (o->rc != 0)
            fail_msg("session %s does not open: %s", names[i], o->err.text);
        check_found(h, at, i, o);
        assert_int_equal(check_session(d, str_of(names[i])), o->session.seq);
        opened_free(o);
    }
}

static void cut_into(const struct power_disk *disk, uint64_t seed, const struct place *p)
{
    place_clear(p);
    buf_clear(&cut.text);
    buf_addf(&cut.text, "seed %" PRIu64 ": ", seed);
    power_disk_tell(disk, &cut.text);
    cut.open = true;
    power_disk_cut(disk, seed, p->dir);
}

/* What a cut leaves is no damage, torn as it may be; at first there is no file, or one in the making. */
static void check_what_is_left(const struct place *p)
{
    CLEANUP(buf_done) struct buf lines = BUF_INIT;
    struct err err;
    int rc = check_findings(p->database, &lines, &err);

    if (rc < 0 && rc != -ERR_NOT_FOUND && rc != -ERR_VERSION)
        fail_msg("%s", err.text);
    if (lines.n > 0)
        fail_msg("found in what the cut left: %s", lines.p);
}

/* The machine starts again; the store is there, and goes on. */
static void check_after_cut(const struct power_disk *disk, uint64_t seed, const struct history *h,
                            const struct place *p)
{
    struct store *st;
    struct driver *d;
    struct story t;
    struct err err;

    cut_into(disk, seed, p);
    check_what_is_left(p);
    if (place_try(p, false, &st, &err) < 0)
        fail_msg("the store does not open: %s", err.text);
    d = driver_new(st);
    check_all(d, h, power_disk_at(disk));
    story_open(&t, d, STR("new"));
    story_create(&t, STR("It goes on"), STR_NULL);
    assert_int_equal(story_commit(&t, d), 0);
    driver_free(d);
    check_place(p);
    cut.open = false;
}

/* After each event of the tape; where there is nothing to choose, one seed is all. Of the writes, each `stride`-th. */
static size_t walk(const struct power_tape *tape, const struct history *h, const struct place *p, size_t stride)
{
    struct power_disk *disk = power_disk_new(tape);
    size_t cuts = 0;
    bool more = true;

    while (more) {
        uint64_t n = power_disk_is_sure(disk) ? 1 : seeds;

        if (power_disk_last(disk) == POWER_WRITE && power_disk_at(disk) % stride != 0)
            n = 0;
        for (uint64_t i = 0; i < n; i++)
            check_after_cut(disk, seed_from + i, h, p);
        cuts += n;
        more = power_disk_next(disk);
    }
    power_disk_free(disk);
    return cuts;
}

static size_t count_events(const struct power_tape *tape, enum power_kind kind)
{
    size_t count = 0;

    for (size_t i = tape->begin; i < tape->n; i++)
        count += tape->events[i].kind == kind;
    return count;
}

static void the_power_goes_at_any_time(void **state)
{
    struct history h = {0};
    struct power_tape *tape = two_lives(&h);

    (void)state;
    assert_true(count_events(tape, POWER_TRUNCATE) > 0 && count_events(tape, POWER_DELETE) > 0);
    assert_true(walk(tape, &h, &second, STRIDE) > tape->n / STRIDE);
    mem_free(h.steps);
    power_tape_free(tape);
}

/* ---- again, while the store recovers ---- */

/* What the first cut left was shown to somebody by now: it counts as acknowledged. */
static struct power_tape *life_after(struct history *h, const struct place *p)
{
    struct life *l = mem_zalloc(sizeof(*l));

    h->n = 0;
    power_vfs_start(p->dir);
    begin_life(l, h, p);
    for (int i = 0; i < SESSIONS; i++) {
        struct step *s = add_step(h, i, &l->t[i].s);

        s->sent = s->acked = 0;
    }
    live(l, 1);
    end_life(l);
    mem_free(l);
    return power_vfs_stop();
}

static void the_power_goes_again_while_the_store_recovers(void **state)
{
    const size_t every = seeds > 2 ? 7 : 101, stride = STRIDE * (seeds > 2 ? 1 : 7);
    struct history h = {0}, after = {0};
    struct power_tape *tape = two_lives(&h), *next;
    struct power_disk *disk = power_disk_new(tape);
    size_t cuts = 0;

    (void)state;
    while (power_disk_next(disk)) {
        if (power_disk_at(disk) % every != 0 || power_disk_is_sure(disk))
            continue;
        cut_into(disk, seed_from, &second);
        next = life_after(&after, &second);
        cut.open = false;
        cuts += walk(next, &after, &third, stride);
        power_tape_free(next);
    }
    assert_true(cuts > tape->n / every);
    power_disk_free(disk);
    mem_free(h.steps);
    mem_free(after.steps);
    power_tape_free(tape);
}

/* ---- a log so long that it is folded back by itself ---- */

static void the_power_goes_while_a_long_log_is_folded_back(void **state)
{
    const size_t size = (size_t)3 << 20;
    struct life *l = mem_zalloc(sizeof(*l));
    struct history h = {0};
    struct power_tape *tape;
    char *text = mem_alloc(size);

    (void)state;
    memset(text, 'y', size);
    power_vfs_start(first.dir);
    begin_life(l, &h, &first);
    live(l, 1);
    for (int i = 0; i < 2; i++) {
        uint64_t before = checkpoints_of(l);
        struct append a;

        story_post(&l->t[i], STR("long"), (struct str){text, size});
        a = story_step(&l->t[i]);
        driver_forget(l->d);
        send(l, i, &a, true);
        take_acks(l, h.n - 1);
        if (i == 1)
            wait_for_checkpoint(l, before);
    }
    live(l, 1);
    end_life(l);
    tape = power_vfs_stop();
    walk(tape, &h, &second, seeds > 2 ? 37 : 499);
    power_tape_free(tape);
    mem_free(h.steps);
    mem_free(text);
    mem_free(l);
}

/* ---- the disk itself ---- */

enum { OLD, NEW }; /* names of the tape below */

/* A file that is there; one more that is written, then synced, then its directory: the tape up to `n` events of it. */
static struct power_tape *small_tape(size_t n)
{
    static const struct power_event all[] = {
        {.kind = POWER_CREATE, .file = OLD},
        {.kind = POWER_WRITE, .file = OLD, .n = 1024},
        {.kind = POWER_SYNC, .file = OLD},
        {.kind = POWER_SYNC_DIRECTORY, .file = OLD},
        {.kind = POWER_WRITE, .file = OLD, .n = 1024},
        {.kind = POWER_CREATE, .file = NEW},
        {.kind = POWER_WRITE, .file = NEW, .n = 512},
        {.kind = POWER_SYNC, .file = NEW},
        {.kind = POWER_SYNC_DIRECTORY, .file = NEW},
    };
    struct power_tape *t = mem_zalloc(sizeof(*t));

    t->events = mem_alloc(sizeof(all));
    memcpy(t->events, all, sizeof(all));
    t->n = n;
    for (size_t i = 0; i < t->n; i++) {
        struct power_event *e = &t->events[i];

        if (e->n > 0)
            e->bytes = memset(mem_alloc(e->n), i < 4 ? 'o' : 'n', e->n);
    }
    t->files = mem_calloc(2, sizeof(*t->files));
    t->files[NEW].name = NEW;
    t->n_files = t->n_names = 2;
    snprintf(t->names[OLD], sizeof(t->names[0]), "old");
    snprintf(t->names[NEW], sizeof(t->names[0]), "new");
    return t;
}

/* -1: not there; else its length. */
static long read_back(const char *name, char out[1025])
{
    char path[512];
    size_t n;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", second.dir, name);
    f = fopen(path, "rb");
    if (f == NULL)
        return -1;
    n = fread(out, 1, 1024, f);
    fclose(f);
    out[n] = '\0';
    return (long)n;
}

/* What was found over many seeds. */
struct outcomes {
    unsigned old, written, half, torn; /* of the file that was there */
    unsigned gone, empty, whole;       /* of the new one */
};

static void count_outcome(struct outcomes *all)
{
    char bytes[1025] = {0};
    size_t fresh = 0;
    long n = read_back("old", bytes);

    assert_int_equal(n, 1024);
    for (size_t i = 0; i < 1024; i++) {
        assert_true(bytes[i] == 'o' || bytes[i] == 'n');
        fresh += bytes[i] == 'n';
    }
    all->old += fresh == 0;
    all->half += fresh == 512;
    all->written += fresh == 1024;
    all->torn += fresh % 512 != 0;
    n = read_back("new", bytes);
    all->gone += n < 0;
    all->empty += n == 0;
    all->whole += n == 512 && strspn(bytes, "n") == 512;
}

static struct outcomes outcomes_after(size_t events)
{
    struct power_tape *tape = small_tape(events);
    struct power_disk *disk = power_disk_new(tape);
    struct outcomes all = {0};

    while (power_disk_next(disk))
        ;
    for (uint64_t seed = 0; seed < 200; seed++) {
        place_clear(&second);
        power_disk_cut(disk, seed, second.dir);
        count_outcome(&all);
    }
    power_disk_free(disk);
    power_tape_free(tape);
    return all;
}

static void what_was_not_synced_is_there_or_lost_or_torn(void **state)
{
    struct outcomes all = outcomes_after(4);

    (void)state;
    assert_true(all.old == 200 && all.gone == 200);
    all = outcomes_after(5);
    assert_true(all.old > 0 && all.written > 0 && all.half > 0 && all.torn > 0 && all.gone == 200);
    all = outcomes_after(7);
    assert_true(all.gone > 0 && all.empty > 0 && all.whole > 0);
}

static void a_synced_file_needs_its_directory_synced_too(void **state)
{
    struct outcomes all = outcomes_after(8);

    (void)state;
    assert_true(all.gone > 0 && all.whole > 0 && all.gone + all.whole == 200);
    all = outcomes_after(9);
    assert_true(all.whole == 200);
    assert_true(all.old > 0 && all.written > 0); /* the sync of one is not that of the other */
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(what_was_not_synced_is_there_or_lost_or_torn),
        CASE(a_synced_file_needs_its_directory_synced_too),
        CASE(the_power_goes_at_any_time),
        CASE(the_power_goes_again_while_the_store_recovers),
        CASE(the_power_goes_while_a_long_log_is_folded_back),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
