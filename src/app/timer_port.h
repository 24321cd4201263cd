/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The engine's timers: an input for a session after a while. One timer of the loop each; what is
 * negative comes soon, what is longer than a day after a day. Loop thread only.
 */
#include "engine/engine.h"
#include "net/loop.h"

struct timer_port;

struct timer_port *timer_port_new(struct loop *l);
void timer_port_free(struct timer_port *p); /* NULL is fine */
void timer_port_set_engine(struct timer_port *p, struct engine *e);
/* Of the input only what timers need is kept: kind, run, round, gen and call. */
void timer_port_start(struct timer_port *p, struct str session_id, int64_t in_ms, const struct input *in);
void timer_port_abandon(struct timer_port *p, struct str session_id);
