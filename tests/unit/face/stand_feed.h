/* SPDX-License-Identifier: MIT */
#pragma once
/* The account feed of the stand: the real hub, whose questions go the way of every query. One at a time. */
#include "engine/feed_hub.h"

void stand_feed_begin(void);
void stand_feed_end(void);
bool stand_feed_serve(int64_t now); /* true: it had something to do */
struct feed_hub *stand_feed_hub(void);
