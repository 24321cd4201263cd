/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * SQLite's file system with faults: the k-th call of an armed kind (counted from 0, over all
 * files) fails, or all from there on do. Registered as the default, so the store knows nothing of it.
 */
#include "base/base.h"

enum fault_op { FAULT_WRITE, FAULT_SYNC, FAULT_OPEN, FAULT_OPS };

void fault_vfs_install(void);
/* `code` is what SQLite gets; `lasting`: that call and all after it, until disarmed. */
void fault_vfs_arm(enum fault_op op, int k, int code, bool lasting);
bool fault_vfs_disarm(void); /* true: it was met */
