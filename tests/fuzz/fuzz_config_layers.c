/* SPDX-License-Identifier: MIT */
/*
 * The layers of the configuration that are no file: the environment, a variable a line, and below the first empty line
 * what `culm config set` and options take, a name and a value. What is taken can be shown, what is not has a reason.
 */
#include "app/config.h"
#include "base/json.h"
#include "base/str.h"
#include "base/utf8.h"
#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { VARIABLES = 16, TEXT_BYTES = 4096 };

/* Up to an empty line, as the kernel hands them over: terminated. Returns what follows it. */
static char *split_environment(char *text, char *variables[VARIABLES + 1])
{
    size_t n = 0;
    char *end;

    while ((end = strchr(text, '\n')) != NULL && end != text) {
        *end = '\0';
        if (n < VARIABLES)
            variables[n++] = text;
        text = end + 1;
    }
    variables[n] = NULL;
    return end == NULL ? text : end + 1;
}

static void check_shown(const struct config *c)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    struct json *node = NULL;
    struct err err;
    struct arena a;

    arena_init(&a);
    CHECK(config_show(c, STR(""), &text, &err) == 0 && json_parse(&a, buf_str(&text), &node, &err) == 0);
    buf_clear(&text);
    CHECK(config_explain(c, STR(""), &text, &err) == 0 && utf8_is_valid(buf_str(&text)));
    for (const char *const *notice = config_notices(c); *notice != NULL; notice++)
        CHECK(utf8_is_valid(str_of(*notice)));
    arena_done(&a);
}

static void set_all(struct config *c, struct str lines)
{
    struct str line, name;

    while (str_next(&lines, '\n', &line)) {
        struct err err = {.code = ERR_OK};

        if (!str_next(&line, ' ', &name) || config_set(c, name, line, CONFIG_FROM_OPTION, &err) == 0)
            continue;
        CHECK(err.code == ERR_NOT_FOUND || err.code == ERR_BAD_REQUEST || err.code == ERR_TOO_BIG);
        CHECK(err.text[0] != '\0'); /* it may quote the name, in whatever bytes that was typed */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[TEXT_BYTES + 1];
    char *variables[VARIABLES + 1], *rest;
    struct config *c = config_new();
    struct err err = {.code = ERR_OK};

    size = size < TEXT_BYTES ? size : TEXT_BYTES;
    memcpy(text, data, size);
    text[size] = '\0';
    rest = split_environment(text, variables);
    if (config_read_environment(c, variables, &err) < 0)
        CHECK(err.code == ERR_BAD_REQUEST && err.text[0] != '\0' && utf8_is_valid(str_of(err.text)));
    set_all(c, str_of(rest));
    config_look_over(c);
    check_shown(c);
    price_list_free(config_prices(c));
    config_free(c);
    return 0;
}
