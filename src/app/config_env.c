/* SPDX-License-Identifier: MIT */
/* What the environment says, where the file says nothing. */
#include "app/config.h"

#include "app/config_internal.h"
#include "base/str.h"

static const char *first_set(const struct config *c, const char *const *names, const char **variable)
{
    for (size_t i = 0; i < 3 && names[i] != NULL; i++) {
        const char *value = config_variable_value(c, names[i]);

        if (value != NULL) {
            *variable = names[i];
            return value;
        }
    }
    return NULL;
}

static int take(struct config *c, const char *provider, enum config_id id, const char *value, const char *variable,
                struct err *err)
{
    CLEANUP(buf_done) struct buf name = BUF_INIT;
    struct config_value *v;
    int rc;

    buf_addf(&name, "providers.%s%s", provider, strchr(config_keys[id].name, '*') + 1);
    v = config_put_value(c, &config_keys[id], buf_str(&name), str_of(provider));
    if (v->origin != CONFIG_FROM_DEFAULT || value == NULL)
        return 0;
    rc = config_take_text(c, v, str_of(value), err);
    if (rc < 0)
        return err_wrap(err, "%s", variable);
    v->origin = CONFIG_FROM_ENVIRONMENT;
    v->variable = variable;
    return 0;
}

/*
 * Key and address come from one place: a key of the environment is not sent to an address of the file that was written
 * without it in mind, nor the other way round.
 */
static int read_provider(struct config *c, const struct config_env_provider *p, struct err *err)
{
    const char *key_variable = NULL, *url_variable = NULL;
    const char *key = first_set(c, p->api_keys, &key_variable), *url = first_set(c, p->base_urls, &url_variable);
    int rc;

    if (key == NULL && url == NULL)
        return 0;
    if (p->driver == NULL) {
        config_notice(c, "%s is not used: there is no driver for %s yet, only \"openai\" and \"offline\"",
                      key != NULL ? key_variable : url_variable, p->name);
        return 0;
    }
    if (config_owner_value(c, p->name, CONFIG_PROVIDER_API_KEY)->origin == CONFIG_FROM_FILE ||
        config_owner_value(c, p->name, CONFIG_PROVIDER_BASE_URL)->origin == CONFIG_FROM_FILE) {
        config_notice(c, "%s is not used: the configuration file has an address or key for providers.%s",
                      key != NULL ? key_variable : url_variable, p->name);
        return 0;
    }
    rc = take(c, p->name, CONFIG_PROVIDER_DRIVER, NULL, NULL, err); /* the instance is there, whichever of the two is */
    if (rc == 0 && key != NULL)
        rc = take(c, p->name, CONFIG_PROVIDER_API_KEY, key, key_variable, err);
    if (rc == 0 && url != NULL)
        rc = take(c, p->name, CONFIG_PROVIDER_BASE_URL, url, url_variable, err);
    return rc;
}

static int read_key(struct config *c, struct config_value *v, struct err *err)
{
    const char *value = v->key->env == NULL ? NULL : config_variable_value(c, v->key->env);
    int rc;

    if (value == NULL || v->origin != CONFIG_FROM_DEFAULT)
        return 0;
    rc = config_take_text(c, v, str_of(value), err);
    if (rc < 0)
        return err_wrap(err, "%s", v->key->env);
    v->origin = CONFIG_FROM_ENVIRONMENT;
    v->variable = v->key->env;
    return 0;
}

static bool is_known(struct str name)
{
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++)
        if (config_keys[i].env != NULL && str_is(name, config_keys[i].env))
            return true;
    for (size_t i = 0; i < config_variables_count; i++)
        if (str_is(name, config_variables[i].name))
            return true;
    return false;
}

static void report_unknown(struct config *c)
{
    for (char *const *p = c->environment; p != NULL && *p != NULL; p++) {
        struct str rest = str_of(*p), name;

        if (str_next(&rest, '=', &name) && str_has_prefix(name, STR("CULM_")) && !is_known(name))
            config_notice(c, STR_FMT " in the environment means nothing to culm", STR_ARG(name));
    }
}

int config_read_environment(struct config *c, char *const *environment, struct err *err)
{
    c->environment = environment;
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
        int rc = read_key(c, &c->values[i], err);

        if (rc < 0)
            return rc;
    }
    for (size_t i = 0; i < config_env_providers_count; i++) {
        int rc = read_provider(c, &config_env_providers[i], err);

        if (rc < 0)
            return rc;
    }
    report_unknown(c);
    return 0;
}
