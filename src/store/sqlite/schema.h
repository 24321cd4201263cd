/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The tables of the file and how older files come up to them. A file of another program, or of a
 * newer culm, is refused with ERR_VERSION and not touched.
 */
#include "store/sqlite/db.h"

/* Makes what is missing, one transaction per step. `path` is for messages. */
NODISCARD int schema_upgrade(struct db *db, const char *path, struct err *err);
/* All of it in an empty database that is not to be kept as it is, or not to be served from: without a log. */
NODISCARD int schema_make(struct db *db, struct err *err);
/* Reading only: the file must be of this very version. */
NODISCARD int schema_check(struct db *db, const char *path, struct err *err);
