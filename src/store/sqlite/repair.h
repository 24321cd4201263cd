/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A new database from whatever can be read of a damaged one, which is not changed. No server may
 * hold the directory meanwhile. Each session's facts go through the store's own append, in order, to
 * the first that is missing or wrong; a session without damage has its facts byte for byte. One that
 * was cut off must not go on by itself, as it could do again what it has done: where a run is active
 * at the cut, `rest` gives the facts that end it. Cutting back to the last point at rest instead
 * would be simpler, and would take from the model all that it has done since. What is readable
 * behind a cut, and no session any more, is kept in `TO.lost.jsonl`, a line for each fact. Text in
 * flight is not kept: a run that goes on says it anew. Receipts of requests are kept where their session is whole.
 */
#include "session/session.h"

struct repair_session {
    struct str id; /* "recovered-N" where nothing says it; UTF-8, one line, as `why` */
    uint64_t kept; /* facts in the new database, without those of `rest` */
    uint64_t lost; /* readable, in the other file */
    uint64_t missing;
    bool was_ended;
    struct str why; /* what is wrong where it ends */
};

struct repair_options {
    /* `s` has an active run; `answer` holds the fact whose calls are open, or is NULL. Facts from s->seq + 1 on. */
    struct facts *(*rest)(const struct session *s, struct facts *answer, int64_t now);
    void (*damaged)(void *arg, const struct repair_session *s);
    void (*progress)(void *arg, uint64_t done, uint64_t total); /* pages; NULL is fine */
    void *arg;
};

struct repair_report {
    uint64_t sessions, damaged; /* in the new database; of all */
    uint64_t kept, lost, missing;
    uint64_t lost_commits; /* of a damaged write-ahead log: pages behind the damage were looked at too */
    bool has_lost_file;
};

/* ERR_LOCKED, ERR_NOT_FOUND, ERR_CONFLICT: one of the new files is there already. */
NODISCARD int store_repair(const char *data_dir, const char *to, const struct repair_options *o,
                           struct repair_report *out, struct err *err);
