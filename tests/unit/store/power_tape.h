/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a process did to the files of one directory, call by call in their order: power_vfs.h records
 * it, power_disk.h tells what a disk would have of it. The tape begins with what was there already,
 * as writes that were synced. Owned by the test; one thread.
 */
#include "base/base.h"

#define POWER_NAMES 8

/* X(kind, words) */
#define POWER_KINDS(X)                                                                                                 \
    X(CREATE, "the creation")                                                                                          \
    X(DELETE, "the deletion")                                                                                          \
    X(WRITE, "a write")                                                                                                \
    X(TRUNCATE, "a truncation")                                                                                        \
    X(SYNC, "a sync")                                                                                                  \
    X(SYNC_DIRECTORY, "a sync of the directory after that")

enum power_kind {
#define X(kind, words) POWER_##kind,
    POWER_KINDS(X)
#undef X
};

struct power_event {
    enum power_kind kind;
    size_t file; /* a file stays itself when its name goes to another */
    size_t at;   /* WRITE: where; TRUNCATE: the new length */
    size_t n;    /* WRITE */
    char *bytes; /* WRITE */
};

struct power_file {
    size_t name; /* of names[] */
};

struct power_tape {
    struct power_event *events;
    size_t n, cap;
    size_t begin; /* events before this one stand for what was there already */
    struct power_file *files;
    size_t n_files, files_cap;
    char names[POWER_NAMES][32];
    size_t n_names;
};

void power_tape_free(struct power_tape *t); /* NULL is fine */
