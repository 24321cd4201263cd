/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a model says when it asks a person: the arguments of `ask_user`, read and judged. Any thread.
 *   {"question": TEXT, "options": [TEXT, …], "allow_custom": BOOL, "deadline_seconds": N, "default": TEXT}
 */
#include "base/arena.h"
#include "base/err.h"

struct ask {
    struct str question;
    struct str *options;
    uint32_t n_options;
    struct str options_json; /* as it was written; empty: none */
    bool allow_custom;       /* without options always */
    int64_t deadline_ms;     /* 0: none */
    struct str fallback;     /* the answer at the deadline; empty: none */
};

/* ERR_BAD_REQUEST says which argument is wrong, in words for the model. Texts live in the arena or in `args`. */
NODISCARD int ask_read(struct str args, struct arena *a, struct ask *out, struct err *err);
/* The answer as it counts: one of the options, or, where that is allowed, the text itself. STR_NULL: neither. */
struct str ask_accept(const struct ask *ask, struct str answer);
