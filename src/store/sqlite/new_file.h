/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A file that is whole before it has its name. The draft lies beside it, for the owner's eyes only
 * (0600); it is synced and takes the name only where nothing else has it, so nothing is ever
 * overwritten and whoever sees the name sees all of it, also after a power cut.
 */
#include "base/err.h"

struct new_file {
    char *path, *draft;
};

/* ERR_CONFLICT: the name is taken. An empty draft is there afterwards. */
NODISCARD int new_file_begin(struct new_file *f, const char *path, struct err *err);
/* What was written to the draft gets the name. */
NODISCARD int new_file_publish(struct new_file *f, struct err *err);
void new_file_done(struct new_file *f); /* a draft without a name is removed */
