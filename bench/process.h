/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A child process: started with a pipe at its stdout, ended in good order or the benchmark fails;
 * dies with us. And what the kernel says of any process: CPU time and memory.
 */
#include "base/base.h"

#include <sys/types.h>

struct process {
    pid_t pid;
    int out;
    const char *name; /* for messages; borrowed */
};

/*
 * argv[0] is the file. `env` (may be NULL) lists "NAME=value" in addition to our environment, from which keys and
 * addresses of providers and everything of culm's are taken out. stderr goes to the file `log`, NULL: ours.
 */
void process_start(struct process *p, const char *name, const char *const *argv, const char *const *env,
                   const char *log);
void process_read_line(struct process *p, char *line, size_t size); /* of stdout, waited for */
void process_stop(struct process *p);                               /* SIGTERM; must exit with 0 */

/* CPU time since the start, all threads that live; schedstat counts in ns where stat counts ticks. */
struct cpu_time {
    int64_t all_ns;
    int64_t main_ns; /* the first thread: culm's loop */
};
struct cpu_time process_cpu(pid_t pid);
struct cpu_time cpu_since(struct cpu_time now, struct cpu_time before);

struct memory_use {
    int64_t rss_bytes, pss_bytes, private_dirty_bytes;
};
struct memory_use process_memory(pid_t pid);
