/* SPDX-License-Identifier: MIT */
#include "base/fault.h"

#include "base/str.h"

#include <stdlib.h>
#include <unistd.h>

static char armed[64];
static uint64_t countdown;

void fault_init(void)
{
    struct str rest = str_of(getenv("CULM_CRASH")), name;
    uint64_t k = 1;

    if (!str_next(&rest, ':', &name) || name.n == 0 || name.n >= sizeof(armed))
        return;
    if (rest.p != NULL && !str_to_u64(rest, &k))
        return;
    str_copy(armed, sizeof(armed), name);
    countdown = k == 0 ? 1 : k;
}

void fault_point(const char *name)
{
    if (armed[0] == '\0' || strcmp(armed, name) != 0)
        return;
    if (__atomic_sub_fetch(&countdown, 1, __ATOMIC_SEQ_CST) == 0)
        _exit(137);
}
