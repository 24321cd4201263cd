/* SPDX-License-Identifier: MIT */
#pragma once
/* What the cases of the suite share: the store at hand, and views of it that can be compared. */
#include "store/store_suite.h"
#include "store/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

int suite_set_up(void **state);
int suite_tear_down(void **state);
#define SUITE_CASE(fn) {#fn, fn, suite_set_up, suite_tear_down, NULL}

extern const struct CMUnitTest suite_append_cases[], suite_query_cases[], suite_past_cases[], suite_receipt_cases[];
extern const size_t suite_append_cases_count, suite_query_cases_count, suite_past_cases_count,
    suite_receipt_cases_count;

struct driver *driver_of(void **state);
struct driver *reopen(void **state); /* closes the store and opens it again */

void assert_str(struct str s, const char *text);
char *suite_dump(struct driver *d, struct str id); /* all that the store says of a session; to be freed */
void assert_unchanged(struct driver *d, struct str id, char *before); /* frees it */
/* I-FOLD and I-DENSE: what opening gives is the sum of the log, and the log has no hole. */
void assert_fold_is(struct driver *d, const struct story *t);

extern const struct call two_calls[2];
/* Each step of a run with two calls whose results come in the other order, and a post in the middle; then another run.
 */
void play_calls(struct story *t, struct driver *d, void (*after_step)(struct driver *, const struct story *));
