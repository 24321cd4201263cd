/* SPDX-License-Identifier: MIT */
#include "app/placeholder.h"

#include "app/completions.h"
#include "app/config_table.h"
#include "base/log.h"
#include "base/str.h"

static const char *const states[] = {"idle", "queued", "running",   "asking", "waiting",
                                     "done", "error",  "cancelled", NULL};

static const struct row {
    const char *name;
    enum placeholder kind;
    const char *const *words;
} rows[] = {
    {"FILE", PLACEHOLDER_FILE, NULL},
    {"DIR", PLACEHOLDER_DIRECTORY, NULL},
    {"ID", PLACEHOLDER_SESSION, NULL},
    {"STATE", PLACEHOLDER_WORD, states},
    {"FORMAT", PLACEHOLDER_WORD, log_format_names},
    {"SHELL", PLACEHOLDER_WORD, completions_shells},
    {"KEY", PLACEHOLDER_WORD, NULL}, /* of the configuration */
    {"COMMAND", PLACEHOLDER_WORD, NULL},
};

static const struct row *find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_is(name, rows[i].name))
            return &rows[i];
    return NULL;
}

enum placeholder placeholder_of(struct str name)
{
    const struct row *row = find(name);

    return row == NULL ? PLACEHOLDER_ANYTHING : row->kind;
}

static void add_word(struct str word, struct buf *out)
{
    if (out->n > 0)
        buf_add_char(out, ' ');
    buf_add_str(out, word);
}

static void add_keys(struct buf *out)
{
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++)
        if (strchr(config_keys[i].name, '*') == NULL)
            add_word(str_of(config_keys[i].name), out);
    add_word(STR("providers"), out);
}

void placeholder_words(struct str name, struct buf *out)
{
    const struct row *row = find(name);

    if (row == NULL || row->kind != PLACEHOLDER_WORD)
        return;
    for (const char *const *word = row->words; word != NULL && *word != NULL; word++)
        add_word(str_of(*word), out);
    if (str_is(name, "KEY"))
        add_keys(out);
    for (const struct command *c = commands; str_is(name, "COMMAND") && c < commands + COMMAND_COUNT; c++)
        if (command_first_word(c).n == strlen(c->name) || c == commands ||
            !str_eq(command_first_word(c), command_first_word(c - 1)))
            add_word(command_first_word(c), out);
}

struct str placeholder_of_command(const struct command *c)
{
    struct str args = str_of(c->args), name = STR_NULL;

    if (!str_next(&args, ' ', &name))
        return STR_NULL;
    while (name.n > 0 && (name.p[0] == '[' || name.p[0] == '.'))
        name = str_skip(name, 1);
    while (name.n > 0 && strchr("].", name.p[name.n - 1]) != NULL)
        name.n--;
    return name;
}
