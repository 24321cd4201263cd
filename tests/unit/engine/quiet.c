/* SPDX-License-Identifier: MIT */
#include "quiet.h"

static int64_t quiet_now(void *arg UNUSED)
{
    return QUIET_NOW;
}

static int64_t quiet_mono(void *arg)
{
    const struct quiet *q = arg;

    return q->mono;
}

static bool quiet_trusted(void *arg UNUSED)
{
    return true;
}

static void quiet_defer(void *arg UNUSED)
{
}

static void quiet_abandon(void *arg UNUSED, struct str id UNUSED)
{
}

static void quiet_alarm(void *arg, int64_t in_ms)
{
    struct quiet *q = arg;

    q->alarm_ms = in_ms;
}

struct ports quiet_ports(struct quiet *q)
{
    return (struct ports){.arg = q,
                          .now = quiet_now,
                          .mono = quiet_mono,
                          .trusted = quiet_trusted,
                          .defer = quiet_defer,
                          .abandon = quiet_abandon,
                          .alarm = quiet_alarm};
}
