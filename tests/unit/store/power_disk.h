/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A disk under a tape: what it surely has and what it may have when the power goes after the k-th
 * event. A file's sync makes its bytes and its length sure, a directory's sync its names; either
 * alone is not enough. Of what is not sure, a seed chooses, each for itself: of every write each
 * sector of 512 bytes is there, or is not, or is not but the file has grown, with zeros; one of them
 * may be torn in its middle; truncations, creations and deletions are done or not. How much is lost
 * is chosen first: all, nearly all, half, hardly anything, nothing. What came through came in order,
 * and bytes beside a write are not harmed (SQLite's "powersafe overwrite").
 */
#include "base/buf.h"
#include "store/power_tape.h"

struct power_disk; /* borrows its tape */

struct power_disk *power_disk_new(const struct power_tape *t); /* before the first event */
void power_disk_free(struct power_disk *d);                    /* NULL is fine */
bool power_disk_next(struct power_disk *d);                    /* one more event; false: there are no more */
size_t power_disk_at(const struct power_disk *d);              /* events so far, as power_vfs_events() counts */
bool power_disk_is_sure(const struct power_disk *d);           /* nothing to choose */
enum power_kind power_disk_last(const struct power_disk *d);   /* kind of the last event */
void power_disk_tell(const struct power_disk *d, struct buf *out);
/* Into an empty directory, what is found there after the power went now. The same seed chooses the same. */
void power_disk_cut(const struct power_disk *d, uint64_t seed, const char *dir);
