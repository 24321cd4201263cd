/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Whether a store agrees with itself: what it says while it is open, and its file once it is closed,
 * where the product's own checker compares everything with the log. cmocka assertions.
 */
#include "store/place.h"
#include "store/sqlite/check.h"

/* The log is dense, its epochs never fall, and opening gives its sum. How far it reaches; 0: no such session. */
uint64_t check_session(struct driver *d, struct str id);
/* Nothing is wrong with the file. It is not open in this process. */
void check_place(const struct place *p);
/* What is wrong, one finding per line: "session ID: what". As store_check(). */
int check_findings(const char *path, struct buf *lines, struct err *err);
