/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Many event streams, open at the same time. They count what comes; the stamps of a stand-in
 * (provider.h) in the text become delays.
 */
#include "samples.h"
#include "server.h"

struct watchers;

/* `path` gives the target of the i-th stream. Returns when all have their first event. */
typedef void watchers_path_fn(void *arg, unsigned i, char *path, size_t size);
struct watchers *watchers_open(struct bench *b, const struct server *s, unsigned n, watchers_path_fn *path, void *arg);
/* The floor: one reader of what the stand-in streams for that model, without a server between. */
struct watchers *watchers_open_floor(struct bench *b, const struct stand_in *s, const char *model);
void watchers_close(struct watchers *w); /* NULL is fine */

void watchers_wait_end(struct watchers *w);             /* until the server has ended all streams */
struct samples *watchers_delays_ns(struct watchers *w); /* borrowed */
