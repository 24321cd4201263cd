/* SPDX-License-Identifier: MIT */
#pragma once
/* Configurations from a text, as it would stand in a file. */
#include "app/config.h"
#include "temporary.h"

/* The text must be good; to be freed. */
static inline struct config *read_good(const char *text)
{
    struct config *c = config_new();
    struct err err = {0};

    if (config_read_text(c, str_of(text), &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return c;
}

/* It is refused, for a reason that holds the part. */
static inline void refused(const char *text, const char *part)
{
    struct config *c = config_new();
    struct err err = {0};

    assert_int_equal(config_read_text(c, str_of(text), &err), -ERR_BAD_REQUEST);
    if (strstr(err.text, part) == NULL)
        fail_msg("%s: \"%s\" is not in \"%s\"", text, part, err.text);
    config_free(c);
}
