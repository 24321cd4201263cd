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

/* Numbers the fact, folds it and puts it into the append. */
void step_fact(struct ctx *c, struct fact f);
struct effect *step_effect(struct ctx *c, enum effect_kind kind); /* zeroed; borrowed until the next one */
void step_reply(struct ctx *c, enum reply_kind kind);             /* with the view of the session */
struct reply *step_last_reply(struct ctx *c);                     /* of this step; NULL: none yet */

/* round.c: model calls */
void round_begin(struct ctx *c);
void round_start_model(struct ctx *c);
void round_delta(struct ctx *c);
void round_done(struct ctx *c);
void round_failed(struct ctx *c);
void round_retry(struct ctx *c);
void round_keep_text(struct ctx *c); /* what people saw becomes an interrupted message; closes the round */
bool round_is_current(const struct ctx *c);
bool round_over_budget(const struct ctx *c);
int64_t round_prompt_tokens(const struct session *s); /* estimate of the next call */
void round_exceed(struct ctx *c);                     /* says which budget is used up */

/* calls.c: tool calls */
void calls_start(struct ctx *c); /* every proposed call that may start now */
void calls_done(struct ctx *c);  /* a result came */
void calls_timeout(struct ctx *c);
void calls_cancel_running(struct ctx *c);
void calls_give_up(struct ctx *c, enum call_outcome outcome); /* every running call */
void calls_drop_proposed(struct ctx *c);
void calls_recover(struct ctx *c, bool give_up);

/* machine.c */
void run_advance(struct ctx *c); /* the one place that decides what is next */
void run_end(struct ctx *c, enum run_end end, enum failure failure, struct str text);
