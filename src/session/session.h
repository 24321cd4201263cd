/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A session is what its facts add up to. `struct session` is the decision fold: a bounded plain
 * value, copied by assignment, no pointers, no clock. Store, run machine, hub and recovery use
 * the same session_fold(); nothing else changes a field. Message bodies are not in it. Any
 * thread: it is only a value.
 */
#include "base/id.h"
#include "base/limits.h"
#include "session/fact.h"

#define SESSION_FOLD_VERSION 9 /* raise with every change of the struct or of session_fold() */

enum call_state { CALL_PROPOSED, CALL_RUNNING, CALL_ASKED, CALL_OVER };

/* While a question is open it holds the five fields that tell whether rounds get anywhere, for the run that goes on. */
struct run_state {
    bool active, round_open, cancelling;
    bool over;           /* a budget is used up: no more calls, and one round to end with */
    bool closing;        /* that is the one that is going on, or it is over */
    bool unattended;     /* nobody is there to answer questions */
    bool queued;         /* another one follows by itself, as `next` has it, if there is something to do */
    uint32_t number;     /* runs of a session are numbered from 1 */
    uint32_t round;      /* from 1; 0 before the first */
    uint32_t gen;        /* tries of this round's model call, from 0; part of the message id */
    uint32_t crashes;    /* charged recoveries since the last progress */
    uint32_t failures;   /* of this round's call */
    uint32_t calls;      /* tool calls started */
    char stopped_by[32]; /* who asked, while cancelling */
    char over_kind[32];  /* which limit it was, while over */
    int origin;          /* enum run_origin */
    int64_t started_at;
    int64_t used_tokens;              /* settled, and reserved for what is in flight */
    int64_t reserved_tokens;          /* part of used_tokens that is not settled */
    int64_t used_cost, reserved_cost; /* the same in micros */
    uint64_t round_print, last_print; /* of the calls of a round with their results: this one, the one before */
    uint32_t repeats;                 /* rounds before this one that were the same */
    uint32_t fruitless;               /* rounds before this one in a row without a call that went well */
    bool has_fruit;                   /* this one has one */
    struct price price;
    int64_t retry_due; /* 0: no pause */
    struct run_limits limits;
    struct usage usage;
};

/* How a run is to be made, as asked for; empty texts: as the session or the run before has it. */
struct run_wish {
    int origin; /* enum run_origin */
    bool unattended;
    char provider[64], model[128], effort[16];
    struct run_limits limits;
};

struct session {
    uint64_t seq;   /* of the last fact folded */
    uint64_t nonce; /* key of the derived ids */
    int64_t created_at;
    uint64_t metadata_version; /* raised by every change of title, pin or model */
    uint64_t title_version;
    uint32_t depth;
    uint32_t messages; /* places of the transcript: the next one */
    uint32_t gaps;     /* places whose message was deleted */
    uint32_t inbox;    /* posted, not admitted */
    uint32_t later;    /* posted for after the active run; in the inbox when that has ended */
    uint32_t runs;     /* number of the last run */
    uint32_t calls_made;
    bool unread;                   /* something that the model has not answered */
    char last_message[ID_MAX + 1]; /* last of the transcript */
    char last_posted[ID_MAX + 1];  /* last of the inbox */
    char last_later[ID_MAX + 1];   /* last of `later` */
    uint64_t last_posted_seq, last_later_seq;
    uint64_t inbox_seq;                                            /* newest fact that changed what waits */
    int64_t context_bytes, inbox_bytes, later_bytes, system_bytes; /* of text: the prompt estimate is made of it */
    char provider[64];
    char model[128], effort[16];                           /* pin of the session; empty: none */
    char run_provider[64], run_model[128], run_effort[16]; /* frozen for the active run */

    struct run_state run;
    uint32_t first_call;  /* number of calls[0] */
    uint32_t calls_place; /* transcript place of its result */
    uint8_t n_calls;      /* calls of the last assistant message */
    struct {
        uint8_t state, effect;
    } calls[LIMIT_CALLS_PER_ROUND];
    uint64_t assistant_seq; /* fact that proposed them */
    uint8_t n_questions;    /* open ones, in the order they were asked */
    struct open_question {
        uint64_t seq;       /* its question_asked */
        int64_t due;        /* wall ms; 0: never */
        uint32_t call, run; /* that asked it */
    } questions[LIMIT_QUESTIONS];
    struct run_limits limits;      /* of all runs together */
    struct spent spent;            /* by runs that have ended */
    struct run_wish next;          /* of the run that is queued */
    struct run_limits last_limits; /* of the last run, for the one that goes on after an answer */
    bool last_unattended;

