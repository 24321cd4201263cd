/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A few threads for what would block the loop (parsing large bodies, hashing). `work` runs on a
 * worker and sees only what `arg` owns; `done` runs on the loop thread afterwards.
 */
#include "net/loop.h"

struct workers;
typedef void work_fn(void *arg);

NODISCARD int workers_new(struct loop *l, unsigned threads, struct workers **out, struct err *err);
/* NULL is fine. Finishes everything submitted: each job still gets `work`, then `done` from inside this call. */
void workers_free(struct workers *w);
/* Loop thread. From inside a `done` of workers_free() it is refused by assertion. */
void workers_submit(struct workers *w, work_fn *work, loop_fn *done, void *arg);
