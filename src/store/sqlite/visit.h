/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A look at a database, whoever has it open: one snapshot from begin to end, nothing is written. A
 * file without a write-ahead log is nobody's; it is read as it stands and no file is made beside it,
 * so it may lie where nothing can be written. Damage is met page by page, where SQLite lets us.
 * Not in a process that has the same file open.
 */
#include "store/sqlite/db.h"

#include <sys/stat.h>

struct visit {
    struct db db;
    const char *path; /* borrowed */
    bool still;       /* read as it stands */
    struct stat before;
};

/* ERR_NOT_FOUND, ERR_VERSION (not a database of culm, or of another format), ERR_CORRUPT. */
NODISCARD int visit_begin(struct visit *v, const char *path, struct err *err);
/* ERR_CORRUPT: a server could not even begin to read it. */
NODISCARD int visit_as_server(const struct visit *v, struct err *err);
/* ERR_LOCKED: somebody began to write meanwhile, so what was read may be neither old nor new. Ends it in any case. */
NODISCARD int visit_end(struct visit *v, struct err *err);
