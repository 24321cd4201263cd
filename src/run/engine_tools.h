/* SPDX-License-Identifier: MIT */
#pragma once
/* Tools that are the run's own: no process, no network, what they do is facts. Everything else is the toolbox's. */
#include "session/types.h"

struct engine_tool {
    const char *name;
    enum effect_class effect;
    const char *description, *parameters; /* for the model; the latter a JSON schema. NULL: another name of one above */
};

extern const struct engine_tool engine_tools[];
extern const size_t engine_tools_count;

const struct engine_tool *engine_tool_find(struct str name); /* NULL: not one of these */
