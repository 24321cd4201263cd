/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * `culm-bench provider`: a stand-in for a provider, cheap enough not to be what is measured.
 * POST …/chat/completions streams what the model's name asks for:
 *     pieces-N[-every-MS][-stamped]     N pieces of text, all at once or one every MS
 * A stamped piece is PROVIDER_STAMP and 16 hexadecimal digits: now_ns() when it was sent. A piece
 * that is late is sent together with the next, as the network would. GET /stats counts requests.
 */
#include "base/base.h"

#define PROVIDER_STAMP '@'
#define PROVIDER_STAMP_DIGITS 16

NORETURN void provider_main(void); /* prints its port on stdout; until SIGTERM */
