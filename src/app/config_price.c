/* SPDX-License-Identifier: MIT */
/* The prices of models, of the keys `models.*`. */
#include "app/config.h"
#include "app/config_internal.h"
#include "base/mem.h"
#include "base/str.h"

static int64_t amount(const struct config *c, const char *model, enum config_id id)
{
    return config_owner_value(c, model, id)->number;
}

static struct price price_of(const struct config *c, const char *model)
{
    struct price p = {
        .input = amount(c, model, CONFIG_MODEL_INPUT_PRICE),
        .output = amount(c, model, CONFIG_MODEL_OUTPUT_PRICE),
        .cached = amount(c, model, CONFIG_MODEL_CACHED_INPUT_PRICE),
    };

    p.known = p.input != CONFIG_NO_AMOUNT && p.output != CONFIG_NO_AMOUNT;
    if (p.cached == CONFIG_NO_AMOUNT)
        p.cached = p.input;
    return p;
}

struct price_list *config_prices(const struct config *c)
{
    const struct config_owners *models = &c->owners[CONFIG_OF_MODEL];
    struct price_entry *entries = mem_calloc(models->n + 1, sizeof(*entries));
    struct price_list *list;
    size_t n = 0;

    for (size_t i = 0; i < models->n; i++) {
        struct str model = str_of(models->names[i]), provider;
        bool is_whole = str_next(&model, '/', &provider);

        assert(is_whole);
        entries[n] = (struct price_entry){provider, model, price_of(c, models->names[i])};
        n += entries[n].price.known;
    }
    list = price_list_new(entries, n);
    mem_free(entries);
    return list;
}

void config_look_over(struct config *c)
{
    const struct config_owners *models = &c->owners[CONFIG_OF_MODEL];

    for (size_t i = 0; i < models->n; i++) {
        const char *model = models->names[i];
        bool has_input = amount(c, model, CONFIG_MODEL_INPUT_PRICE) != CONFIG_NO_AMOUNT;
        bool has_output = amount(c, model, CONFIG_MODEL_OUTPUT_PRICE) != CONFIG_NO_AMOUNT;
        bool has_cached = amount(c, model, CONFIG_MODEL_CACHED_INPUT_PRICE) != CONFIG_NO_AMOUNT;

        if ((has_input || has_output || has_cached) && !(has_input && has_output))
            config_notice(c, "models.%s: the price is not used: %s_price is missing", model,
                          has_input ? "output" : "input");
    }
}
