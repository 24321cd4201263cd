/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static enum log_level threshold = LOG_INFO;

void log_set_level(enum log_level level)
{
    __atomic_store_n(&threshold, level, __ATOMIC_RELAXED);
}

void log_event(enum log_level level, const char *what, const char *fmt, ...)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    char text[1024], line[1200], at[CLOCK_TEXT];
    va_list args;
    int n;

    if (level > __atomic_load_n(&threshold, __ATOMIC_RELAXED))
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    for (char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    clock_text(clock_wall_ms(), at);
    n = snprintf(line, sizeof(line), "%s %-5s %s %s\n", at, names[level], what, text);
    /* One write per line, so that lines of two threads do not mix; a closed stderr must not stop the server. */
    if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
        return;
}
