/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What may happen to a session. Inputs are flat, encodable values without pointers to live
 * things: what a person causes can be queued or sent to another node as bytes. Late inputs name
 * their (run, round, gen) or call; that key is the whole test for lateness.
 */
#include "session/session.h"

/* X(kind, wire name, may be encoded: caused by a person) */
#define INPUT_KINDS(X)                                                                                                 \
    X(CREATE, "create", true)                                                                                          \
    X(POST, "post", true)     /* makes the session where it is missing and `session_id` names it */                    \
    X(RESUME, "resume", true) /* start a run if there is something to do */                                            \
    X(CANCEL, "cancel", true)                                                                                          \
    X(ANSWER, "answer", true) /* to a question */                                                                      \
    X(UPDATE, "update", true)                                                                                          \
    X(WITHDRAW, "withdraw", true)   /* a message that no run has taken yet */                                          \
    X(EDIT, "edit", true)           /* a message of the transcript */                                                  \
    X(REMOVE, "remove", true)       /* messages of the transcript */                                                   \
    X(DELETE, "delete", true)       /* the session; with change.seen only if it is as it was then */                   \
    X(RECOVERED, "recovered", true) /* this session was loaded after a crash, a refused append or a take-over */       \
    X(TIMER_QUESTION, "timer_question", true) /* may come when the session is not in memory any more */                \
    X(DELTA, "delta", false)                                                                                           \
    X(MODEL_DONE, "model_done", false)                                                                                 \
    X(MODEL_FAILED, "model_failed", false)                                                                             \
    X(TOOL_DONE, "tool_done", false)                                                                                   \
    X(TIMER_RETRY, "timer_retry", false)                                                                               \
    X(TIMER_RUN, "timer_run", false)                                                                                   \
    X(TIMER_CALL, "timer_call", false)                                                                                 \
    X(TIMER_CANCEL, "timer_cancel", false)

enum input_kind {
#define X(kind, name, person) INPUT_##kind,
    INPUT_KINDS(X)
#undef X
        INPUT_KIND_COUNT
};

enum delta_channel { DELTA_TEXT, DELTA_REASONING, DELTA_CHANNELS };

/* Where a reply goes: a token of the node that took the request. token 0: nobody waits. */
struct reply_to {
    uint64_t node, token;
};

/* What execute does where a run is active. X(name, wire name) */
#define BUSY_CHOICES(X)                                                                                                \
    X(JOIN, "join")           /* it is that run; what waits is taken at its next round */                              \
    X(ENQUEUE, "enqueue")     /* another run follows when it has ended */                                              \
    X(INTERRUPT, "interrupt") /* it is stopped, and another one begins at once */                                      \
    X(REJECT, "reject")       /* nothing is done */
enum busy {
#define X(name, wire) BUSY_##name,
    BUSY_CHOICES(X)
#undef X
};
extern const char *const busy_names[];

struct client_sync {
    bool present;
    int64_t message_count;
    struct str last_message_id;
    bool has_pending_question;
    struct str pending_tool_call_id;
};
extern const struct record client_sync_record;

/* A message that is made elsewhere: the new text of one, or one of another session. */
struct old_message {
    struct str id, text, reasoning, call_id, tool;
    struct record_list calls; /* struct call[] */
    int role, outcome;        /* enum role, enum call_outcome */
    uint32_t place;           /* edit; else they follow each other */
    int64_t written_at;
    bool interrupted;
};

/*
 * A change of what is stored, by somebody who has looked at it as it was after fact `seen`. Where that has changed
 * since, nothing is done, and the reply says so.
 */
struct change {
    uint64_t seen;
    uint32_t place, upto, removed; /* remove: places, and how many messages stand there */
    int64_t bytes;                 /* of text: by so much an edited message grows; else what goes away */
    struct str last;               /* id of what is the last one then */
    bool pending;                  /* remove: a run has something to do with what is left */
    int how;                       /* remove: enum removal */
    uint64_t of_seq;               /* withdraw: the fact that posted it */
    uint64_t last_seq;             /* withdraw: the one that posted `last` */
    bool later;                    /* withdraw: it is one for after the run */
    uint32_t left;                 /* messages that were seen and are left, for the reply */
};

struct input {
    enum input_kind kind;
    int64_t now;    /* wall ms; set by the engine */
    int64_t steady; /* ms of a clock that nobody sets, for lengths; set by the engine */
    struct reply_to from;
    struct str key;         /* Idempotency-Key, or empty */
    struct str fingerprint; /* with a key: of what was asked; the same request has the same */
    bool recall;            /* with a key: it cannot be done as things are now, but its first reply may be there */
    struct str request;     /* name of the request that brought it, for the log, or empty */

    uint32_t run, round, gen, call; /* key of late inputs; cancel: run 0 means whichever */
    uint64_t set_by;                /* timers: the live object that set it; one that is gone has no timers */
    struct str run_id;              /* cancel: only this run (Bamboo-Run-Id) */
    struct str by;                  /* cancel, answer: who */
    bool stopped_below;             /* cancel: something that was at work below the session is being stopped */

    /* create, post, update */
    struct str session_id;
    uint64_t nonce;
    struct str title, system, provider, model, effort, workspace;
    struct str parent, root; /* where it makes a session below another one: that one, and the first of all */
    uint32_t depth;          /* and how far below that one */
    bool set_title, set_pinned, set_model, set_effort, set_limits, pinned;
    struct run_limits session_limits; /* create, update: of all runs of the session */
    uint64_t if_match;                /* metadata version; 0: whichever */
    struct str message_id;
    struct str text; /* post: message; delta: piece; tool_done: result; model_failed: error */
    bool execute;    /* post: and start */
    bool later;      /* post: not for the run that is active */
    bool is_taken;   /* post: another message of the session has this message_id */

