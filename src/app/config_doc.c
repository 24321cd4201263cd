/* SPDX-License-Identifier: MIT */
/* The table of keys told to people: `culm config explain`, and docs/configuration.md. */
#include "app/config.h"
#include "app/config_internal.h"
#include "base/str.h"

/* ---- parts ---- */

static void write_type(const struct config_key *key, struct buf *out)
{
    switch (key->type) {
    case CONFIG_BOOL:
        buf_add_str(out, STR("true or false"));
        break;
    case CONFIG_NUMBER:
        buf_addf(out, "number, %" PRId64 " to %" PRId64, key->min, key->max);
        break;
    case CONFIG_AMOUNT:
        buf_addf(out, "amount, %" PRId64 " to %" PRId64, key->min / MICROS_PER_ONE, key->max / MICROS_PER_ONE);
        break;
    case CONFIG_TEXT:
        buf_add_str(out, STR("text"));
        break;
    case CONFIG_WORD:
        for (const char *const *w = key->words; *w != NULL; w++)
            buf_addf(out, "%s%s", w == key->words ? "" : w[1] == NULL ? " or " : ", ", *w);
        break;
    case CONFIG_LIST:
        buf_add_str(out, STR("list of texts"));
        break;
    }
}

static void write_default(const struct config_key *key, struct buf *out)
{
    switch (key->type) {
    case CONFIG_BOOL:
        buf_add_str(out, STR("false"));
        break;
    case CONFIG_NUMBER:
        buf_addf(out, "%" PRId64, key->number);
        break;
    case CONFIG_AMOUNT:
        if (key->number == CONFIG_NO_AMOUNT)
            buf_add_str(out, STR("unset"));
        else
            micros_write(key->number, out);
        break;
    case CONFIG_TEXT:
    case CONFIG_WORD:
        buf_add_str(out, key->text == NULL ? STR("unset") : str_of(key->text));
        break;
    case CONFIG_LIST:
        buf_add_str(out, STR("empty"));
        break;
    }
}

/* Variables that give this key; false: none. */
static bool write_variables(const struct config_key *key, const char *open, const char *close, struct buf *out)
{
    bool any = key->env != NULL;

    if (any)
        buf_addf(out, "%s%s%s", open, key->env, close);
    for (size_t i = 0; i < config_env_providers_count; i++) {
        const struct config_env_provider *p = &config_env_providers[i];
        const char *const *names = key == &config_keys[CONFIG_PROVIDER_API_KEY]    ? p->api_keys
                                   : key == &config_keys[CONFIG_PROVIDER_BASE_URL] ? p->base_urls
                                                                                   : NULL;

        for (size_t k = 0; names != NULL && p->driver != NULL && k < 3 && names[k] != NULL; k++) {
            buf_addf(out, "%s%s%s%s", any ? ", " : "", open, names[k], close);
            any = true;
        }
    }
    return any;
}

static const char *when(const struct config_key *key)
{
    return (key->flags & CONFIG_LIVE) != 0 ? "at SIGHUP" : "at the next start";
}

/* ---- for people ---- */

static void write_origin(const struct config_value *v, struct buf *out)
{
    switch (v->origin) {
    case CONFIG_FROM_DEFAULT:
        buf_add_str(out, STR("the default"));
        break;
    case CONFIG_FROM_ENVIRONMENT:
        buf_addf(out, "from %s", v->variable);
        break;
    case CONFIG_FROM_FILE:
        buf_add_str(out, STR("from the file"));
        break;
    case CONFIG_FROM_OPTION:
        buf_add_str(out, STR("from the command line"));
        break;
    }
}

static void explain_value(const struct config_value *v, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);

    buf_addf(out, "  now: ");
    config_write_value(&w, v, true);
    buf_addf(out, " (");
    write_origin(v, out);
    buf_addf(out, ")\n");
}

static void explain_key(const struct config_key *key, const char *name, struct buf *out)
{
    buf_addf(out, "%s\n  %s\n  ", name, key->doc);
    write_type(key, out);
    buf_add_str(out, STR("; default: "));
    write_default(key, out);
    buf_addf(out, "; a change counts %s", when(key));
    buf_add_str(out, STR("\n"));
    if (key->env != NULL || config_family_of(key) == CONFIG_OF_PROVIDER) {
        CLEANUP(buf_done) struct buf variables = BUF_INIT;

        if (write_variables(key, "", "", &variables))
            buf_addf(out, "  environment: %s\n", variables.p);
    }
}

int config_explain(const struct config *c, struct str name, struct buf *out, struct err *err)
{
    bool any = false;
    struct str owner;

    if (config_find_key(name, &owner) != NULL && config_find_value(c, name) == NULL) {
        CLEANUP(buf_done) struct buf text = BUF_INIT;

        buf_add_str(&text, name);
        explain_key(config_find_key(name, &owner), text.p, out);
        return 0;
    }
    for (size_t i = 0; i < c->n_values; i++) {
        const struct config_value *v = &c->values[i];
        struct str s = str_of(v->name);

        /* Asked for everything, a key of each provider or model is explained once; asked for one, with its value. */
        if (name.n == 0 ? i >= CONFIG_KEY_COUNT : !str_eq(s, name) && !(str_has_prefix(s, name) && s.p[name.n] == '.'))
            continue;
        explain_key(v->key, v->name, out);
        if (i >= CONFIG_KEY_COUNT || config_family_of(v->key) == CONFIG_PLAIN)
            explain_value(v, out);
        any = true;
    }
    return any ? 0 : config_unknown(name, err);
}

