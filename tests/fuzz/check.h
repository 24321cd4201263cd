/* SPDX-License-Identifier: MIT */
#pragma once
/* What must be true of whatever a fuzz target was given. Not assert(): a build without it would look at nothing. */
#include <stdlib.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)
