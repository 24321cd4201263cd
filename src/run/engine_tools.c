/* SPDX-License-Identifier: MIT */
#include "run/engine_tools.h"

#include "base/str.h"

static const char ask_description[] =
    "Asks the person a question and waits for the answer, which is the result of this call. Use it when a decision is "
    "the person's to take, or when something is missing that only the person knows; ask everything at once.";
static const char ask_parameters[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"question\":{\"type\":\"string\"},"
    "\"options\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"description\":\"answers to choose from\"},"
    "\"allow_custom\":{\"type\":\"boolean\",\"description\":\"whether other answers are taken too; default true\"},"
    "\"deadline_seconds\":{\"type\":\"integer\",\"minimum\":1,\"description\":\"without it the question waits\"},"
    "\"default\":{\"type\":\"string\",\"description\":\"the answer if nobody gives one in time\"}},"
    "\"required\":[\"question\"]}";

const struct engine_tool engine_tools[] = {
    {"ask_user", EFFECT_ASK, ask_description, ask_parameters},
    {"conclusion_with_options", EFFECT_ASK, NULL, NULL},
    {"ConclusionWithOptions", EFFECT_ASK, NULL, NULL},
};
const size_t engine_tools_count = ARRAY_LEN(engine_tools);

const struct engine_tool *engine_tool_find(struct str name)
{
    for (size_t i = 0; i < engine_tools_count; i++)
        if (str_is(name, engine_tools[i].name))
            return &engine_tools[i];
    return NULL;
}
