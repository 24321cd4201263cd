/* SPDX-License-Identifier: MIT */
#include "session/price.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/str.h"

static const struct record_field price_fields[] = {
    {.name = "input", .type = RECORD_I64, .offset = offsetof(struct price, input)},
    {.name = "output", .type = RECORD_I64, .offset = offsetof(struct price, output)},
    {.name = "cached", .type = RECORD_I64, .offset = offsetof(struct price, cached)},
    {.name = "known", .type = RECORD_BOOL, .offset = offsetof(struct price, known)},
};
const struct record price_record = {"price", sizeof(struct price), price_fields, ARRAY_LEN(price_fields)};

#define TOKENS_PER_PRICE 1000000

/* Three products of two int64 and their sum fit. */
__extension__ typedef unsigned __int128 wide;

static wide product(int64_t price, int64_t tokens)
{
    return price <= 0 || tokens <= 0 ? 0 : (wide)price * (wide)tokens;
}

static int64_t to_micros(wide sum)
{
    wide micros = (sum + TOKENS_PER_PRICE - 1) / TOKENS_PER_PRICE;

    return micros > INT64_MAX ? INT64_MAX : (int64_t)micros;
}

int64_t price_of_usage(const struct price *p, const struct usage *u)
{
    int64_t cached = u->cached_tokens < 0 ? 0 : u->cached_tokens;

    if (!p->known)
        return 0;
    if (cached > u->prompt_tokens)
        cached = u->prompt_tokens; /* what a provider says need not add up */
    return to_micros(product(p->cached, cached) + product(p->input, u->prompt_tokens - cached) +
                     product(p->output, u->completion_tokens));
}

int64_t price_worst_case(const struct price *p, int64_t prompt_tokens, int64_t output_limit)
{
    int64_t input = p->cached > p->input ? p->cached : p->input;

    if (!p->known)
        return 0;
    return to_micros(product(input, prompt_tokens) + product(p->output, output_limit));
}

int64_t price_of_failed(const struct price *p, const struct usage *counted, int64_t prompt_tokens, int64_t reserved)
{
    int64_t prompt = price_worst_case(p, prompt_tokens, 0);

    if (counted->reported)
        return price_of_usage(p, counted);
    return prompt < reserved ? prompt : reserved;
}

struct price_list {
    struct arena arena;
    size_t n;
    struct price_entry *items;
};

struct price_list *price_list_new(const struct price_entry *items, size_t n)
{
    struct price_list *l = mem_zalloc(sizeof(*l));

    arena_init(&l->arena);
    l->n = n;
    l->items = arena_alloc(&l->arena, n * sizeof(*items));
    for (size_t i = 0; i < n; i++)
        l->items[i] = (struct price_entry){
            .provider = arena_str(&l->arena, items[i].provider),
            .model = arena_str(&l->arena, items[i].model),
            .price = items[i].price,
        };
    return l;
}

void price_list_free(struct price_list *l)
{
    if (l == NULL)
        return;
    arena_done(&l->arena);
    mem_free(l);
}

struct price price_find(const struct price_list *l, struct str provider, struct str model)
{
    for (size_t i = 0; l != NULL && i < l->n; i++)
        if (str_eq(l->items[i].model, model) && str_eq(l->items[i].provider, provider))
            return l->items[i].price;
    return (struct price){.known = false};
}
