/* SPDX-License-Identifier: MIT */
#include "app/completions_internal.h"
#include "app/placeholder.h"
#include "base/str.h"

static const char bash_head[] =
    "# Completes the words behind culm in bash. Made by: culm completions bash\n"
    "_culm_words() { # NAME WORD PROGRAM: what NAME stands for, as far as it begins with WORD\n"
    "    case $1 in\n"
    "    FILE) compgen -f -- \"$2\" ;;\n"
    "    DIR) compgen -d -- \"$2\" ;;\n"
    "    ID) compgen -W \"$(\"$3\" sessions 2>/dev/null | cut -f 1)\" -- \"$2\" ;;\n"
    "    *) compgen -W \"$1\" -- \"$2\" ;;\n"
    "    esac\n"
    "}\n"
    "_culm() {\n"
    "    local current=${COMP_WORDS[COMP_CWORD]} command='' wanted='' words='' word IFS=$'\\n'\n"
    "    local -i i given=0\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        case $word in\n";

static const char bash_values[] =
    ")\n"
    "            [[ ${COMP_WORDS[i + 1]} == = ]] && ((i++)) # bash takes --state=done apart\n"
    "            ((++i >= COMP_CWORD)) && wanted=$word ;;\n"
    "        -*) ;;\n"
    "        *)\n"
    "            case $command in\n"
    "            '') command=$word ;;\n";

static const char bash_groups[] = ") command=\"$command $word\" ;;\n"
                                  "            *) given+=1 ;;\n"
                                  "            esac ;;\n"
                                  "        esac\n"
                                  "    done\n"
                                  "    [[ $current == = ]] && current=\n"
                                  "    if [[ -n $wanted ]]; then\n"
                                  "        case $wanted in\n";

static const char bash_options[] = "        esac\n"
                                   "    elif [[ $current == -* ]]; then\n"
                                   "        case $command in\n";

static const char bash_arguments[] = "        esac\n"
                                     "    else\n"
                                     "        case $command:$given in\n";

static const char bash_tail[] =
    "        esac\n"
    "    fi\n"
    "    [[ -z $words ]] && COMPREPLY=() && return\n"
    "    [[ $words == FILE || $words == DIR ]] && compopt -o filenames 2>/dev/null\n"
    "    COMPREPLY=($(_culm_words \"${words// /$'\\n'}\" \"$current\" \"${COMP_WORDS[0]}\"))\n"
    "}\n"
    "complete -F _culm culm\n";

/* FILE, DIR and ID as they are; words that are known in full. */
static void bash_words(struct str name, struct buf *out)
{
    switch (placeholder_of(name)) {
    case PLACEHOLDER_FILE:
    case PLACEHOLDER_DIRECTORY:
    case PLACEHOLDER_SESSION:
        buf_add_str(out, name);
        break;
    case PLACEHOLDER_WORD:
        placeholder_words(name, out);
        break;
    case PLACEHOLDER_ANYTHING:
        break;
    }
}

static void bash_case(const char *indent, struct str pattern, struct str words, struct buf *out)
{
    if (words.n > 0)
        buf_addf(out, "%s'" STR_FMT "') words='" STR_FMT "' ;;\n", indent, STR_ARG(pattern), STR_ARG(words));
}

static void bash_value(const struct command_option *o, struct buf *out)
{
    CLEANUP(buf_done) struct buf name = BUF_INIT, words = BUF_INIT;

    buf_addf(&name, "--%s", o->name);
    bash_words(str_of(o->value), &words);
    bash_case("        ", buf_str(&name), buf_str(&words), out);
}

static void bash_command_options(const struct command *c, struct buf *out)
{
    CLEANUP(buf_done) struct buf words = BUF_INIT;

    for (size_t i = 0; i < command_options_count; i++)
        if (c == NULL ? command_option_is_general(&command_options[i]) : command_takes(c, &command_options[i]))
            buf_addf(&words, "%s--%s", words.n > 0 ? " " : "", command_options[i].name);
    if (c == NULL)
        buf_add_str(&words, STR(" --version"));
    bash_case("        ", c == NULL ? STR_NULL : str_of(c->name), buf_str(&words), out);
}

static void bash_second_words(struct str group, struct buf *out)
{
    CLEANUP(buf_done) struct buf words = BUF_INIT, pattern = BUF_INIT;

    for (const struct command *c = commands; c < commands + COMMAND_COUNT; c++)
        if (command_second_word(c) != NULL && str_eq(command_first_word(c), group))
            buf_addf(&words, "%s%s", words.n > 0 ? " " : "", command_second_word(c));
    buf_addf(&pattern, STR_FMT ":0", STR_ARG(group));
    bash_case("        ", buf_str(&pattern), buf_str(&words), out);
}

static void bash_argument(const struct command *c, struct buf *out)
{
    CLEANUP(buf_done) struct buf words = BUF_INIT, pattern = BUF_INIT;

    bash_words(placeholder_of_command(c), &words);
    buf_addf(&pattern, "%s:0", c->name);
    bash_case("        ", buf_str(&pattern), buf_str(&words), out);
}

void completions_bash(struct buf *out)
{
    CLEANUP(buf_done) struct buf values = BUF_INIT, groups = BUF_INIT, first = BUF_INIT;

    completions_value_pattern(&values);
    completions_add_groups(&groups);
    placeholder_words(STR("COMMAND"), &first);
    buf_addf(out, "%s        %s%s            %s%s", bash_head, values.p, bash_values, groups.p, bash_groups);
    completions_each_value(bash_value, out);
    buf_add_str(out, str_of(bash_options));
    bash_command_options(NULL, out);
    for (const struct command *c = commands; c < commands + COMMAND_COUNT; c++)
        bash_command_options(c, out);
    buf_add_str(out, str_of(bash_arguments));
    bash_case("        ", STR(":0"), buf_str(&first), out);
    for (const struct command *c = commands; c < commands + COMMAND_COUNT; c++) {
        if (completions_is_group_start(c))
            bash_second_words(command_first_word(c), out);
        bash_argument(c, out);
    }
    buf_add_str(out, str_of(bash_tail));
}
