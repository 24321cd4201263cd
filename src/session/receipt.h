/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What was replied to a request that came with an Idempotency-Key, kept so that a repeat is told the
 * same and nothing is done twice. Stored in the append of the facts that the request caused. A key
 * belongs to its session: the same word in another session is another key. Any thread.
 */
#include "session/input.h"

struct receipt {
    struct str key;
    struct str fingerprint; /* of the request: the same key with another one is a mistake */
    int64_t at;             /* wall ms, when it was decided */
    struct str reply;       /* as reply_write() writes it */
};

enum receipt_use {
    RECEIPT_REPLAY,  /* the same request: it is told the same */
    RECEIPT_OTHER,   /* another request under this key */
    RECEIPT_EXPIRED, /* LIMIT_RECEIPT_MS have passed: whichever it is, the reply is not given any more */
};
enum receipt_use receipt_judge(const struct receipt *r, struct str fingerprint, int64_t now);

/* Whether a repeat is to be told this. Not what only stood in the way for a moment: then a repeat may do it. */
bool reply_is_kept(const struct reply *r);
/* A JSON object with all of it but the address and the code of the error; `request` is the name of the request it
 * answers. */
void reply_write(const struct reply *r, struct str request, struct buf *out);
/* With `replayed` set and an address of nobody; texts live in the arena. ERR_CORRUPT: it is none of ours. */
NODISCARD int reply_read(struct str bytes, struct arena *a, struct reply *out, struct err *err);
