/* SPDX-License-Identifier: MIT */
#pragma once
/* A store in which every kind of row stands, and means to spoil its file. */
#include "store/story.h"

/*
 * Sessions, in the order of their numbers: "talk" (ended turns), "tools" (ended, with calls), "busy" (in a model call,
 * with text in flight), "calling" (a call runs, another is proposed), "queue" (a message waits). Each has a receipt of
 * its first message, "talk" one more, and there is one that says that there is no session "nobody".
 */
#define SAMPLE_SESSIONS 5
extern const char *const sample_names[SAMPLE_SESSIONS];
void sample_make(struct driver *d);

/* A copy of the bytes of a file; to be freed. */
struct buf sample_read(const char *path);
void sample_write(const char *path, const struct buf *bytes);
