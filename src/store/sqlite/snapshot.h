/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A copy of the database as it is at one moment, also while a server works on it (from another
 * process): whole commits, in one file. The copy reads in a transaction of its own, so it need not
 * begin anew when somebody writes, and holds up nobody; only the write-ahead log cannot begin anew
 * until it is done. Pages are copied as they are: what is wrong with the database is wrong with
 * the copy, and a check of the copy tells.
 */
#include "base/err.h"

struct snapshot_options {
    void (*progress)(void *arg, uint64_t done, uint64_t total); /* bytes; NULL is fine */
    void *arg;
};

/* ERR_CONFLICT: `to` is there already; ERR_CORRUPT: the write-ahead log has lost commits, or nothing can be read. */
NODISCARD int store_snapshot(const char *from, const char *to, const struct snapshot_options *o, struct err *err);
