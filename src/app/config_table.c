/* SPDX-License-Identifier: MIT */
#include "app/config_table.h"

#include "base/base.h"

const char *const config_drivers[] = {"openai", "offline", NULL};
const char *const config_efforts[] = {"none", "low", "medium", "high", "xhigh", "max", NULL};

const struct config_key config_keys[CONFIG_KEY_COUNT] = {
#define X(id, name_, type_, doc_, ...)                                                                                 \
    [CONFIG_##id] = {.name = (name_), .type = CONFIG_##type_, .doc = (doc_), __VA_ARGS__},
    CONFIG_KEYS(X)
#undef X
};

int config_check_level(struct str item, struct err *err)
{
    struct log_levels trial = log_levels_all(LOG_LEVEL_INFO);

    return log_levels_put(&trial, item, err);
}

const struct config_env_provider config_env_providers[] = {
    {"openai", "openai", {"OPENAI_API_KEY"}, {"OPENAI_BASE_URL"}},
    {"anthropic", NULL, {"ANTHROPIC_API_KEY"}, {"ANTHROPIC_BASE_URL"}},
    {"gemini", NULL, {"GEMINI_API_KEY", "GOOGLE_API_KEY"}, {"GEMINI_BASE_URL", "GOOGLE_BASE_URL"}},
};
const size_t config_env_providers_count = ARRAY_LEN(config_env_providers);

const struct config_variable config_variables[] = {
    {"CULM_DATA_DIR", "the data directory, where `--data-dir` names none"},
    {"CULM_TOKEN", "the token that is shown to the server named by `--server`"},
    {"CULM_CRASH", "for tests: the named point of a durable step at which the process ends, as by kill -9"},
    {"CULM_FAULT", "for tests: the kind and number of a step that fails, such as `fsync:3:EIO`"},
};
const size_t config_variables_count = ARRAY_LEN(config_variables);
