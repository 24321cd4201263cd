/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Failure on demand, so that tests can walk over every place where something may go wrong. A step
 * that the world may refuse asks fault_fails() first; a durable step passes a named FAULT_POINT.
 * Armed by a test (fault_arm) or by the environment, read once at start:
 *   CULM_FAULT=KIND:K[:ERRNO][:on]  the K-th step of that kind (from 0; `*`: of any) fails, `on`: and all after it
 *   CULM_CRASH=POINT:K              the K-th visit of that point (from 1) ends the process as kill -9 would
 *   CULM_CRASH=list                 prints the points
 * Nothing armed: each costs the reading of one word. Any thread.
 */
#include "base/base.h"

/* X(kind, name, errno where none is given) */
#define FAULT_KINDS(X)                                                                                                 \
    X(OPEN, "open", ENOSPC) /* a file of the store, or one that is written whole */                                    \
    X(WRITE, "write", EIO)  /* bytes of a file, or its length */                                                       \
    X(SYNC, "fsync", EIO)                                                                                              \
    X(RENAME, "rename", EIO)                                                                                           \
    X(ACCEPT, "accept", EMFILE)                                                                                        \
    X(ALLOC, "alloc", ENOMEM)           /* the process ends, as the store is the truth */                              \
    X(SQL_MEMORY, "sql-memory", ENOMEM) /* an allocation of SQLite */                                                  \
    X(SQL, "sql", ENOMEM)               /* a statement is not carried out */                                           \
    X(SQL_LATE, "sql-late", ENOMEM)     /* it is, and reports a failure */                                             \
    X(THREAD, "thread", EAGAIN)         /* its start */

enum fault_kind {
#define X(kind, name, sys) FAULT_##kind,
    FAULT_KINDS(X)
#undef X
        FAULT_KIND_COUNT
};

extern int fault_armed; /* bits of what is armed; use what follows */

int fault_count(enum fault_kind kind);
void fault_visit(const char *point);

/* 0, or the errno to fail with. */
static inline int fault_fails(enum fault_kind kind)
{
    return __builtin_expect(__atomic_load_n(&fault_armed, __ATOMIC_RELAXED) != 0, 0) ? fault_count(kind) : 0;
}

/* The names lie side by side in a section of their own: that is the list of all points. */
#define FAULT_POINT(name)                                                                                              \
    do {                                                                                                               \
        static const char *const point_ __attribute__((used, section("fault_points"))) = (name);                       \
        if (__builtin_expect(__atomic_load_n(&fault_armed, __ATOMIC_RELAXED) != 0, 0))                                 \
            fault_visit(point_);                                                                                       \
    } while (0)

/* Reads the environment. False: what stands there means nothing (said on stderr), or the points were listed. */
NODISCARD bool fault_init(void);
/* `kind`: a name of the table or "*". `sys` 0: the errno of the table. */
void fault_arm(const char *kind, uint64_t k, int sys, bool lasting);
bool fault_disarm(void); /* true: it was met */
bool fault_is_armed(enum fault_kind kind);
uint64_t fault_seen(void); /* steps of the armed kind so far */
