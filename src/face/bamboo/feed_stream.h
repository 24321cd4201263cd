/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The stream of one watcher of the account feed. It pulls, as the streams of sessions do: from the
 * hub's ring or, behind that, from pages of the store, as long as the socket has room. It never ends
 * by itself, but where the server only shows what is stored. Owned by the face.
 */
#include "face/exchange.h"

/*
 * Sends the headers and the first frame, then everything after `seq`; `range` is what the store has just said. The
 * exchange is gone afterwards.
 */
void feed_stream_open(struct exchange *x, uint64_t seq, const struct answer *range);
