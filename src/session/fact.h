/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A fact: what must survive, one numbered record of one session. The table below is the only
 * list of kinds; fact.c has one table of fields per kind, from which the stored JSON body is
 * read and written. `struct fact` is wide and flat: a kind uses its own fields, the rest is zero.
 *
 * Facts travel as `struct facts`, an immutable reference-counted block that holds all facts of
 * one step with their text: the store, the queue of the session and the hub share it. Any thread.
 */
#include "session/price.h"

/* X(kind, stored name, class on the wire: FACT has a numbered frame, LATEST the newest only, HIDDEN none) */
#define FACT_KINDS(X)                                                                                                  \
    X(SESSION_CREATED, "session_created", HIDDEN)                                                                      \
    X(SESSION_UPDATED, "session_updated", LATEST)                                                                      \
    X(MESSAGE_POSTED, "message_posted", FACT)                                                                          \
    X(MESSAGE_WITHDRAWN, "message_withdrawn", HIDDEN)                                                                  \
    X(MESSAGE_EDITED, "message_edited", FACT)                                                                          \
    X(MESSAGES_REMOVED, "messages_removed", FACT)                                                                      \
    X(MESSAGE_IMPORTED, "message_imported", HIDDEN)                                                                    \
    X(RUN_STARTED, "run_started", FACT)                                                                                \
    X(RUN_RECOVERED, "run_recovered", FACT)                                                                            \
    X(ROUND_STARTED, "round_started", LATEST)                                                                          \
    X(MODEL_FAILED, "model_failed", FACT)                                                                              \
    X(ASSISTANT, "assistant", FACT)                                                                                    \
    X(BUDGET, "budget", LATEST)                                                                                        \
    X(BUDGET_EXCEEDED, "budget_exceeded", FACT)                                                                        \
    X(CALL_STARTED, "call_started", FACT)                                                                              \
    X(CALL_ENDED, "call_ended", FACT)                                                                                  \
    X(QUESTION_ASKED, "question_asked", FACT)                                                                          \
    X(QUESTION_CLOSED, "question_closed", FACT)                                                                        \
    X(CANCEL_REQUESTED, "cancel_requested", HIDDEN)                                                                    \
    X(RUN_QUEUED, "run_queued", HIDDEN)                                                                                \
    X(RUN_ENDED, "run_ended", FACT)

enum fact_kind {
    FACT_UNKNOWN, /* written by a newer culm: kept, not folded */
#define X(kind, name, wire) FACT_##kind,
    FACT_KINDS(X)
#undef X
        FACT_KIND_COUNT
};

enum fact_wire { FACT_WIRE_HIDDEN, FACT_WIRE_FACT, FACT_WIRE_LATEST };

struct fact {
    uint64_t seq, epoch;
    int64_t at; /* ms since the epoch, wall time of the writer */
    enum fact_kind kind;
    uint32_t run, round, gen; /* 0: not of a run */

    struct str id;        /* session_created: session; message_*, assistant: message; run_*: run id;
                             call_ended: message id of the result; question_*: question */
    struct str discarded; /* run_recovered, model_failed: id of the message whose text is void; empty: none was begun */
    struct str text;      /* of the message, result, error, question or answer */
    struct str reasoning;
    struct str title, system, provider, model, effort, workspace;
    struct str parent;              /* session_created: parent session */
    struct str root;                /* session_created: root session, itself for a root */
    struct str source;              /* session_created: session that it is a copy of, or empty */
    struct str last;                /* messages_removed, message_withdrawn: what is the last one now, or empty */
    struct str key;                 /* Idempotency-Key of the input that caused it */
    struct str call_id, tool, args; /* call_* */
    struct str reason;              /* run_ended: of suspended and budget: for what, by which limit */
    struct str by;                  /* cancel_requested, run_ended, question_closed: who */
    struct str options;             /* question_asked: JSON array of strings, or empty */
    struct str fallback;            /* question_asked: the answer if nobody gives one in time, or empty */
    struct record_list calls;       /* assistant: struct call[] */
    struct usage usage;             /* assistant, model_failed: of the call; run_ended: sum of the run */
    struct budget budget;
    struct run_limits limits; /* run_started, run_queued; session_created, session_updated: of all its runs */
    struct price price;       /* run_started: of its model */
    uint64_t nonce;           /* session_created: key of derived ids */
    int64_t due;              /* model_failed: when the next try begins; question_asked: when it expires, 0: never */
    int64_t tokens;         /* round_started, model_failed, run_recovered: estimate reserved for the call that begins */
    int64_t cost;           /* micros; where `tokens` is an estimate the most it may cost; assistant, run_ended: spent;
                               budget_exceeded: of money, what had to be left for the next calls at most */
    int64_t ms;             /* run_ended: from its start, by a clock that nobody sets */
    int64_t limit, actual;  /* budget_exceeded */
    int64_t bytes;          /* message_edited: by so much the text grew; messages_removed, message_withdrawn: of text */
    int64_t written_at;     /* message_edited, message_imported: when the message was made */
    uint64_t last_seq;      /* message_withdrawn: that posted `last` */
    uint64_t of_seq;        /* message_withdrawn: its message_posted; session_created: the source's as of then */
    uint32_t call;          /* dense number of the call */
    uint32_t admitted;      /* round_started: messages taken from the inbox */
    uint32_t depth;         /* session_created */
    uint32_t rounds;        /* run_ended */
    uint32_t place;         /* assistant, call_ended, message_edited, message_imported: place in the transcript;
                               messages_removed: of the first */
    uint32_t upto, removed; /* messages_removed: place behind the last; how many there were */
    int origin, end, failure, outcome, stop, how, role; /* the enumerations of types.h */
    bool interrupted;                                   /* assistant: the text was cut */
    bool repaired;                                      /* assistant: it is not quite what was sent */
    bool closing;                                       /* round_started: the last round of a run out of budget */
    bool retry;                                         /* model_failed: another try follows */
    bool charged;                                       /* run_recovered: the crash counts against the run */
    bool allow_custom;                                  /* question_asked: other answers than the options are taken */
    bool later;                                         /* message_posted, _withdrawn: not for the run that is active */
    bool pending;    /* messages_removed: a run has something to do with what is left */
    bool unattended; /* run_started: nobody is there to answer questions */
    bool set_title, set_pinned, set_model, set_effort, set_limits, pinned; /* session_updated */
};

struct facts {
    uint32_t refs; /* atomic */
    uint32_t n;
    size_t bytes; /* of the block */
    struct fact *items;
};

struct facts *facts_new(const struct fact *items, uint32_t n); /* deep copy in one block */
struct facts *facts_ref(struct facts *f);
void facts_unref(struct facts *f); /* NULL is fine */

const char *fact_kind_name(enum fact_kind kind);
enum fact_kind fact_kind_find(struct str name); /* FACT_UNKNOWN: not one of ours */
enum fact_wire fact_wire_class(enum fact_kind kind);

/* The stored body: one JSON object; seq, epoch, at and kind stand beside it. */
void fact_write(const struct fact *f, struct buf *out);
/* Fills what the kind uses; the header fields are the caller's. Strings live in the arena or in `body`. */
NODISCARD int fact_read(enum fact_kind kind, struct str body, struct arena *a, struct fact *out, struct err *err);
