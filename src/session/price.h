/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What tokens cost. A price is in micros (millionths of the unit of money, base/micros.h) per million
 * tokens, an amount of money in micros; which money it is, is the operator's affair, as long as all
 * prices are in the same. Amounts are rounded up once, at their end, and stop at the largest number.
 */
#include "session/types.h"

struct price {
    int64_t input, output;
    int64_t cached; /* input that the provider had in its cache */
    bool known;     /* false: all of it costs 0, and nobody should rely on that */
};

/* What this call cost. Cached tokens are a part of the prompt's, reasoning tokens one of the completion's. */
int64_t price_of_usage(const struct price *p, const struct usage *u);
/* The most that a call may cost which sends so many tokens and may bring so many. */
int64_t price_worst_case(const struct price *p, int64_t prompt_tokens, int64_t output_limit);
/*
 * What a call cost that its provider says has failed: what was counted (`counted->reported`), else the prompt, because
 * nobody is paid for an answer that was not given; of that no more than was reserved.
 */
int64_t price_of_failed(const struct price *p, const struct usage *counted, int64_t prompt_tokens, int64_t reserved);

extern const struct record price_record;

/* The prices of models. Immutable: a reload of the configuration makes a new one. */
struct price_list;
struct price_entry {
    struct str provider, model;
    struct price price;
};

struct price_list *price_list_new(const struct price_entry *items,
                                  size_t n); /* deep copy; the first of equals counts */
void price_list_free(struct price_list *l);  /* NULL is fine */
/* Not `known` where the list has none for this model. NULL is a list without prices. */
struct price price_find(const struct price_list *l, struct str provider, struct str model);
