/* SPDX-License-Identifier: MIT */
#pragma once
/* Scripts that complete the words behind `culm` in a shell, made of the tables of commands and options. Any thread. */
#include "base/buf.h"

extern const char *const completions_shells[]; /* NULL-terminated */

/* False: no such shell. */
NODISCARD bool completions_write(struct str shell, struct buf *out);
