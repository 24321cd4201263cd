/* SPDX-License-Identifier: MIT */
#pragma once
/* The routes of Bamboo's HTTP API that this server has, one handler each. */
#include "face/exchange.h"

extern const struct route bamboo_routes[];
extern const size_t bamboo_routes_count;

void health_get(struct exchange *x);
void healthz_get(struct exchange *x);
void readyz_get(struct exchange *x);
void bootstrap_get(struct exchange *x);
void status_get(struct exchange *x);
void metrics_get(struct exchange *x);

void chat_post(struct exchange *x);
void execute_post(struct exchange *x);
void stop_post(struct exchange *x);
void events_get(struct exchange *x);
void feed_get(struct exchange *x);
void history_get(struct exchange *x);
void facts_get(struct exchange *x);
void respond_post(struct exchange *x);
void respond_pending_get(struct exchange *x);
void questions_get(struct exchange *x);
void guidance_get(struct exchange *x);
void guidance_post(struct exchange *x);
void guidance_delete(struct exchange *x);
void message_patch(struct exchange *x);
void message_delete(struct exchange *x);
void messages_truncate_post(struct exchange *x);
void restore_post(struct exchange *x);
void clear_post(struct exchange *x);
void copy_post(struct exchange *x);
void fork_post(struct exchange *x);
void cleanup_post(struct exchange *x);

void sessions_get(struct exchange *x);
void sessions_post(struct exchange *x);
void session_get(struct exchange *x);
void session_patch(struct exchange *x);
void session_delete(struct exchange *x);

void run_get(struct exchange *x);
void runs_active_get(struct exchange *x);
void session_runs_get(struct exchange *x);

void log_levels_get(struct exchange *x);
void log_levels_put_all(struct exchange *x);
