/* SPDX-License-Identifier: MIT */
#pragma once
/* A store in which every kind of row stands, and means to spoil its file. */
#include "store/place.h"
#include "store/story.h"

/*
 * Sessions, in the order of their numbers: "talk" (ended turns), "tools" (ended, with calls), "busy" (in a model call,
 * with text in flight), "calling" (a call runs, another is proposed), "queue" (a message waits). Each has a receipt of
 * its first message, "talk" one more, and there is one that says that there is no session "nobody".
 */
#define SAMPLE_SESSIONS 5
extern const char *const sample_names[SAMPLE_SESSIONS];
void sample_make(struct driver *d);
void sample_put(const struct place *p); /* alone in the directory, and closed */

/* What a life leaves that is killed after it made the sample: nearly everything stands in the log. */
struct sample_files {
    struct buf database, log, index;
};
struct sample_files sample_kill(const struct place *p); /* to be freed; what is in the directory goes */
void sample_files_put(const struct sample_files *f, const struct place *p, bool with_index); /* alone there */
void sample_files_free(struct sample_files *f);

/* A copy of the bytes of a file; to be freed. */
struct buf sample_read(const char *path);
void sample_write(const char *path, const struct buf *bytes);

/* Where bytes are spoilt at random: the seed is CULM_SEED, or always the same. */
uint64_t sample_seed(void);
uint64_t sample_draw(uint64_t *seed);
