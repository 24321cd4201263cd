/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The data directory: made where missing (0700), and owned by one process at a time. The lock is
 * flock() on `culm.lock` and goes with the process; what the file says (who, since when) is for
 * messages only.
 */
#include "base/err.h"
#include "base/id.h"

struct data_dir {
    char *path;    /* as given */
    char *db_path; /* culm.db in it */
    int lock;      /* descriptor; -1: not held */
    char boot[ID_TEXT];
    int64_t started_at;
};

void data_dir_init(struct data_dir *d, const char *path);
void data_dir_done(struct data_dir *d); /* lets go of the lock */
/* ERR_LOCKED names the process that holds it. */
NODISCARD int data_dir_own(struct data_dir *d, struct err *err);
/* The same for one that is there, with a database in it that stays as it is: nobody begins to work on it meanwhile. */
NODISCARD int data_dir_hold(struct data_dir *d, struct err *err);
/* For reading beside an owner or none. ERR_NOT_FOUND: nothing there. */
NODISCARD int data_dir_visit(const struct data_dir *d, struct err *err);
