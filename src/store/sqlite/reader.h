/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Reading threads, each with a connection of its own that cannot write. A reading is one
 * transaction over one snapshot, so what it returns belongs together; it holds the snapshot for no
 * longer than one page.
 */
#include "store/sqlite/sqlite_internal.h"

struct reader;

NODISCARD int reader_start(struct sqlite_store *st, struct reader **out, struct err *err);
void reader_join(struct reader *r); /* after `reading` was cleared and the condition signalled */

/* What answers one kind of query. ERR_CORRUPT, ERR_STORAGE and what the kind says. */
typedef int query_answer_fn(struct db *db, const struct query *q, struct answer *a, struct err *err);

/* query_log.c: pages of one session's log. */
NODISCARD int query_facts(struct db *db, const struct query *q, struct answer *a, struct err *err);
/* query_messages.c: what was said in one session, and what waits there. */
NODISCARD int query_messages(struct db *db, const struct query *q, struct answer *a, struct err *err);
NODISCARD int query_inbox(struct db *db, const struct query *q, struct answer *a, struct err *err);
NODISCARD int query_has_message(struct db *db, const struct query *q, struct answer *a, struct err *err);
/* query_lists.c: the answers that come from rows of sessions and runs. */
NODISCARD int query_session(struct db *db, const struct query *q, struct answer *a, struct err *err);
NODISCARD int query_sessions(struct db *db, const struct query *q, struct answer *a, struct err *err);
NODISCARD int query_run(struct db *db, const struct query *q, struct answer *a, struct err *err);
NODISCARD int query_runs(struct db *db, const struct query *q, struct answer *a, struct err *err);
NODISCARD int query_active(struct db *db, const struct query *q, struct answer *a, struct err *err);
NODISCARD int query_unfinished(struct db *db, const struct query *q, struct answer *a, struct err *err);
NODISCARD int query_busy(struct db *db, const struct query *q, struct answer *a, struct err *err);
/* query_questions.c */
NODISCARD int query_questions(struct db *db, const struct query *q, struct answer *a, struct err *err);

/* The number of a session, with two numbers of its row; ERR_NOT_FOUND. */
struct session_key {
    int64_t sid;
    uint64_t last_seq;
    uint32_t message_count;
};
NODISCARD int query_find_session(struct db *db, struct str id, struct session_key *out, struct err *err);
