/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Every key of the configuration, once: the parser, the defaults, `culm config`, its documentation
 * and the names in the environment come from this table. A name with `*` stands for one key of
 * each provider, or of each model. The section is the part before the first dot. Pure data; any thread.
 */
#include "base/base.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/micros.h"

/* The price of a million tokens. */
#define CONFIG_PRICE .number = CONFIG_NO_AMOUNT, .max = (int64_t)1000 * 1000 * MICROS_PER_ONE, .flags = CONFIG_LIVE

#define CONFIG_LOG_MODULE(id, name) " " name
#define CONFIG_LOG_MODULES LOG_MODULES(CONFIG_LOG_MODULE)

/* X(ID, name, type, doc, further fields of struct config_key) */
#define CONFIG_KEYS(X)                                                                                                 \
    X(SERVER_BIND, "server.bind", TEXT, "address that `culm serve` listens on: numeric, or localhost",                 \
      .text = "127.0.0.1")                                                                                             \
    X(SERVER_PORT, "server.port", NUMBER, "TCP port; 0 takes a free one", .number = 9562, .max = 65535)                \
    X(SERVER_HOSTS, "server.hosts", LIST,                                                                              \
      "further names that clients may use in Host, with or without port; localhost, 127.0.0.1 and [::1] always work",  \
      .flags = 0)                                                                                                      \
    X(SERVER_ORIGINS, "server.origins", LIST,                                                                          \
      "exact origins whose pages may call this server, such as https://ui.example; none by default", .flags = 0)       \
    X(SERVER_COMPAT_OPEN_LOOPBACK, "server.compat_open_loopback", BOOL,                                                \
      "let in whoever comes from this machine, without the token: for Bamboo's own clients, which send none",          \
      .flags = 0)                                                                                                      \
    X(SERVER_INSECURE_WIDE_BIND, "server.insecure_wide_bind", BOOL,                                                    \
      "allow server.bind to be an address that other machines reach, though there is no TLS: token and text then "     \
      "cross the network in the open",                                                                                 \
      .flags = 0)                                                                                                      \
    X(PROVIDER_DRIVER, "providers.*.driver", WORD, "what the provider speaks", .text = "openai",                       \
      .words = config_drivers, .flags = CONFIG_LIVE)                                                                   \
    X(PROVIDER_BASE_URL, "providers.*.base_url", TEXT,                                                                 \
      "where the provider is, with or without /v1; else the driver's own", .flags = CONFIG_LIVE)                       \
    X(PROVIDER_API_KEY, "providers.*.api_key", TEXT,                                                                   \
      "the key, or env:NAME for the value of that variable; `culm config show` never prints it",                       \
      .flags = CONFIG_LIVE | CONFIG_SECRET)                                                                            \
    X(PROVIDER_MODELS, "providers.*.models", LIST,                                                                     \
      "models it may be asked for, the first is its default; empty: any, and none is the default",                     \
      .flags = CONFIG_LIVE)                                                                                            \
    X(MODEL_INPUT_PRICE, "models.*.input_price", AMOUNT,                                                               \
      "price of a million tokens of input, in any money, but in the same for all models", CONFIG_PRICE)                \
    X(MODEL_OUTPUT_PRICE, "models.*.output_price", AMOUNT,                                                             \
      "price of a million tokens of output, reasoning included; a price counts only with both of them", CONFIG_PRICE)  \
    X(MODEL_CACHED_INPUT_PRICE, "models.*.cached_input_price", AMOUNT,                                                 \
      "price of a million tokens of input that the provider had in its cache; else that of other input", CONFIG_PRICE) \
    X(DEFAULTS_MODEL, "defaults.model", TEXT,                                                                          \
      "model of sessions that name none, as MODEL or PROVIDER/MODEL; else the first model of the first provider",      \
      .flags = CONFIG_LIVE, .env = "CULM_MODEL")                                                                       \
    X(DEFAULTS_EFFORT, "defaults.effort", WORD, "reasoning effort of runs that name none; else the model's own",       \
      .words = config_efforts, .flags = CONFIG_LIVE)                                                                   \
    X(DEFAULTS_SYSTEM_PROMPT, "defaults.system_prompt", TEXT, "system prompt of new sessions that bring none",         \
      .flags = 0)                                                                                                      \
    X(LIMITS_ROUNDS, "limits.rounds", NUMBER, "rounds of a run; a request may ask for fewer", .number = LIMIT_ROUNDS,  \
      .min = 1, .max = 100000, .flags = CONFIG_LIVE)                                                                   \
    X(LIMITS_TOOL_CALLS, "limits.tool_calls", NUMBER, "tool calls of a run; a request may ask for fewer",              \
      .number = LIMIT_CALLS, .min = 1, .max = 10 * 1000 * 1000, .flags = CONFIG_LIVE)                                  \
    X(LIMITS_MAX_TOKENS, "limits.max_tokens", NUMBER,                                                                  \
      "tokens of a run, prompts included; a request may ask for fewer; 0: as many as it takes",                        \
      .max = 1000 * 1000 * 1000, .flags = CONFIG_LIVE)                                                                 \
    X(LIMITS_WALL_MS, "limits.wall_ms", NUMBER,                                                                        \
      "time of a run, from its start; a request may ask for less; 0: as long as it takes",                             \
      .max = (int64_t)365 * 24 * 3600 * 1000, .flags = CONFIG_LIVE)                                                    \
    X(LIMITS_MAX_COST, "limits.max_cost", AMOUNT,                                                                      \
      "money of a run, in that of the prices; a request may ask for less; 0: as much as it takes; else models "        \
      "without a price are refused",                                                                                   \
      .max = (int64_t)1000 * 1000 * MICROS_PER_ONE, .flags = CONFIG_LIVE)                                              \
    X(LIMITS_MODEL_HEADERS_MS, "limits.model_headers_ms", NUMBER, "time to the first byte of a provider's answer",     \
      .number = LIMIT_MODEL_HEADERS_MS, .min = 100, .max = 3600 * 1000, .flags = CONFIG_LIVE)                          \
    X(LIMITS_MODEL_CONTENT_MS, "limits.model_content_ms", NUMBER, "time to the first content of an answer",            \
      .number = LIMIT_MODEL_CONTENT_MS, .min = 100, .max = 3600 * 1000, .flags = CONFIG_LIVE)                          \
    X(LIMITS_MODEL_IDLE_MS, "limits.model_idle_ms", NUMBER, "silence in the middle of an answer",                      \
      .number = LIMIT_MODEL_IDLE_MS, .min = 100, .max = 3600 * 1000, .flags = CONFIG_LIVE)                             \
    X(LOG_FORMAT, "log.format", WORD,                                                                                  \
      "form of the lines that `culm serve` writes to stderr; auto: journald where stderr is the journal, else text",   \
      .text = "auto", .words = log_format_names, .env = "CULM_LOG")                                                    \
    X(LOG_LEVEL, "log.level", WORD, "which lines are written", .text = "info", .words = log_level_names,               \
      .flags = CONFIG_LIVE, .env = "CULM_LOG_LEVEL")                                                                   \
    X(LOG_LEVELS, "log.levels", LIST, "levels of single modules, as in store=debug; modules:" CONFIG_LOG_MODULES,      \
      .check = config_check_level, .flags = CONFIG_LIVE, .env = "CULM_LOG_LEVELS")

