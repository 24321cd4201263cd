/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The engine's model calls, carried out: reads the transcript, starts the stream of the driver and
 * feeds what comes of it back as inputs with the call's key (run, round, gen). One call per session
 * at a time. A call that was aborted feeds nothing any more. Loop thread only.
 */
#include "engine/engine.h"
#include "model/model.h"

struct model_port;

struct model_port *model_port_new(struct model_registry *models);
/* Ends what is under way, silently. After the store was closed: its answers come here. */
void model_port_free(struct model_port *p);                         /* NULL is fine */
void model_port_set_engine(struct model_port *p, struct engine *e); /* NULL: it is gone */

void model_port_start(struct model_port *p, const struct model_call *call);
void model_port_abort(struct model_port *p, struct str session_id); /* nothing under way is fine */
