/* SPDX-License-Identifier: MIT */
#pragma once
/* The face among its own files. */
#include "base/list.h"
#include "base/map.h"
#include "face/door.h"
#include "face/face.h"
#include "face/traffic.h"

struct face {
    struct face_options o;
    struct door_rules door;
    struct list exchanges; /* struct exchange, all that are not answered */
    struct map *by_token;  /* those that wait for a reply of the engine */
    uint64_t last_token;
    struct list streams; /* struct open_stream, all */
    struct list pages;   /* of the store on their way to them, also to those that are over */
    struct list ready;   /* those with something to do */
    struct timer *wake;  /* runs them outside of the hub's own calls */
    bool stopping;       /* no new streams */
    char effort[16];     /* of runs that name none */
    struct traffic traffic;
    struct buf frames; /* what one turn of one stream writes; kept for its memory */
};
