/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Directories, and the names in them. What was made, renamed or linked keeps its name through a loss
 * of power only once the directory that holds it is synced: a sync of the file itself is not enough.
 * Any thread; a sync waits for the disk.
 */
#include "base/buf.h"
#include "base/err.h"

/* Appends the directory that holds `path`; "." where it names none. */
void directory_of(const char *path, struct buf *out);
/* The names in it are on the disk. ERR_IO. */
NODISCARD int directory_sync(const char *path, struct err *err);
/* Makes it (0700) and what leads to it, where missing; new ones are on the disk then. ERR_IO. */
NODISCARD int directory_make(const char *path, struct err *err);
