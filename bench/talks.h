/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Sessions written straight into a data directory, through the store's own appends: the facts of
 * whole turns, three appends each, as the engine would write them. In our own process, so no
 * server may be at work in that directory.
 */
#include "bench.h"
#include "store/sqlite/sqlite_store.h"

struct talks;

/* Opens the store; `text_bytes` is the length of each message. */
struct talks *talks_open(const char *data_dir, size_t text_bytes);
void talks_close(struct talks *t); /* NULL is fine */
struct store *talks_store(struct talks *t);
void talks_wait(struct talks *t); /* until the store has something to say, and hears it */

/* What the store has of a session. The caller frees. */
struct opened *talks_open_session(struct talks *t, const char *session);

/* So many turns of a session that is not there yet. */
void talks_add(struct talks *t, const char *session, unsigned turns);
/* "PREFIX-0" to "PREFIX-(n-1)", one turn each. */
void talks_add_many(struct talks *t, const char *prefix, unsigned n);
/* `appends` in all by so many new sessions, each waiting for its own last one. */
void talks_append(struct talks *t, const char *prefix, unsigned in_flight, unsigned appends);

/* The directory with many sessions, which several groups use: "many-0" and so on. */
unsigned talks_many(const struct bench *b); /* how many they are */
void talks_make_many(struct bench *b, const char *data_dir);
