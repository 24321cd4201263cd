/* SPDX-License-Identifier: MIT */
#include "app/completions.h"

#include "app/completions_internal.h"
#include "base/str.h"

const char *const completions_shells[] = {"bash", "zsh", "fish", NULL};

bool completions_is_group_start(const struct command *c)
{
    return command_second_word(c) != NULL &&
           (c == commands || !str_eq(command_first_word(c), command_first_word(c - 1)));
}

/* Options stand in several rows where they mean different things: the first row of a name speaks for their value. */
static bool is_first_of_name(const struct command_option *o)
{
    for (const struct command_option *p = command_options; p < o; p++)
        if (strcmp(p->name, o->name) == 0)
            return false;
    return true;
}

void completions_each_value(completions_option_fn *write, struct buf *out)
{
    for (const struct command_option *o = command_options; o < command_options + command_options_count; o++)
        if (o->value != NULL && is_first_of_name(o))
            write(o, out);
}

void completions_add_quoted(struct str text, struct buf *out)
{
    buf_add_char(out, '\'');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\'')
            buf_add_str(out, STR("'\\''"));
        else
            buf_add_char(out, text.p[i]);
    }
    buf_add_char(out, '\'');
}

static void add_pattern(const struct command_option *o, struct buf *out)
{
    buf_addf(out, "%s--%s", out->n > 0 ? " | " : "", o->name);
}

void completions_value_pattern(struct buf *out)
{
    completions_each_value(add_pattern, out);
}

void completions_add_groups(struct buf *out)
{
    for (const struct command *c = commands; c < commands + COMMAND_COUNT; c++)
        if (completions_is_group_start(c))
            buf_addf(out, "%s" STR_FMT, out->n > 0 ? " | " : "", STR_ARG(command_first_word(c)));
}

void completions_second_words(const struct command *c, struct buf *out)
{
    for (const struct command *other = commands; other < commands + COMMAND_COUNT; other++)
        if (command_second_word(other) != NULL && str_eq(command_first_word(other), command_first_word(c)))
            buf_addf(out, "%s%s", out->n > 0 ? ", " : "", command_second_word(other));
}

bool completions_write(struct str shell, struct buf *out)
{
    static void (*const writers[])(struct buf *out) = {completions_bash, completions_zsh, completions_fish};

    for (size_t i = 0; i < ARRAY_LEN(writers); i++) {
        if (str_is(shell, completions_shells[i])) {
            writers[i](out);
            return true;
        }
    }
    return false;
}
