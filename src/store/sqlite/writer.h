/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The one thread that writes. It takes whatever has piled up, commits it once and hands the
 * completions back; it makes every checkpoint. When the disk refuses a batch, its appends are
 * tried one by one, so that none fails for another.
 */
#include "store/sqlite/sqlite_internal.h"

struct writer;

/* Brings the file up and enters this life in it (writer_number, was_clean, next_sid of the store), then starts. */
NODISCARD int writer_start(struct sqlite_store *st, struct err *err);
/* Writes what is queued, folds the write-ahead log back into the file, marks the life as ended in order. */
void writer_stop(struct writer *w);
