/* SPDX-License-Identifier: MIT */
#include "app/completions_internal.h"
#include "app/placeholder.h"
#include "base/str.h"

static const char fish_head[] = "# Completes the words behind culm in fish. Made by: culm completions fish\n"
                                "function __culm_words # those before the cursor that are no options\n"
                                "    set -l tokens (commandline -opc)\n"
                                "    set -l is_value no\n"
                                "    for token in $tokens[2..-1]\n"
                                "        if test $is_value = yes\n"
                                "            set is_value no\n"
                                "            continue\n"
                                "        end\n"
                                "        switch $token\n"
                                "            case";

static const char fish_functions[] =
    "\n"
    "                set is_value yes\n"
    "            case '-*'\n"
    "            case '*'\n"
    "                echo -- $token\n"
    "        end\n"
    "    end\n"
    "end\n"
    "function __culm_at # COMMAND: it was given, and nothing behind it\n"
    "    set -l given (__culm_words)\n"
    "    test \"$given\" = \"$argv[1]\"\n"
    "end\n"
    "function __culm_in # COMMAND: it was given\n"
    "    set -l given (__culm_words)\n"
    "    test \"$given\" = \"$argv[1]\"; or string match -q -- \"$argv[1] *\" \"$given\"\n"
    "end\n"
    "function __culm_sessions\n"
    "    culm sessions 2>/dev/null | cut -f 1\n"
    "end\n"
    "complete -c culm -f\n";

static void fish_value_word(const struct command_option *o, struct buf *out)
{
    buf_addf(out, " --%s", o->name);
}

/* What may be given for a placeholder. */
static void fish_choice(struct str name, struct buf *out)
{
    CLEANUP(buf_done) struct buf words = BUF_INIT;

    switch (placeholder_of(name)) {
    case PLACEHOLDER_FILE:
        buf_add_str(out, STR(" -F"));
        break;
    case PLACEHOLDER_DIRECTORY:
        buf_add_str(out, STR(" -a '(__fish_complete_directories)'"));
        break;
    case PLACEHOLDER_SESSION:
        buf_add_str(out, STR(" -a '(__culm_sessions)'"));
        break;
    case PLACEHOLDER_WORD:
        placeholder_words(name, &words);
        buf_addf(out, " -a '%s'", words.p);
        break;
    case PLACEHOLDER_ANYTHING:
        break;
    }
}

static void fish_option(const struct command *c, const struct command_option *o, struct buf *out)
{
    buf_addf(out, "complete -c culm -n '__culm_in \"%s\"' -l %s", c->name, o->name);
    if (o->value != NULL)
        buf_add_str(out, placeholder_of(str_of(o->value)) == PLACEHOLDER_FILE ? STR(" -r") : STR(" -x"));
    if (o->value != NULL)
        fish_choice(str_of(o->value), out);
    buf_add_str(out, STR(" -d "));
    completions_add_quoted(str_of(o->doc), out);
    buf_add_char(out, '\n');
}

static void fish_word(struct str behind, struct str word, const char *what, struct buf *out)
{
    buf_addf(out, "complete -c culm -n '__culm_at \"" STR_FMT "\"' -a " STR_FMT " -d ", STR_ARG(behind), STR_ARG(word));
    completions_add_quoted(str_of(what), out);
    buf_add_char(out, '\n');
}

static void fish_command(const struct command *c, struct buf *out)
{
    struct str argument = placeholder_of_command(c);
    CLEANUP(buf_done) struct buf second = BUF_INIT;

    completions_second_words(c, &second);
    if (completions_is_group_start(c))
        fish_word(STR_NULL, command_first_word(c), second.p, out);
    if (command_second_word(c) != NULL)
        fish_word(command_first_word(c), str_of(command_second_word(c)), c->summary, out);
    else
        fish_word(STR_NULL, str_of(c->name), c->summary, out);
    if (placeholder_of(argument) != PLACEHOLDER_ANYTHING) {
        buf_addf(out, "complete -c culm -n '__culm_at \"%s\"'", c->name);
        fish_choice(argument, out);
        buf_add_char(out, '\n');
    }
    for (const struct command_option *o = command_options; o < command_options + command_options_count; o++)
        if (command_takes(c, o))
            fish_option(c, o, out);
}

void completions_fish(struct buf *out)
{
    buf_add_str(out, str_of(fish_head));
    completions_each_value(fish_value_word, out);
    buf_add_str(out, str_of(fish_functions));
    for (const struct command *c = commands; c < commands + COMMAND_COUNT; c++)
        fish_command(c, out);
}