enum config_id {
#define X(id, name, type, doc, ...) CONFIG_##id,
    CONFIG_KEYS(X)
#undef X
        CONFIG_KEY_COUNT
};

enum config_type { CONFIG_BOOL, CONFIG_NUMBER, CONFIG_AMOUNT, CONFIG_TEXT, CONFIG_WORD, CONFIG_LIST };

#define CONFIG_NO_AMOUNT (-1)
#define CONFIG_BUILT_IN_PROVIDER "offline" /* there without being configured */

enum {
    CONFIG_LIVE = 1,   /* a running server takes it over at SIGHUP */
    CONFIG_SECRET = 2, /* shown as *** */
};

struct config_key {
    const char *name;
    enum config_type type;
    const char *doc;
    unsigned flags;
    int64_t number, min, max;                       /* NUMBER, AMOUNT (in micros): default and range */
    const char *text;                               /* TEXT, WORD: default; NULL: none */
    const char *const *words;                       /* WORD: NULL-terminated */
    const char *env;                                /* the variable that gives it where the file does not; NULL: none */
    int (*check)(struct str item, struct err *err); /* of each text, as far as its type does not say it; NULL: none */
};

extern const struct config_key config_keys[CONFIG_KEY_COUNT];
extern const char *const config_drivers[], *const config_efforts[];
int config_check_level(struct str item, struct err *err);

/* Variables that make a provider of that name. Those of one list mean the same; the first that is set counts. */
struct config_env_provider {
    const char *name;
    const char *driver; /* NULL: nothing here speaks to it yet */
    const char *api_keys[3], *base_urls[3];
};
extern const struct config_env_provider config_env_providers[];
extern const size_t config_env_providers_count;

/* Variables that are no keys of the file: for the documentation, and so that they are known. */
struct config_variable {
    const char *name, *doc;
};
extern const struct config_variable config_variables[];
extern const size_t config_variables_count;
