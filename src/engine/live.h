/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Inside the engine: a session that is worked on, and the queue of what waits for the disk.
 * Only files of this folder include it.
 */
#include "base/list.h"
#include "base/map.h"
#include "base/rate.h"
#include "engine/engine.h"

enum live_state {
    LIVE_OPENING, /* the store has been asked */
    LIVE_READY,
    LIVE_WAITING, /* to be fed `recovered` later: a suspect, or an append was refused */
    LIVE_ERASING, /* the removal is on its way */
    LIVE_NOTING,  /* there is no session, and a receipt that says so is on its way: what comes next waits for it */
};

/* Text as it comes from a model. */
struct flow {
    uint64_t pieces, bytes;
    struct rate rate;
};

struct live {
    struct str id;
    uint64_t token; /* names this object to the store; a new one after every reset */
    enum live_state state;
    int64_t sid;
    uint64_t row_epoch; /* of the row when it was opened */
    uint64_t epoch;     /* ours; 0: nothing claimed yet */
    struct machine m;
    struct session published; /* fold of what has been shown */
    uint64_t sent, stored;    /* appends */
    struct list queue;        /* struct held, first in first out; the one that is carried out is still in it */
    bool draining;            /* one is */
    struct list inputs;       /* struct waiting: arrived before the session was ready */
    bool unfinished;          /* known to need recovery, also while it cannot be opened */
    bool timed;               /* a deadline has passed, and was not looked after yet */
    bool suspect;             /* one of those that go on one by one; until it makes progress */
    bool charged;             /* a crash to be charged when it recovers */
    uint32_t resets;
    int64_t wake_at;    /* mono; in state WAITING, not suspect: when to open it again */
    int64_t partial_at; /* steady ms */
    struct flow flow;   /* of the active run */
    struct err refused; /* why it was reset */
    char *request;      /* that started the run `request_run`, for the log; NULL: nobody's */
    uint32_t request_run;
    struct list link; /* in engine.waiting while WAITING */
};

enum held_kind { HELD_PUBLISH, HELD_EFFECT };

/* What may happen once `needs` appends are stored. */
struct held {
    struct list link;
    enum held_kind kind;
    uint64_t needs;
    struct facts *facts; /* publish */
    struct effect effect;
    char text[]; /* what the effect's views point to */
};

struct waiting {
    struct list link;
    struct buf bytes; /* an encoded input */
};

struct watched {
    struct hub *hub;
    uint64_t token;       /* of the question to the store; 0: none on its way */
    struct list watchers; /* struct watching: not answered yet */
    bool dirty;
    struct list dirty_link;
};

struct watching {
    struct list link;
    struct watch watch;
    struct str message_id; /* the copy that watch.at points to */
};

struct engine {
    struct store *store;
    struct ports ports;
    size_t ring;
    uint64_t node;
    uint64_t generation; /* of epochs: rises with every attempt to claim */
    uint64_t next_token;
    struct map *lives;     /* by session id */
    struct map *by_token;  /* lives, by token */
    struct map *deadlines; /* by session id: how many timers of questions run */
    struct map *hubs;      /* struct watched, by session id */
    struct map *hub_tokens;
    struct map *keyed;          /* struct keyed, by session and key: requests that are on their way */
    struct map *keyed_by_token; /* those that are carried out, by the token of their reply */
    struct map *chosen;         /* struct chosen, by session and message: posts under an id of the sender's choice */
    struct map *chosen_by_token;
    struct map *tree_stops; /* struct tree_stop, by the token of their reply */
    struct feed_hub *feed;
    int64_t feed_due;    /* mono; when it was last said to want serving; -1: not */
    struct list waiting; /* lives to be recovered later */
    struct list dirty;   /* watched: something was published or somebody waits for an answer */
    struct step step;
    bool parked, scanned, deferred;
    int64_t began_wall, began_mono;
    int64_t suspect_at; /* mono; when the next suspect may go on */
    int64_t alarm_at;   /* mono; when engine_tick() was asked for; -1: not */
    size_t subscribers, queued;
    struct {
        uint64_t started, recovered, ended[RUN_END_COUNT];
        struct flow flow;
    } counted;
};

