/* SPDX-License-Identifier: MIT */
#pragma once
/* Standard output of commands that may wait for whoever reads it. */
#include "base/buf.h"

/* Writes and empties. 0, or an exit code: nobody reads any more (silent), or it cannot be written (said). */
NODISCARD int print_out(struct buf *text);
/*
 * JSON from elsewhere as one line that means the same: line ends can only stand between values there, and the control
 * characters that JSON takes as they are, which a terminal would obey, only in strings.
 */
void print_json_line(struct str json, struct buf *out);
