/* SPDX-License-Identifier: MIT */
#pragma once
/* Ports of a world in which nothing happens: the clocks stand until they are set, the store is trusted, no run is
 * begun. */
#include "engine/engine.h"

#define QUIET_NOW INT64_C(1700000000000) /* wall ms */

struct quiet {
    int64_t mono;
    int64_t alarm_ms; /* of the newest alarm */
};

struct ports quiet_ports(struct quiet *q); /* their argument is `q`; a test puts in what it looks at */
