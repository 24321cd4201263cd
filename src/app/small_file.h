/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Small files that are read and written whole. A file is put in place in one step and with what it
 * holds on the disk: whoever reads sees the old or the new one, also after a crash.
 */
#include "base/buf.h"
#include "base/err.h"

/* Appends; at most out->max bytes (ERR_TOO_BIG). ERR_NOT_FOUND, ERR_IO. */
NODISCARD int small_file_read(const char *path, struct buf *out, struct err *err);
/* Mode 0600. Replaces what is there. */
NODISCARD int small_file_write(const char *path, struct str text, struct err *err);
/* The same, but the first writer wins: 0, or ERR_CONFLICT where the file is there already. */
NODISCARD int small_file_create(const char *path, struct str text, struct err *err);
/* Opens the directory of a file, and holds it against other `culm`s that do the same: at most a few seconds. */
NODISCARD int small_file_lock(const char *path, int *out_fd, struct err *err);
void small_file_unlock(int fd);