/* live.c */
struct live *live_new(struct engine *e, struct str id);
void live_free(struct engine *e, struct live *l);
void live_open(struct engine *e, struct live *l);
void live_feed(struct engine *e, struct live *l, const struct input *in);
void live_reset(struct engine *e, struct live *l, const struct err *why);
void live_refuse(struct engine *e, const struct input *in, const struct err *why);
void live_queue_input(struct live *l, const struct input *in);
void live_read_input(struct str bytes, struct arena *a, struct input *out); /* that was written in the engine */
void live_feed_queued(struct engine *e, struct live *l);
/* Frees it when nothing keeps it in memory; false: it stays. */
bool live_drop_if_idle(struct engine *e, struct live *l);

/* held.c: from here on it rests on the appends that were sent */
void held_publish(struct engine *e, struct live *l, struct facts *facts); /* the reference moves in */
void held_effect(struct engine *e, struct live *l, const struct effect *f);
void held_drain(struct engine *e, struct live *l);                         /* what rests on what is stored is done */
void held_drop(struct engine *e, struct live *l);                          /* nobody is told */
void held_refuse(struct engine *e, struct live *l, const struct err *why); /* those are told who asked */
void held_deadline_fired(struct engine *e, struct str id);

/* keyed.c */
void keyed_submit(struct engine *e, struct str id, const struct input *in); /* the input has a key and an address */
void keyed_erased(struct engine *e, struct str id); /* with the session its receipts: whoever asks now asks anew */
/* What a repeat is to be told; false: this reply has no key, or is not kept. `bytes` is the receipt's memory. */
bool keyed_receipt(struct engine *e, const struct reply *r, struct buf *bytes, struct receipt *out);
void keyed_told(struct engine *e, const struct reply *r); /* the reply was given: to those who wait for the same, too */
void keyed_forget(struct engine *e, uint64_t token);      /* it will never be given */
void keyed_free_all(struct engine *e);

/* chosen.c */
bool chosen_concerns(const struct input *in);
void chosen_submit(struct engine *e, struct str id, const struct input *in); /* one that it concerns */
void chosen_told(struct engine *e, uint64_t token);                          /* the reply was given, or never will be */
void chosen_free_all(struct engine *e);

/* tree.c */
bool tree_concerns(const struct input *in);
/* Somebody asks for the stop of a session: its reply will be that of the whole tree. */
void tree_expect_stop(struct engine *e, struct str top, const struct input *in);
void tree_submit(struct engine *e, struct str top, const struct input *in); /* one that is expected, and no repeat */
bool tree_takes_reply(struct engine *e,
                      const struct reply *r); /* false: it is not one of a tree, or no stop: tell it */
void tree_free_all(struct engine *e);

/* watch.c */
void watch_publish(struct engine *e, struct live *l, struct facts *facts);
void watch_delta(struct engine *e, struct live *l, const struct effect *f);
void watch_gone(struct engine *e, struct str id); /* the session was erased */
void watch_flush(struct engine *e);
bool watch_on_opened(struct engine *e, struct opened *o); /* false: not a question of ours */
void watch_free_all(struct engine *e);

/* feed.c */
void feed_wants(void *engine); /* for feed_hub_new() */
void feed_flush(struct engine *e);

/* run_log.c */
void run_log_request(struct live *l, const struct input *in, const struct step *st); /* remembers who starts a run */
void run_log_fact(const struct live *l, const struct fact *f); /* it is shown, and not yet in l->published */
void run_log_reset(const struct live *l, const struct err *why);

/* stats.c */
void engine_count_fact(struct engine *e, struct live *l, const struct fact *f); /* it was shown */
void engine_count_piece(struct engine *e, struct live *l, size_t bytes, int64_t now);

void engine_take(struct engine *e, struct str session_id, const struct input *in);  /* it has no key, or a new one */
void engine_admit(struct engine *e, struct str session_id, const struct input *in); /* it is to be carried out */
void engine_tell(struct engine *e, const struct reply *r); /* everything it rests on is stored, or it was refused */
/* Wall ms as it was at the start, and since then by a clock that is not set: for ages. */
int64_t engine_steady_now(const struct engine *e);
void engine_defer(struct engine *e);
void engine_arm(struct engine *e);                 /* for the first of all that is due later */
void engine_wake_at(struct engine *e, int64_t at); /* mono; something more is due then */
