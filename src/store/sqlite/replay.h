/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One session's facts again, in their order, from a file that need not be believed: each is looked
 * at as if it were new and goes into another database by the store's own append, so that whatever
 * that makes of them stands there afterwards. Works in batches: memory does not grow with the
 * session. One thread.
 */
#include "store/sqlite/append.h"

struct replay;

/* `forgets_facts`: once appended they are taken out again; only what is folded from them is wanted. */
struct replay *replay_new(struct db *to, bool forgets_facts);
void replay_free(struct replay *r); /* NULL is fine */
void replay_begin(struct replay *r, int64_t sid, struct str id);
/*
 * ERR_CORRUPT says why it is not the next fact of the session; then nothing of it was taken. *out is the fact, until
 * the next one; may be NULL.
 */
NODISCARD int replay_add(struct replay *r, const struct fact_row *row, const struct fact **out, struct err *err);
/* Facts of our own behind those of the file; they get this epoch. */
NODISCARD int replay_add_own(struct replay *r, struct facts *facts, uint64_t epoch, struct err *err);
/* What is left, and the row as its owner would leave it: with this epoch, or that of the newest fact, and the head. */
NODISCARD int replay_end(struct replay *r, uint64_t epoch, uint64_t owner, struct err *err);

const struct session *replay_session(const struct replay *r); /* the fold so far */
uint64_t replay_epoch(const struct replay *r);                /* of the newest fact; 0: none */
