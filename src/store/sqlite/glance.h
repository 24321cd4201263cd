/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A short look at a data directory's database beside whoever works there: is it ours, does it open,
 * are its pages sound as far as the time allows. Changes nothing, takes no lock of the directory.
 */
#include "base/err.h"

struct sqlite_glance {
    uint64_t file_bytes; /* database and write-ahead log */
    uint64_t sessions;
    int64_t newest_at; /* wall ms of the last change of any session; 0: none */
    bool is_whole;     /* every page was looked at; false: the time was over */
};

/* ERR_NOT_FOUND: there is none; ERR_VERSION, ERR_CORRUPT (names the first damage), ERR_STORAGE. At most about `ms`. */
NODISCARD int sqlite_glance(const char *data_dir, int64_t ms, struct sqlite_glance *out, struct err *err);
