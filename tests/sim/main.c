/* SPDX-License-Identifier: MIT */
/*
 * culm-sim [--seeds N] [--from SEED]: stories, one per seed; a failing one aborts with its number. From 0: from one
 * that is drawn and printed. culm-sim --seed SEED: that one alone, told fact by fact on stderr.
 */
#include "sim.h"

#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void story(uint64_t seed, bool verbose, struct sim *out)
{
    struct sim w = {.seed = seed,
                    .rng = seed * 0x2545f4914f6cdd1du + 1,
                    .clock_rng = seed,
                    .feed_rng = seed,
                    .port_calls_left = -1,
                    .verbose = verbose};
    struct engine_stats stats;

    /* Swarm: each seed turns some classes of faults off, so that rare mixtures are met. */
    w.faults = (struct sim_faults){.deaths = sim_chance(&w, 80),
                                   .refusals = sim_chance(&w, 70),
                                   .provider = sim_chance(&w, 80),
                                   .tools = sim_chance(&w, 70),
                                   .deletes = sim_chance(&w, 20),
                                   .slow_disk = sim_chance(&w, 50),
                                   .clock = seed % 2 == 0,
                                   .keys = seed % 3 == 0,
                                   .feed = seed % 4 == 1};
    w.disk = disk_new(&w);
    w.actors = actors_new(&w);
    w.people = people_new(&w);
    w.keys = keys_new(&w);
    watchers_new(&w);
    w.account = account_new();
    overseers_new(&w);
    sim_boot(&w);
    if (w.faults.clock)
        sim_clock(&w);
    people_start(w.people);
    if (w.faults.keys)
        keys_start(w.keys);
    while (sim_turn(&w, SIM_FAULTS_MS + SIM_CALM_MS)) {
    }
    if (w.engine == NULL || w.dead)
        sim_fail(&w, "I-END", "the server is not up after the calm");
    disk_check_end(w.disk);
    people_check_end(w.people);
    keys_check_end(w.keys);
    watchers_check_end(&w);
    overseers_check_end(&w);
    engine_flush(w.engine);
    engine_stats(w.engine, &stats);
    if (stats.live != 0 || stats.watched != 0 || stats.queued != 0 || stats.subscribers != 0)
        sim_fail(&w, "I-IDLE", "%zu sessions, %zu hubs, %zu held effects are left in memory", stats.live, stats.watched,
                 stats.queued);
    engine_free(w.engine);
    w.engine = NULL;
    while (w.heap_n > 0) {
        w.dead = true; /* what is still planned frees itself */
        sim_turn(&w, INT64_MAX);
    }
    people_free(w.people);
    keys_free(w.keys);
    actors_free(w.actors);
    watchers_free(&w);
    overseers_free(&w);
    account_free(w.account);
    disk_free(w.disk);
    mem_free(w.heap);
    *out = w;
}

int main(int argc, char **argv)
{
    uint64_t from = 1, n = 2000, one = 0, *numbers[] = {&from, &n, &one};
    static const char *const names[] = {"--from", "--seeds", "--seed"};
    struct sim sum = {0};
    struct timespec begin, end;
    double seconds;

    for (int i = 1; i + 1 < argc; i += 2)
        for (size_t k = 0; k < ARRAY_LEN(names); k++)
            if (strcmp(argv[i], names[k]) == 0 && !str_to_u64(str_of(argv[i + 1]), numbers[k]))
                return 2;
    if (one != 0) {
        from = one;
        n = 1;
    }
    if (from == 0) {
        from = id_random_u64() >> 16;
        printf("from seed %" PRIu64 " on\n", from);
        fflush(stdout);
    }
    log_set_level(LOG_LEVEL_ERROR); /* stories are told by their facts */
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (uint64_t seed = from; seed < from + n; seed++) {
        struct sim w, again;

        story(seed, one != 0, &w);
        if (seed % 16 == 0) {
            story(seed, false, &again);
            if (again.hash != w.hash)
                sim_fail(&w, "I-DETER", "the same seed gave another log");
        }
        sum.facts += w.facts;
        sum.deaths += w.deaths;
        sum.resets += w.resets;
        sum.events += w.events;
        sum.tool_runs += w.tool_runs;
        sum.texts += w.texts;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    printf("%" PRIu64 " stories from seed %" PRIu64 " in %.1f s (%.0f a second): %" PRIu64 " events, %" PRIu64
           " facts, %" PRIu64 " deaths, %" PRIu64 " refused appends, %" PRIu64 " tool runs, %" PRIu64
           " pieces of text\n",
           n, from, seconds, (double)n / (seconds > 0 ? seconds : 1), sum.events, sum.facts, sum.deaths, sum.resets,
           sum.tool_runs, sum.texts);
    return 0;
}
