/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Drives a store without an event loop: the test's thread sleeps on a condition until the store
 * calls `notify`, then polls. Waits are bounded: what does not come in a minute fails the test.
 */
#include "store/store.h"

struct driver;

struct driver *driver_new(struct store *st); /* the store becomes the driver's */
void driver_free(struct driver *d);          /* closes it */
struct store *driver_store(const struct driver *d);

/* Send and wait for the completion; *out may be NULL. */
int driver_append(struct driver *d, const struct append *a, struct appended *out);
/* Send; completions are kept in the order they come. */
void driver_send(struct driver *d, const struct append *a);
void driver_wait_appends(struct driver *d); /* for all that were sent */
size_t driver_completions(const struct driver *d, const struct appended **out);
void driver_forget(struct driver *d); /* the completions kept so far */

struct opened *driver_open(struct driver *d, struct str id);          /* to be freed */
struct answer *driver_query(struct driver *d, const struct query *q); /* to be freed */
uint64_t driver_fed(const struct driver *d);                          /* the newest number that on_feed told; 0: none */
unsigned driver_notified(const struct driver *d);                     /* how often `notify` was called */
