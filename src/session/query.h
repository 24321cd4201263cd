/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Questions about what is stored, answered from the tables (never from live objects). A query is
 * carried out on a reader thread; its answer holds one arena with everything in it and is freed
 * by the callback's receiver with answer_free().
 */
#include "session/feed.h"
#include "session/receipt.h"
#include "session/session.h"

enum query_kind {
    QUERY_FACTS,       /* session_id; after/before, limit, kinds, seqs -> facts */
    QUERY_MESSAGES,    /* session_id; after_message, limit (newest ones) -> messages, total */
    QUERY_INBOX,       /* session_id; after_message -> messages that wait, oldest first; is_taken */
    QUERY_SESSION,     /* session_id -> sessions[0]; ERR_NOT_FOUND */
    QUERY_SESSIONS,    /* search, state, cursor or offset, limit -> sessions, total, next */
    QUERY_RUN,         /* run_id -> runs[0]; ERR_NOT_FOUND */
    QUERY_RUNS,        /* session_id, limit -> runs, newest first */
    QUERY_ACTIVE,      /* -> runs that are active, all sessions */
    QUERY_UNFINISHED,  /* -> session_ids to recover */
    QUERY_BUSY,        /* session_id, before -> session_ids below it in which a run is active or a question is open */
    QUERY_QUESTIONS,   /* session_id, or empty: of all; cursor, limit -> questions that are open, oldest first, next */
    QUERY_RECEIPT,     /* session_id (which need not exist), key -> receipts[0], or none */
    QUERY_HAS_MESSAGE, /* session_id (which need not exist), after_message: an id -> is_taken */
    QUERY_FEED,        /* after, limit, bytes -> feed, first_seq, last_seq, upto, more */
};

#define QUERY_SEQS_MAX 16

struct query {
    enum query_kind kind;
    struct str session_id, run_id;
    uint64_t after, before; /* facts: after < seq < before; before 0: no bound, and oldest first.
                               With `newest` set, newest first. busy: only what was so before this fact of the session
                               was stored; 0: what is so now */
    bool newest;
    uint64_t seqs[QUERY_SEQS_MAX]; /* facts: exactly these where n_seqs > 0 */
    uint32_t n_seqs;
    uint64_t at_seq;          /* session, messages: as they were right after this fact; 0: as they are */
    int64_t within_ms;        /* with at_seq: from asking to the answer, else ERR_TIMEOUT; 0: LIMIT_PAST_MS */
    uint32_t limit;           /* 0: the page limits of the limit table */
    uint32_t bytes;           /* facts: of memory; 0: as the limit table says. messages, inbox: of what is
                                 stored; 0: no bound */
    uint64_t kinds;           /* facts: bit per enum fact_kind; 0: all */
    bool with_fold;           /* session: also what the log alone says, see session_row_take_fold() */
    bool without_runs;        /* messages: the names of their runs are not wanted */
    bool without_texts;       /* messages, inbox: what they say and the calls they make is not wanted */
    bool exactly;             /* messages: after_message itself, or nothing */
    uint32_t before_place;    /* messages: of lower places only; 0: no bound */
    struct str after_message; /* messages: only what follows it; unknown: everything. Others: is_taken is about it */
    struct str search, state, cursor, session_kind, root; /* sessions */
    struct str key;                                       /* receipt */
    uint32_t offset;
};

struct message {
    uint32_t place;
    uint64_t seq;
    int64_t at;
    int role; /* enum role */
    struct str id, text, reasoning;
    struct record_list calls; /* struct call[] */
    struct str call_id, tool; /* role tool */
    struct str run_id;
    int64_t bytes; /* of text and of the arguments of calls, also where they are left out */
    int outcome;   /* role tool: enum call_outcome */
    bool success, interrupted, repaired;
    bool later; /* inbox: not for the run that is active */
};

struct session_row {
    int64_t sid;
    struct str id, title, parent, root, provider, model, effort, workspace, last_error, last_run_id, doing;
    struct str state;           /* the word of session_state_word() */
    struct str last_run_status; /* pending, running, suspended, completed, error, cancelled; empty: never ran */
    struct str source;          /* the session it is a copy of, or empty */
    uint64_t source_seq;        /* as of that fact of it */
    uint64_t last_seq, metadata_version, title_version;
    int64_t created_at, updated_at;
    uint32_t depth, message_count, inbox, open_questions;
    bool pinned, title_set, is_running;
    struct budget budget;
    bool has_budget;
    int64_t cost;             /* micros, of runs that have ended */
    bool has_fold;            /* the two below are known */
    struct run_limits limits; /* of all runs together */
    struct spent spent;       /* by all of them, what is in flight included */
};

struct run_row {
    struct str id, session_id, parent_run, status, end, error, failure, origin, provider, model;
    int64_t started_at, ended_at; /* 0: still active */
    uint32_t number, rounds, crashes, calls;
    struct usage usage;
    int64_t cost; /* micros */
};

/* One event of the account feed. */
struct feed_row {
    uint64_t seq; /* of the feed */
    int64_t at;
    enum feed_event event;
    struct str session_id;
    uint64_t title_version;  /* of the title that the event brings; 0: it is not the session's title any more */
    const struct fact *fact; /* NULL: the event has none */
};

struct question_row {
    struct str session_id, session_title, root;
    struct fact asked;
};

struct answer {
    struct arena arena;
    int rc; /* 0 or a negative code, then err */
    struct err err;
    struct facts *facts;          /* QUERY_FACTS; with the session's first and last seq below */
    uint64_t first_seq, last_seq; /* also with at_seq; feed: of what is kept; sessions: last_seq is that of the feed;
                                     messages, inbox: last_seq alone */
    bool no_such_fact;            /* at_seq is not between them: this is all there is in the answer */
    struct feed_row *feed;
    uint64_t upto; /* feed: everything up to this number has been looked at */
    bool more;     /* facts, messages, inbox, runs, sessions, feed: the page was cut */
    bool is_taken; /* inbox: the message asked for is in the transcript; has_message: there, or it waits */
    struct message *messages;
    struct session_row *sessions;
    struct run_row *runs;
    struct question_row *questions;
    struct str *session_ids;
    struct receipt *receipts;
    size_t n;        /* items of whichever list it is */
    uint64_t total;  /* messages: in all; sessions: matching */
    struct str next; /* sessions: cursor of the next page, or empty */
};

typedef void query_fn(void *arg, struct answer *answer); /* loop thread; the receiver frees */
void session_row_take_fold(struct session_row *row, const struct session *s);
struct answer *answer_new(void);
void answer_free(struct answer *a);

/* The transcript entry that a fact makes; false if it makes none. Views into the fact. */
bool message_from_fact(const struct fact *f, struct message *out);