    int last_end;                                          /* enum run_end of the last run */
    uint64_t end_seq;                                      /* its run_ended; 0: no run ended yet */
    uint64_t work_seq;                                     /* newest fact that gave a run something to do */
    uint64_t exceeded_seq;                                 /* budget_exceeded of the last run; 0: none */
    uint64_t budget_seq, progress_seq, title_seq, pin_seq; /* newest fact of each LATEST kind */
};

void session_init(struct session *s); /* absent: seq 0 */

/*
 * Why this fact cannot be the next one of this session, in a few words; NULL: it can. Facts of our own making always
 * can; whoever reads them from outside asks first.
 */
const char *session_refuses(const struct session *s, const struct fact *f);
/* Asserts that it is not refused. A kind it does not know is counted, not folded. */
void session_fold(struct session *s, const struct fact *f);

bool session_exists(const struct session *s);
bool session_has_work(const struct session *s); /* something for a run to do, while none is active */
/*
 * Nothing is at work, nothing is asked, and nothing waits for the run that somebody is about to start. What the last
 * run has left undone waits for nobody: it is taken by the next run, whenever there is one.
 */
bool session_is_at_rest(const struct session *s);
bool session_is_at_work(const struct session *s);    /* a run is active, or a question open */
bool session_is_unfinished(const struct session *s); /* must be looked after at start: an active run, a deadline */
/* It has cut several lives short without progress: to be recovered alone. */
bool session_is_suspect(const struct session *s);
uint32_t session_open_calls(const struct session *s, enum call_state state); /* how many are in that state */
bool session_has_open_calls(const struct session *s);                        /* in any but CALL_OVER */
/*
 * What a client that has seen everything counts: the transcript, and what the next run admits
 * first (while a run is active, its next round does that).
 */
void session_view(const struct session *s, uint32_t *messages, const char **last);
/* Index into calls[], -1: not a call of the last assistant message. */
int session_find_call(const struct session *s, uint32_t call);
/* The facts that tell how a session stands to who has seen nothing of it: title and pin, what is asked, a spent budget.
 */
#define SESSION_CRITICAL_MAX (3 + LIMIT_QUESTIONS)
uint32_t session_critical(const struct session *s, uint64_t seqs[SESSION_CRITICAL_MAX]); /* how many they are */
/* The newest of its kind (always true for kinds that are not LATEST). */
bool session_is_newest(const struct session *s, const struct fact *f);

/* Names made from the fold: the message of a model call, a run, the result of a call. */
void session_message_id(const struct session *s, uint32_t run, uint32_t round, uint32_t gen, char out[ID_TEXT]);
void session_run_id(const struct session *s, uint32_t run, char out[ID_TEXT]);
void session_result_id(const struct session *s, uint32_t call, char out[ID_TEXT]);
void session_question_id(const struct session *s, uint32_t call, char out[ID_TEXT]);

/* The rounds in a row that were like the newest one, that included, and those without a call that went well. */
uint32_t session_repeats(const struct session *s);
uint32_t session_fruitless(const struct session *s);
struct spent session_spent(const struct session *s); /* by all runs, what is in flight included; ms: ended ones */

/* Tokens a text of this size costs, roughly: for budgets before the provider has counted. */
int64_t session_estimate_tokens(int64_t bytes);

/* One word for people: idle, queued, running, asking, done, error, cancelled (waiting comes with children). */
const char *session_state_word(const struct session *s);

/* The name of a field in which the two differ; NULL: they are the same session. */
const char *session_differs(const struct session *a, const struct session *b);
/* The same session, and zeros between its fields. */
void session_copy_fields(const struct session *s, struct session *out);
/* Its bytes are those of some session: counts within their arrays, texts terminated, words that exist. */
bool session_is_whole(const struct session *s);

/*
 * Head row: the fold as bytes, the same ones for the same session. Reading refuses another fold version, or what is not
 * whole (the caller folds the log).
 */
void session_write_head(const struct session *s, struct buf *out);
NODISCARD bool session_read_head(struct str bytes, struct session *out);
bool session_head_is_current(struct str bytes); /* of this fold version, whole or not */
