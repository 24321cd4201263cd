/* SPDX-License-Identifier: MIT */
#pragma once
/* A directory for one test, and what cmocka wants to be included first. */
#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static inline int temporary_make(void **state)
{
    char *path = mem_strdup("/tmp/culm-unit-XXXXXX");

    *state = mkdtemp(path);
    return *state == NULL ? -1 : 0;
}

/* Files only, and directories that are empty. */
static inline int temporary_remove(void **state)
{
    char path[600];
    DIR *d = opendir(*state);

    if (d == NULL)
        return -1;
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        snprintf(path, sizeof(path), "%s/%s", (const char *)*state, e->d_name);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            remove(path);
    }
    closedir(d);
    rmdir(*state);
    mem_free(*state);
    return 0;
}

static inline const char *temporary_path(void **state, const char *name)
{
    static char path[600];

    snprintf(path, sizeof(path), "%s/%s", (const char *)*state, name);
    return path;
}

static inline void temporary_put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    if (f == NULL)
        abort();
    fputs(text, f);
    fclose(f);
}

static inline size_t temporary_count(void **state)
{
    DIR *d = opendir(*state);
    size_t n = 0;

    if (d == NULL)
        abort();
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n - 2;
}

#define TEMPORARY_TEST(f) cmocka_unit_test_setup_teardown(f, temporary_make, temporary_remove)
