/* SPDX-License-Identifier: MIT */
#include "fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

PRINTF(1, 0) static void say(const char *fmt, va_list args)
{
    fprintf(stderr, "culm-bench: ");
    vfprintf(stderr, fmt, args);
}

void fail(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say(fmt, args);
    va_end(args);
    fprintf(stderr, "\n");
    exit(1);
}

void fail_sys(const char *fmt, ...)
{
    int sys = errno;
    va_list args;

    va_start(args, fmt);
    say(fmt, args);
    va_end(args);
    fprintf(stderr, ": %s\n", strerror(sys));
    exit(1);
}