/* ---- docs/configuration.md ---- */

static const char head[] =
    "# Configuration\n"
    "\n"
    "<!-- Made by `culm config explain --markdown`; the source is src/app/config_table.h. Do not edit. -->\n"
    "\n"
    "culm runs without any configuration. What is to be different stands in one JSON file: `config.json` in the data\n"
    "directory (`--data-dir`, else `CULM_DATA_DIR`, else `~/.culm`), or the file that `--config` names.\n"
    "\n"
    "```json\n"
    "{\n"
    "  \"providers\": {\n"
    "    \"local\": { \"base_url\": \"http://127.0.0.1:11434\", \"models\": [\"qwen3\"] },\n"
    "    \"openai\": { \"api_key\": \"env:OPENAI_API_KEY\" }\n"
    "  },\n"
    "  \"models\": {\n"
    "    \"openai/gpt-5\": { \"input_price\": 1.25, \"output_price\": 10, \"cached_input_price\": 0.125 }\n"
    "  },\n"
    "  \"defaults\": { \"model\": \"local/qwen3\" }\n"
    "}\n"
    "```\n"
    "\n"
    "- The command line has the word over the file, the file over the environment, the environment over the defaults.\n"
    "- `culm config show [KEY]` prints what is in force, secrets as `***`; `culm config explain [KEY]` says what a "
    "key\n"
    "  means and where its value comes from; `culm config set KEY VALUE` changes the file in one step (`null` takes a\n"
    "  value away). Each section has a revision in the file, raised by every `set`: with `--revision N` a change is "
    "made\n"
    "  only if nobody was faster.\n"
    "- An unknown key is an error that names the nearest known one.\n"
    "- `kill -HUP` makes a running server read the file again.\n"
    "- Where no provider is configured, the built-in model `offline` answers.\n"
    "\n"
    "## Keys\n"
    "\n"
    "| key | type | default | counts | environment | what it is |\n"
    "|---|---|---|---|---|---|\n";

static const char middle[] =
    "\n"
    "`providers.*` is the name of a provider: 1 to 128 of `A-Za-z0-9._:-`; `models.*` is `PROVIDER/MODEL`, which may "
    "have\n"
    "dots. In other places a model is named `MODEL`, or `PROVIDER/MODEL`.\n"
    "\n"
    "An amount is written with at most six digits after the point and kept exactly. What is left out of a model's "
    "prices\n"
    "is not guessed: unless it has one for input and one for output, the cost of its calls is not known. A change of "
    "prices\n"
    "counts for runs that start afterwards.\n"
    "\n"
    "## Environment\n"
    "\n"
    "Either variable of a provider makes an instance of its name. Key and address come from one place: where the file "
    "has\n"
    "one of them for that name, the variables are not used.\n"
    "\n"
    "| variable | what it is |\n"
    "|---|---|\n";

static void write_row(const struct config_key *key, struct buf *out)
{
    CLEANUP(buf_done) struct buf variables = BUF_INIT;

    buf_addf(out, "| `%s` | ", key->name);
    write_type(key, out);
    buf_add_str(out, STR(" | "));
    write_default(key, out);
    write_variables(key, "`", "`", &variables);
    buf_addf(out, " | %s | %s | %s |\n", when(key), variables.n > 0 ? variables.p : "", key->doc);
}

static void write_provider_variables(const char *const *names, const char *what, const struct config_env_provider *p,
                                     struct buf *out)
{
    for (size_t k = 0; k < 3 && names[k] != NULL; k++)
        buf_addf(out, "| `%s` | %s of the provider `%s`%s |\n", names[k], what, p->name,
                 p->driver == NULL ? "; known, but there is no driver for it yet" : "");
}

void config_write_markdown(struct buf *out)
{
    buf_add_str(out, STR(head));
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++)
        write_row(&config_keys[i], out);
    buf_add_str(out, STR(middle));
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++)
        if (config_keys[i].env != NULL)
            buf_addf(out, "| `%s` | `%s` |\n", config_keys[i].env, config_keys[i].name);
    for (size_t i = 0; i < config_env_providers_count; i++) {
        write_provider_variables(config_env_providers[i].api_keys, "key", &config_env_providers[i], out);
        write_provider_variables(config_env_providers[i].base_urls, "address", &config_env_providers[i], out);
    }
    for (size_t i = 0; i < config_variables_count; i++)
        buf_addf(out, "| `%s` | %s |\n", config_variables[i].name, config_variables[i].doc);
    buf_add_str(out, STR("\nAny other `CULM_…` is reported and does nothing.\n"));
}
