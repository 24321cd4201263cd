/* SPDX-License-Identifier: MIT */
#include "store/life.h"

#include "base/str.h"

#include <stdio.h>

static const struct call calls[] = {
    {.id = {"c1", 2}, .name = {"look", 4}, .args = {"{}", 2}, .effect = EFFECT_READ},
    {.id = {"c2", 2}, .name = {"look", 4}, .args = {"{}", 2}, .effect = EFFECT_READ},
};

static void in_round(struct story *t, struct driver *d, unsigned n, struct str id, struct str text)
{
    const struct run_state *r = &t->s.run;
    struct partial p = {.run = r->number, .round = r->round, .gen = r->gen, .text = text};

    if (t->epoch != 0)
        store_put_partial(driver_store(d), t->sid, t->epoch, &p);
    if (n % 5 == 1)
        story_add(t, (struct fact){.kind = FACT_RUN_RECOVERED, .run = r->number, .round = r->round, .gen = r->gen});
    else
        story_answer(t, id, text, calls, n % 3 == 0 ? 2 : 0);
}

static void in_tools(struct story *t, struct str id, struct str text)
{
    for (uint32_t i = 0; i < t->s.n_calls; i++) {
        if (t->s.calls[i].state == CALL_PROPOSED) {
            story_call(t, i);
            return;
        }
        if (t->s.calls[i].state == CALL_RUNNING) {
            story_result(t, i, id, text);
            return;
        }
    }
}

bool life_step(struct story *t, struct driver *d, unsigned n, struct append *out)
{
    static char text[6000];
    char id[32];
    uint32_t open = session_open_calls(&t->s, CALL_PROPOSED) + session_open_calls(&t->s, CALL_RUNNING);
    bool erase = t->s.seq > 20 && n % 41 == 7;
    struct str name, body = {text, 10 + n * 977 % 5900};

    memset(text, 'x', sizeof(text));
    snprintf(id, sizeof(id), "m-%u", n);
    name = str_of(id);
    if (erase)
        ; /* no facts */
    else if (t->s.seq == 0)
        story_create(t, STR("Life"), n % 2 == 0 ? STR("system") : STR_NULL);
    else if (t->s.run.round_open)
        in_round(t, d, n, name, body);
    else if (t->s.run.active && open > 0)
        in_tools(t, name, body);
    else if (t->s.run.active && (t->s.unread || t->s.inbox > 0))
        story_round(t);
    else if (t->s.run.active)
        story_end(t, n % 4 == 0 ? END_ERROR : END_COMPLETED);
    else if (t->s.inbox == 0)
        story_post(t, name, body);
    else
        story_run(t, name);
    *out = story_step(t);
    out->erase = erase;
    return !erase;
}
