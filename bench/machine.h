/* SPDX-License-Identifier: MIT */
#pragma once
/* Where the figures were taken: they mean little without. */
#include "base/json_write.h"

struct machine {
    char cpu[128], kernel[128];
    long cores;
    int64_t memory_bytes;
    double load; /* of the last minute */
};

void machine_read(struct machine *out);

/* What others did meanwhile. Begins with the first call; our own and our children's work does not count. */
struct machine_watch {
    double busy_s, own_s, wall_s;
};
void machine_watch_begin(struct machine_watch *w);
/* Share of the machine's cores that others used since then, in percent. After all children were waited for. */
double machine_watch_others(const struct machine_watch *w);

void machine_write(const struct machine *m, struct json_writer *w); /* an object */
