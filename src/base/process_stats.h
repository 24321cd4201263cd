/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the kernel knows of this process, asked when somebody wants to know. Some system calls, and
 * on kernels before 6.2 a listing of all descriptors, which takes 2 ms per thousand: not for the
 * loop thread. 0 where the kernel does not say.
 */
#include "base/base.h"

struct process_stats {
    int64_t pid;
    uint64_t resident_bytes, virtual_bytes;
    uint64_t cpu_ms; /* user and system */
    uint64_t open_files, max_files;
    uint64_t threads;
};
void process_stats_read(struct process_stats *out);
