/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The whole terminal for one command: the alternate screen without a cursor, keys as they are typed
 * and not shown. However the process ends, SIGKILL excepted, the terminal is what it was before.
 * One per process; its own signals stay the caller's, but for those that mean a crash.
 */
#include "app/terminal.h"
#include "base/err.h"

/* `in` may be something else than a terminal: then there are no keys. ERR_IO: the terminal refuses. */
NODISCARD int screen_enter(int in, int out, struct err *err);
void screen_leave(void);       /* harmless when it was not entered; may be called from a signal handler */
void screen_die_by(int signo); /* from now on this signal ends the process at once, the terminal left before */

/* A frame that replaces the one before: as many of the lines as the terminal is high. */
void screen_frame(const struct terminal *t, struct str lines, struct buf *out);
