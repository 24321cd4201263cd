/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What TCP clients show at the door: 256 random bits as 64 hexadecimal digits, in the file `token`
 * (0600) of the data directory. Made once, kept across restarts; of several processes that make
 * it at the same time, all get the same.
 */
#include "base/err.h"

#define TOKEN_TEXT 65 /* 64 digits and the terminator */

/* The directory must exist. ERR_CORRUPT: the file holds something else, or others may read it. */
NODISCARD int token_open(const char *data_dir, char out[TOKEN_TEXT], struct err *err);
