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

/* ---- what does not fit together ---- */

static void look_at_parts(struct config *c, const char *model)
{
    bool has_input = amount(c, model, CONFIG_MODEL_INPUT_PRICE) != CONFIG_NO_AMOUNT;
    bool has_output = amount(c, model, CONFIG_MODEL_OUTPUT_PRICE) != CONFIG_NO_AMOUNT;
    bool has_cached = amount(c, model, CONFIG_MODEL_CACHED_INPUT_PRICE) != CONFIG_NO_AMOUNT;

    if ((has_input || has_output || has_cached) && !(has_input && has_output))
        config_notice(c, "models.%s: the price is not used: %s_price is missing", model,
                      has_input ? "output" : "input");
}

static const char *nearest(struct str wrong, const char *const *names, size_t n)
{
    size_t least = SIZE_MAX;
    const char *best = NULL;

    for (size_t i = 0; i < n; i++) {
        size_t distance = str_distance(wrong, str_of(names[i]));

        if (distance < least) {
            least = distance;
            best = names[i];
        }
    }
    return best;
}

static bool is_default(const struct config *c, const char *reference, struct str model)
{
    const char *name = config_text(c, CONFIG_DEFAULTS_MODEL);

    return name != NULL && (strcmp(name, reference) == 0 || str_is(model, name));
}

static void look_at_name(struct config *c, const char *reference)
{
    const struct config_owners *providers = &c->owners[CONFIG_OF_PROVIDER];
    struct str model = str_of(reference), provider = STR_NULL;
    bool is_whole = str_next(&model, '/', &provider);
    const char *name = NULL, *near;
    const char *const *listed;
    size_t n = 0;

    assert(is_whole);
    for (size_t i = 0; i < providers->n; i++)
        if (str_is(provider, providers->names[i]))
            name = providers->names[i];
    if (name == NULL) {
        near = nearest(provider, providers->names, providers->n);
        if (!str_is(provider, CONFIG_BUILT_IN_PROVIDER))
            config_notice(c, "models.%s: there is no provider \"" STR_FMT "\"%s%s%s", reference, STR_ARG(provider),
                          near != NULL ? "; did you mean " : "", near != NULL ? near : "", near != NULL ? "?" : "");
        return;
    }
    listed = config_owner_value(c, name, CONFIG_PROVIDER_MODELS)->list;
    while (listed[n] != NULL && !str_is(model, listed[n]))
        n++;
    if (n == 0 || listed[n] != NULL || is_default(c, reference, model)) /* who lists none may have any */
        return;
    config_notice(c, "models.%s: providers.%s.models does not list it; did you mean %s/%s?", reference, name, name,
                  nearest(model, listed, n));
}

static bool has_price(const struct config *c, const char *provider, const char *model)
{
    CLEANUP(buf_done) struct buf name = BUF_INIT;

    buf_addf(&name, "%s/%s", provider, model);
    return price_of(c, name.p).known;
}

/* The first of those that no run may use; who lists none says nothing. */
static void look_at_money(struct config *c)
{
    const struct config_owners *providers = &c->owners[CONFIG_OF_PROVIDER];

    for (size_t i = 0; i < providers->n; i++) {
        const char *const *models = config_owner_value(c, providers->names[i], CONFIG_PROVIDER_MODELS)->list;

        for (; *models != NULL; models++) {
            if (!has_price(c, providers->names[i], *models)) {
                config_notice(c,
                              "limits.max_cost: %s/%s has no price, and is refused as all models without one; set "
                              "models.%s/%s.input_price and .output_price",
                              providers->names[i], *models, providers->names[i], *models);
                return;
            }
        }
    }
    if (providers->n == 0 && !has_price(c, CONFIG_BUILT_IN_PROVIDER, CONFIG_BUILT_IN_PROVIDER))
        config_notice(c,
                      "limits.max_cost: no provider is configured, and the built-in model has no price: it is refused");
}

/* The right price of a wrong name is the price of nothing. */
void config_look_over(struct config *c)
{
    const struct config_owners *models = &c->owners[CONFIG_OF_MODEL];

    if (config_amount(c, CONFIG_LIMITS_MAX_COST) > 0)
        look_at_money(c);
    for (size_t i = 0; i < models->n; i++) {
        look_at_parts(c, models->names[i]);
        look_at_name(c, models->names[i]);
    }
}
