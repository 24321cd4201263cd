/* SPDX-License-Identifier: MIT */
#include "base/ring.h"

#include "base/mem.h"

#define FIRST_SLOTS 8

void *ring_grow(void *slots, size_t *cap, uint64_t first, size_t item)
{
    size_t more = *cap == 0 ? FIRST_SLOTS : *cap * 2;
    char *from = slots, *to = mem_calloc(more, item);

    for (uint64_t i = first; i < first + *cap; i++)
        memcpy(to + (i & (more - 1)) * item, from + (i & (*cap - 1)) * item, item);
    mem_free(slots);
    *cap = more;
    return to;
}
