/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What every store must do, as cases that know nothing but the port. An implementation's test
 * brings a factory and runs them all beside its own.
 */
#include "store/store.h"

struct store_factory {
    struct store *(*open)(void *arg); /* the same data each time; fails the test where it cannot */
    void (*clear)(void *arg);         /* new, empty data; nothing is open */
    void *arg;
};

/* Runs the cases as a cmocka group; the number of those that failed. */
int store_suite_run(const char *name, const struct store_factory *f);