    struct change change;        /* edit, remove, withdraw */
    struct record_list messages; /* struct old_message[]: edit: the new one; create: those of its source */
    struct str source;           /* create: the session they come from */
    uint64_t of_seq;             /* create: as of that fact of it */

    /* answer; text is what the person says */
    struct str call_id, question_id; /* which question; both empty: the first that is open */
    bool dismiss;

    /* post with execute, resume */
    struct client_sync sync;
    struct run_limits limits;
    int origin;      /* enum run_origin */
    bool unattended; /* nobody is there to answer questions */
    int busy;        /* enum busy: what is done where a run is active */

    /* recovered */
    bool charged; /* the last life crashed (as opposed to: was stopped in order) */

    /* delta, model_done, model_failed, tool_done */
    int channel;              /* enum delta_channel */
    struct record_list calls; /* model_done: struct call[], effects resolved */
    struct usage usage;
    int stop;        /* enum stop_reason */
    int failure;     /* enum failure */
    int64_t wait_ms; /* model_failed: Retry-After of the provider; timers: what is left of a long one; 0: none */
    bool repaired;   /* model_done: broken UTF-8 was replaced, or calls beyond the limit left out */
    int outcome;     /* tool_done: enum call_outcome */
};

const char *input_kind_name(enum input_kind kind);
bool input_is_personal(enum input_kind kind);
/* For inputs of a person only. Reading wants the same version; strings live in the arena. */
void input_write(const struct input *in, struct buf *out);
NODISCARD int input_read(struct str bytes, struct arena *a, struct input *out, struct err *err);

/* What the person is told, once everything it rests on is durable. */
#define REPLIES(X)                                                                                                     \
    X(CREATED)                                                                                                         \
    X(POSTED)    /* message_id, seq */                                                                                 \
    X(STARTED)   /* run_id */                                                                                          \
    X(RUNNING)   /* already running: run_id */                                                                         \
    X(NOTHING)   /* nothing to do */                                                                                   \
    X(NEED_SYNC) /* the client's view differs: sync_reason */                                                          \
    X(NO_MODEL)  /* nothing was done: a run would have to begin, and nobody says with which model */                   \
    X(UNPRICED)  /* nothing was done: money is limited, and nobody knows what the model costs */                       \
    X(NOT_FOUND)                                                                                                       \
    X(TAKEN)          /* post: another message has the id that was chosen: message_id */                               \
    X(EXISTS)         /* create: the id is taken */                                                                    \
    X(QUEUED)         /* a run follows the active one: run_id of that */                                               \
    X(BUSY)           /* rejected, as asked for: run_id of the active run */                                           \
    X(STOPPED)        /* run_id */                                                                                     \
    X(ANSWERED)       /* question_id; started, already_running and run_id, if it goes on at once */                    \
    X(NO_QUESTION)    /* none is open, or the named one is over */                                                     \
    X(OTHER_QUESTION) /* another one is open: pending_call_id */                                                       \
    X(BAD_ANSWER)     /* not one of the options: error says which there are */                                         \
    X(NO_RUN)         /* cancel: none active */                                                                        \
    X(OTHER_RUN)      /* cancel: another run than the named one */                                                     \
    X(UPDATED)                                                                                                         \
    X(CHANGED) /* edit, remove, withdraw: removed, left */                                                             \
    X(MOVED)   /* the same: what was looked at is not as it was; look again */                                         \
    X(STALE)   /* update: if_match did not fit */                                                                      \
    X(DELETED)                                                                                                         \
    X(KEY_REUSED)  /* the key belongs to another request */                                                            \
    X(KEY_EXPIRED) /* its reply is not kept any more */                                                                \
    X(NO_RECEIPT)  /* recall: there was no such request */                                                             \
    X(FULL)        /* the inbox is full */                                                                             \
    X(UNAVAILABLE) /* not stored: try again; error says why */
enum reply_kind {
#define X(kind) REPLY_##kind,
    REPLIES(X)
#undef X
};

struct reply {
    enum reply_kind kind;
    struct reply_to to;
    char run_id[ID_TEXT];
    char message_id[ID_MAX + 1]; /* posted: the message's */
    uint64_t seq;                /* posted: of the fact; else of the session at that moment */
    bool started;                /* posted with execute: a run was started, run_id is its id */
    bool already_running;        /* posted with execute: run_id is that of the run that will take it */
    uint32_t removed, left;      /* changed: messages */
    bool queued;                 /* posted with execute: run_id is that of the run that another one follows */
    /* the server's view, for client_sync */
    const char *sync_reason; /* NULL: no mismatch; static text, or borrowed for the call where replayed */
    uint32_t message_count;
    char last_message_id[ID_MAX + 1];
    bool has_pending_message, has_question;
    char pending_call_id[ID_MAX + 1]; /* of the first open question; cut if longer */
    char question_id[ID_TEXT];        /* answered */
    uint64_t metadata_version;
    struct err err; /* unavailable, bad answer */
    /* A repeat under its key: all the above was decided for an earlier request, of this name. Borrowed for the call. */
    bool replayed;
    struct str request;
};
