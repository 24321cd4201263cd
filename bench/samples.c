/* SPDX-License-Identifier: MIT */
#include "samples.h"

#include "base/mem.h"

#include <stdlib.h>

void samples_done(struct samples *s)
{
    mem_free(s->values);
    *s = (struct samples){0};
}

void samples_add(struct samples *s, int64_t value)
{
    s->values = mem_grow(s->values, &s->cap, s->n + 1, sizeof(*s->values));
    s->values[s->n++] = value;
}

static int compare(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

int64_t samples_at(struct samples *s, double percent)
{
    size_t at;

    if (s->n == 0)
        return 0;
    qsort(s->values, s->n, sizeof(*s->values), compare);
    at = (size_t)((double)s->n * percent / 100);
    return s->values[at < s->n ? at : s->n - 1];
}

int64_t samples_median(struct samples *s)
{
    return samples_at(s, 50);
}
