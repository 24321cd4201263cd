/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Ids in UUID form. Random ones (version 4) come from the outside world; derived ones
 * (version 8, RFC 9562) are a hash of a name under a key, so that the pure machine can name
 * messages and runs without drawing random numbers.
 */
#include "base/base.h"

#define ID_TEXT 37 /* 36 characters and the terminator */
#define ID_MAX 128 /* longest id a client may choose */

void id_random(char out[ID_TEXT]);
uint64_t id_random_u64(void);
/* Same key, kind and numbers: same id. */
void id_derive(uint64_t key, const char *kind, uint32_t a, uint32_t b, uint32_t c, char out[ID_TEXT]);
/* 1 to 128 of A-Za-z0-9._:- and neither "." nor "..". */
bool id_is_valid(struct str id);
