/* SPDX-License-Identifier: MIT */
/* What a model writes when it asks a person: what is taken keeps the promises of ask.h, what is not says why. */
#include "base/limits.h"
#include "base/str.h"
#include "check.h"
#include "run/ask.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_taken(const struct ask *ask)
{
    CHECK(ask->question.n > 0 && ask->question.n <= LIMIT_QUESTION_BYTES);
    CHECK(ask->n_options <= LIMIT_QUESTION_OPTIONS && (ask->n_options > 0) == (ask->options_json.n > 0));
    CHECK(ask->allow_custom || ask->n_options > 0);
    CHECK(ask->deadline_ms >= 0 && ask->deadline_ms <= LIMIT_QUESTION_SECONDS * INT64_C(1000));
    for (uint32_t i = 0; i < ask->n_options; i++)
        CHECK(str_eq(ask_accept(ask, ask->options[i]), ask->options[i]));
    CHECK(ask->fallback.n == 0 || ask_accept(ask, ask->fallback).p != NULL);
    CHECK(ask_accept(ask, STR("  ")).p == NULL);
    CHECK((ask_accept(ask, STR("no option at all, surely")).p != NULL) <= ask->allow_custom || ask->n_options > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {.code = ERR_OK};
    struct arena a;
    struct ask ask;

    arena_init(&a);
    if (ask_read((struct str){(const char *)data, size}, &a, &ask, &err) == 0)
        check_taken(&ask);
    else
        CHECK(err.code != ERR_OK && err.text[0] != '\0');
    arena_done(&a);
    return 0;
}
