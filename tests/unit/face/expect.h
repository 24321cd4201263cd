/* SPDX-License-Identifier: MIT */
#pragma once
/* What tests that ask a stand share: the stand of the test that runs, and what is expected of its answers. */
#include "face/stand.h"

extern struct stand *st;
int stand_begin(void **state); /* a new one, started, with no session */
int stand_end(void **state);

void expect(const struct http_request *r, int status, const char *body);
void expect_part(const struct http_request *r, int status, const char *part); /* of the body */
void expect_text(const struct http_request *r, const char *part);             /* whatever the status */

/* The frames of a stream in order, a word for each and a space between; only whole ones are frames. */
typedef void frame_word(const char *frame, char out[64]);
const char *frames_told(const struct http_request *r, frame_word *word); /* until the next call */
void expect_frames(const struct http_request *r, frame_word *word, const char *wanted);
