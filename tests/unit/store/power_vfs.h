/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * SQLite's file system with a tape running: a layer over the real one that is the default between
 * start and stop. Recorded are database, rollback journal and write-ahead log; the -shm file is not:
 * no file system has to keep it. When the unix VFS syncs the directory as well (the first sync of a
 * journal or log opened for creation, a deletion that asks for it), the tape says so.
 * Start and stop while no database is open; one directory at a time; the files' calls on any thread.
 */
#include "store/power_tape.h"

void power_vfs_start(const char *dir);   /* with what is in it: on the disk, as after a start of the machine */
size_t power_vfs_events(void);           /* on the tape so far */
struct power_tape *power_vfs_stop(void); /* the caller's */
