/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Many turns, so many at once, each over one connection: POST /chat with execute, then its event
 * stream to the end. Or, as the floor under that, the same driver with a stand-in and no server in
 * between: one streamed completion per turn. Before the clock starts the first connections are open.
 */
#include "samples.h"
#include "server.h"

struct turns_plan {
    const struct server *server;     /* NULL: the floor */
    const struct stand_in *provider; /* may be NULL with a server */
    const char *sessions;            /* names are this and a number; with `one_session` this alone */
    const char *model;
    const char *message;
    unsigned total, at_once;
    bool one_session; /* all turns in the same one, after each other */
};

struct turns_result {
    struct samples took_ns; /* per turn, from the POST to the end of the stream */
    double wall_s;
    struct cpu_time server; /* of all turns together */
    int64_t driver_ns, provider_ns;
    uint64_t bytes; /* received */
};

void turns_run(struct bench *b, const struct turns_plan *plan, struct turns_result *out);
void turns_result_done(struct turns_result *r);
