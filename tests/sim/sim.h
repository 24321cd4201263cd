/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The whole server but its edges, in simulated time: real session, run, engine and hub; simulated
 * clock, disk, provider, tools, people, watchers and death. Everything follows from one seed, so
 * a failing story is replayed by its number. One story = a minute of faults, then calm, in which
 * everything must come to an end.
 */
#include "base/map.h"
#include "engine/engine.h"

#define SIM_SESSIONS 5
#define SIM_CHILDREN 2 /* the last of them */
#define SIM_WATCHERS 6
#define SIM_OVERSEERS 3
#define SIM_FAULTS_MS 60000
#define SIM_CALM_MS 2400000

/* What the swarm turned on for this seed. */
struct sim_faults {
    bool deaths, refusals, provider, tools, deletes, slow_disk, clock, keys, feed;
};

struct sim;
struct sim_event; /* one thing that will happen */
typedef void sim_fn(struct sim *w, void *arg, uint64_t a);

struct sim {
    uint64_t seed, rng;
    uint64_t clock_rng, feed_rng; /* drawn apart: the rest of a story is the same without */
    bool verbose;
    int64_t now;       /* rises; the wall clock is somewhere else */
    int64_t clock_off; /* by so much */
    uint64_t order;
    struct sim_event *heap;
    size_t heap_n, heap_cap;
    struct sim_faults faults;

    /* this life of the server */
    struct engine *engine;
    uint64_t life;           /* number of the life; the writer number of its epochs */
    bool dead;               /* nothing of this life reaches the world any more */
    int64_t port_calls_left; /* death after so many; < 0: not planned */
    uint64_t alarm_no;

    struct disk *disk;
    struct actors *actors; /* provider and tools */
    struct people *people;
    struct keys *keys;
    struct watcher *watchers;
    struct account *account;
    struct overseer *overseers;

    /* the most that any watcher has seen of the newest message of a session */
    struct shown {
        char message[ID_TEXT];
        size_t bytes;
    } shown[SIM_SESSIONS];

    uint64_t hash; /* of the log, in the order of the commits: I-DETER */
    uint64_t facts, deaths, resets, events, tool_runs, texts;
};

/* world.c */
uint64_t sim_random(struct sim *w);
uint64_t sim_below(struct sim *w, uint64_t n);
bool sim_chance(struct sim *w, unsigned percent);
void sim_after(struct sim *w, int64_t delay_ms, sim_fn *fn, void *arg, uint64_t a);
uint64_t sim_feed_below(struct sim *w, uint64_t n);
bool sim_turn(struct sim *w, int64_t until); /* false: nothing left before `until` */
void sim_boot(struct sim *w);
void sim_clock(struct sim *w); /* begins to set the clock now and then */
void sim_die(struct sim *w);
bool sim_port(struct sim *w); /* false: the server died before this call */
void sim_fail(struct sim *w, const char *invariant, const char *fmt, ...) PRINTF(3, 4) NORETURN;
void sim_tell(struct sim *w, const char *fmt, ...) PRINTF(2, 3); /* where one story is told alone */
struct str sim_session_name(unsigned i);
bool sim_is_child(unsigned i);                           /* of the first session */
void sim_put_family(unsigned session, struct input *in); /* in case it makes the session */

/* disk.c: the store port in memory, with a queue, group commit of a random part, late answers and refusals */
struct disk *disk_new(struct sim *w);
void disk_free(struct disk *d);
struct store *disk_mount(struct disk *d); /* for the new life */
void disk_server_died(struct disk *d);
const struct fact *disk_fact(const struct disk *d, struct str session, uint64_t seq); /* NULL: not stored */
const struct session *disk_fold(const struct disk *d, struct str session);            /* NULL: no such session */
bool disk_is_quiet(const struct disk *d, struct str session);        /* nothing decided is on its way */
uint64_t disk_incarnation(const struct disk *d, struct str session); /* counts erasures */
/* The same, for what somebody is shown or asks now: UINT64_MAX, as if neither, while the server learns of an erasure.
 */
uint64_t disk_incarnation_seen(const struct disk *d, struct str session);
/* Made now, told later, if the server that asked still lives. `owns_arg`: else nobody frees it. */
void disk_answer(struct sim *w, int64_t in_ms, struct answer *a, query_fn *done, void *arg, bool owns_arg);
void disk_check_end(struct disk *d);

/* actors.c */
struct actors *actors_new(struct sim *w);
void actors_free(struct actors *a);
void actors_server_died(struct actors *a);
void actors_fill(struct actors *a, struct ports *p);

/* people.c */
struct people *people_new(struct sim *w);
void people_free(struct people *p);
void people_start(struct people *p);
void people_server_died(struct people *p);
void people_reply(struct people *p, const struct reply *r);
void people_check_end(struct people *p);

/* keys.c: people who come again with an old Idempotency-Key */
struct keys *keys_new(struct sim *w);
void keys_free(struct keys *k);
void keys_start(struct keys *k);
void keys_server_died(struct keys *k);
bool keys_reply(struct keys *k, const struct reply *r);                        /* false: it is for somebody else */
void keys_check_fact(struct sim *w, struct str session, const struct fact *f); /* as it is committed */
void keys_check_end(struct keys *k);

/* receipts.c: what the disk keeps for them */
struct receipts *receipts_new(void);
void receipts_free(struct receipts *r);
const struct receipt *receipts_find(const struct receipts *r, struct str session, struct str key); /* NULL: none */
void receipts_put(struct receipts *r, struct str session, const struct receipt *receipt);
void receipts_erase(struct receipts *r, struct str session);
struct receipt *receipt_copy(const struct receipt *r); /* one block, to be freed */

/* watchers.c */
void watchers_new(struct sim *w);
void watchers_free(struct sim *w);
void watchers_start(struct sim *w);
void watchers_server_died(struct sim *w);
void watchers_check_end(struct sim *w);

/* account.c: the account feed of the disk */
struct account *account_new(void);
void account_free(struct account *a);
void account_put(struct account *a, struct str session, const struct fact *f); /* it is stored */
void account_erase(struct account *a, struct str session);
uint64_t account_newest(const struct account *a); /* number up to which there is an event */
/* The first event above `after` that is there; false: none. */
bool account_next(const struct account *a, uint64_t after, struct feed_row *out);
void account_read(const struct account *a, uint64_t after, size_t places, struct answer *out); /* a page */

/* overseers.c: watchers of the account feed */
void overseers_new(struct sim *w);
void overseers_free(struct sim *w);
void overseers_start(struct sim *w);
void overseers_server_died(struct sim *w);
void overseers_query(struct sim *w, const struct query *q, query_fn *done, void *arg); /* of the hub or of them */
void overseers_tell(struct sim *w);                                                    /* something was committed */
void overseers_check_end(struct sim *w);

/* check.c: judges every fact as it is committed */
void check_fact(struct sim *w, const struct session *before, const struct fact *f);
bool check_same_fold(const struct session *a, const struct session *b);
void check_model_call(struct sim *w, const struct model_call *call);
