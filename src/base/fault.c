/* SPDX-License-Identifier: MIT */
#include "base/fault.h"

#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ARMED_KIND = 1, ARMED_POINT = 2 };

int fault_armed;

static struct {
    unsigned kinds; /* bits */
    uint64_t k;
    int sys; /* 0: of the table */
    bool lasting;
    uint64_t seen;
    bool met;
} step;

static struct {
    const char *name;
    uint64_t left;
} crash;

static const struct {
    const char *name;
    int sys;
} kinds[] = {
#define X(kind, name, sys) {name, sys},
    FAULT_KINDS(X)
#undef X
};

/* ---- steps that fail ---- */

int fault_count(enum fault_kind kind)
{
    uint64_t nth;

    if ((step.kinds & 1u << kind) == 0)
        return 0;
    nth = __atomic_fetch_add(&step.seen, 1, __ATOMIC_SEQ_CST);
    if (nth < step.k || (nth > step.k && !step.lasting))
        return 0;
    __atomic_store_n(&step.met, true, __ATOMIC_SEQ_CST);
    return step.sys != 0 ? step.sys : kinds[kind].sys;
}

static unsigned kinds_named(struct str name)
{
    if (str_is(name, "*"))
        return (1u << FAULT_KIND_COUNT) - 1;
    for (unsigned i = 0; i < FAULT_KIND_COUNT; i++)
        if (str_is(name, kinds[i].name))
            return 1u << i;
    return 0;
}

static void arm(unsigned which, uint64_t k, int sys, bool lasting)
{
    step.kinds = which;
    step.k = k;
    step.sys = sys;
    step.lasting = lasting;
    step.seen = 0;
    step.met = false;
    __atomic_or_fetch(&fault_armed, ARMED_KIND, __ATOMIC_SEQ_CST);
}

void fault_arm(const char *kind, uint64_t k, int sys, bool lasting)
{
    unsigned which = kinds_named(str_of(kind));

    assert(which != 0);
    arm(which, k, sys, lasting);
}

bool fault_disarm(void)
{
    __atomic_and_fetch(&fault_armed, ~ARMED_KIND, __ATOMIC_SEQ_CST);
    return __atomic_load_n(&step.met, __ATOMIC_SEQ_CST);
}

bool fault_is_armed(enum fault_kind kind)
{
    return (fault_armed & ARMED_KIND) != 0 && (step.kinds & 1u << kind) != 0;
}

uint64_t fault_seen(void)
{
    return __atomic_load_n(&step.seen, __ATOMIC_SEQ_CST);
}

/* ---- points ---- */

/* The linker makes both; weak, as a program may have no point. */
extern const char *const __start_fault_points[] __attribute__((weak)), *const __stop_fault_points[]
    __attribute__((weak));

static bool next_point(const char *const **at)
{
    while (*at < __stop_fault_points && **at == NULL) /* a sanitizer may keep them apart */
        ++*at;
    return *at < __stop_fault_points;
}

void fault_visit(const char *point)
{
    if (crash.name == NULL || strcmp(crash.name, point) != 0)
        return;
    if (__atomic_sub_fetch(&crash.left, 1, __ATOMIC_SEQ_CST) == 0)
        _exit(137);
}

static void list_points(void)
{
    for (const char *const *p = __start_fault_points; next_point(&p); p++)
        printf("%s\n", *p);
}

static bool find_point(struct str name)
{
    for (const char *const *p = __start_fault_points; next_point(&p); p++)
        if (str_is(name, *p))
            crash.name = *p;
    return crash.name != NULL;
}

/* ---- the environment ---- */

static bool refuse(const char *variable, const char *value, const char *form)
{
    fprintf(stderr, "culm: %s=%s: expected %s\n", variable, value, form);
    return false;
}

static bool read_crash(const char *value)
{
    struct str rest = str_of(value), name = STR_NULL;
    uint64_t k = 1;

    if (strcmp(value, "list") == 0) {
        list_points();
        return false;
    }
    if (!str_next(&rest, ':', &name) || !find_point(name) || (rest.p != NULL && !str_to_u64(rest, &k)) || k == 0)
        return refuse("CULM_CRASH", value, "POINT[:K]; CULM_CRASH=list prints the points");
    crash.left = k;
    __atomic_or_fetch(&fault_armed, ARMED_POINT, __ATOMIC_SEQ_CST);
    return true;
}

static int errno_named(struct str name)
{
    static const struct {
        const char *name;
        int sys;
    } known[] = {{"ENOSPC", ENOSPC}, {"EIO", EIO},       {"ENOMEM", ENOMEM}, {"EMFILE", EMFILE},
                 {"EACCES", EACCES}, {"EDQUOT", EDQUOT}, {"EROFS", EROFS},   {"EAGAIN", EAGAIN}};

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_is(name, known[i].name))
            return known[i].sys;
    return 0;
}

static bool read_fault(const char *value)
{
    struct str rest = str_of(value), word = STR_NULL;
    unsigned which = str_next(&rest, ':', &word) ? kinds_named(word) : 0;
    bool good = which != 0 && str_next(&rest, ':', &word), lasting = false;
    uint64_t k = 0;
    int sys = 0;

    good = good && str_to_u64(word, &k);
    while (good && str_next(&rest, ':', &word)) {
        if (str_is(word, "on"))
            lasting = true;
        else
            good = (sys = errno_named(word)) != 0;
    }
    if (!good)
        return refuse("CULM_FAULT", value, "KIND:K[:ERRNO][:on], such as fsync:3:EIO");
    arm(which, k, sys, lasting);
    return true;
}

bool fault_init(void)
{
    const char *point = getenv("CULM_CRASH"), *fault = getenv("CULM_FAULT");

    return (point == NULL || read_crash(point)) && (fault == NULL || read_fault(fault));
}
