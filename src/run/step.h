/* SPDX-License-Identifier: MIT */
#pragma once
/* What the parts of the machine share: the step being made, and how facts and effects enter it. */
#include "run/machine.h"

struct ctx {
    struct machine *m;
    struct session *s; /* m->s */
    const struct input *in;
    struct step *out;
    const struct call *calls; /* of the answer given in this very step; NULL: look into m->answer */
};

void step_begin(struct step *st); /* empty again; what the last one held is gone */
/* Numbers the fact, folds it and puts it into the append. */
void step_fact(struct ctx *c, struct fact f);
/* A copy for a fact or an effect: the session's own texts may change before the step is carried out. */
struct str step_copy(struct ctx *c, const char *text);
struct effect *step_effect(struct ctx *c, enum effect_kind kind); /* zeroed; borrowed until the next one */
struct effect *step_timer(struct ctx *c, enum input_kind timer, int64_t in_ms);
/* With the view of the session. NULL: nobody asked; else borrowed as an effect is. */
struct reply *step_reply(struct ctx *c, enum reply_kind kind);

/* round.c: model calls */
void round_begin(struct ctx *c);
void round_start_model(struct ctx *c);
void round_delta(struct ctx *c);
void round_done(struct ctx *c);
void round_failed(struct ctx *c);
void round_retry(struct ctx *c);
/* What people saw, reasoning too, becomes an interrupted message; closes the round if there was any. */
void round_keep_text(struct ctx *c);
void round_abort(struct ctx *c); /* the call in flight, if there is one; what it brought is kept */
/* The last word on what the run has cost, where what was told last had something reserved. */
void round_tell_cost(struct ctx *c, int64_t cost);

/* calls.c: tool calls */
void calls_start(struct ctx *c); /* every proposed call that may start now */
void calls_done(struct ctx *c);  /* a result came */
void calls_timeout(struct ctx *c);
void calls_cancel_running(struct ctx *c);
void calls_give_up(struct ctx *c, enum call_outcome outcome); /* every running call */
void calls_end_proposed(struct ctx *c, enum call_outcome outcome, struct str why);
void calls_stop_running(struct ctx *c); /* and wait for none */
void calls_recover(struct ctx *c, bool give_up);

struct fact calls_fact(const struct ctx *c, enum fact_kind kind, int i); /* about the i-th call */
const struct call *calls_details(const struct ctx *c, int i);
void calls_begin(struct ctx *c, int i);
void calls_end(struct ctx *c, int i, enum call_outcome outcome, struct str text);

/* budget.c: what may be used; those that allow say which limit is met, once */
int64_t budget_prompt_tokens(const struct session *s); /* estimate of the next call */
int64_t budget_worst_cost(const struct session *s);    /* of the next call, micros */
int64_t budget_failed_cost(const struct ctx *c);       /* of the open call, where the input says that it failed */
int64_t budget_output_tokens(const struct session *s);
/* The call in flight was given less room for its answer than else, or is the last. */
bool budget_shortens_answer(const struct session *s);
void budget_tell_tokens(struct ctx *c); /* they were too few for the answer */
bool budget_limits_money(const struct run_limits *run, const struct run_limits *session);
bool budget_is_unpriced(const struct session *s);
bool budget_allows_round(struct ctx *c);
bool budget_allows_closing(const struct ctx *c);
bool budget_has_try(const struct session *s);
bool budget_allows_try(struct ctx *c);
bool budget_allows_call(struct ctx *c);
void budget_start_clock(struct ctx *c);
void budget_recover_clock(struct ctx *c);
void budget_time_is_up(struct ctx *c);

/* questions.c: calls that a person answers */
void questions_ask(struct ctx *c, int i); /* a proposed call */
void questions_answer(struct ctx *c);
void questions_expire(struct ctx *c);
void questions_withdraw(struct ctx *c); /* all that are open */
void questions_recover(struct ctx *c);

/* transcript.c: changes by people */
void transcript_import(struct ctx *c); /* into a session that was just created */
void transcript_withdraw(struct ctx *c);
void transcript_edit(struct ctx *c);
void transcript_remove(struct ctx *c);

/* door.c: whether a run begins */
void door_post(struct ctx *c);
void door_resume(struct ctx *c);
void door_go_on(struct ctx *c, enum run_origin origin); /* a run as the last one was */
/* The run that follows by itself: `next`, which was asked for meanwhile (NULL: none was), or one for late messages. */
void door_successor(struct ctx *c, enum run_end end, const struct run_wish *next);
void door_stop_waiting(struct ctx *c);

/* run.c: the course of a run */
void run_advance(struct ctx *c); /* the one place that decides what is next */
void run_cancel(struct ctx *c, struct str by);
void run_cancel_bound(struct ctx *c); /* a stop has waited long enough */
void run_recover(struct ctx *c);
/* Both begin the run that follows by itself, if there is one. */
void run_end(struct ctx *c, enum run_end how);
void run_fail(struct ctx *c, enum failure failure, struct str text);
void run_lose(struct ctx *c); /* what followed in the log is gone: it ends, and nothing follows */

/* machine.c: what is said of a session */
void machine_create_session(struct ctx *c);
void machine_pin_model(struct ctx *c); /* what the input says of the session's model */
