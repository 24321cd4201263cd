/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Amounts with up to six digits after the point, held exactly: micros are millionths of one. As text
 * they are plain decimal numbers ("1.25", "0.075", "3"), without sign, exponent or blanks. Any thread.
 */
#include "base/buf.h"

#define MICROS_PER_ONE 1000000

/* The whole text must be the amount; false leaves *out alone. More than six digits are refused, not rounded. */
NODISCARD bool micros_read(struct str s, int64_t *out);
void micros_write(int64_t micros, struct buf *out); /* micros >= 0; no zeros at the end */
