/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The write-ahead log of a SQLite file, read as bytes (https://sqlite.org/fileformat2.html#walformat).
 * SQLite takes it up to the first frame that is not whole and forgets the rest without a word: that
 * is right after a power cut, where the rest was never acknowledged, and wrong where a frame was
 * damaged later. What follows tells: each frame's checksum goes on from the one before, and a commit
 * begins when the one before it is synced; so two commits of whole frames from the broken one on were
 * stored. Damage in the last commit looks like a commit that was never finished, unless the index
 * of the life that wrote it (`-shm`) is still there, as it is after a kill.
 * A log that some process has open is not looked at: its end moves.
 */
#include "base/err.h"
#include "base/map.h"

struct wal {
    int fd; /* -1: there is none, or nothing in it */
    uint32_t page_size;
    uint64_t bytes;
    uint64_t frames;       /* up to the last commit that can be read */
    uint64_t broken;       /* number of the first broken frame (from 1); 0: the header; with `lost` only */
    uint64_t lost_commits; /* stored behind it, at least; 0: nothing is known to be lost */
    uint8_t salt[8];       /* of the frames that belong to it */
    uint64_t n_images;     /* frames that may be looked at; 0 unless pages were asked for */
    struct map *frame_of;  /* by page: the newest of them, as a pointer */
};

/* `path` is that of the database. */
NODISCARD int wal_open(struct wal *w, const char *path, bool with_pages, struct err *err);
void wal_close(struct wal *w);
bool wal_is_there(const char *path);
/* Where in the log the newest state of the page stands; false: not in it. */
bool wal_find(const struct wal *w, uint32_t page, uint64_t *offset);
/* Image `i` of a page, from 0; false: a newer one counts. Where commits are lost, all count. */
bool wal_image(const struct wal *w, uint64_t i, uint64_t *offset);
