/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Slots that are used again in turn: the one with index i, which only rises, is slots[i & (cap - 1)].
 * The owner keeps the indices; what a slot owns stays with it, free ones included.
 */
#include "base/base.h"

/* Twice as many, or 8, each at the place of its index; `first` is the lowest that is in use. New ones are zeroed. */
void *ring_grow(void *slots, size_t *cap, uint64_t first, size_t item);
