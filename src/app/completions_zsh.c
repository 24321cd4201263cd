/* SPDX-License-Identifier: MIT */
#include "app/completions_internal.h"
#include "app/placeholder.h"
#include "base/str.h"

static const char zsh_head[] =
    "#compdef culm\n"
    "# Completes the words behind culm in zsh. Made by: culm completions zsh\n"
    "_culm_sessions() {\n"
    "    local -a ids\n"
    "    ids=(${(f)\"$(_call_program sessions ${words[1]} sessions 2>/dev/null | cut -f 1)\"})\n"
    "    compadd -a ids\n"
    "}\n"
    "_culm() {\n"
    "    local command='' wanted='' word\n"
    "    local -i i given=0\n"
    "    local -a items\n"
    "    for ((i = 2; i < CURRENT; i++)); do\n"
    "        word=${words[i]}\n"
    "        case $word in\n";

static const char zsh_values[] = ") ((++i >= CURRENT)) && wanted=$word ;;\n"
                                 "        (-*) ;;\n"
                                 "        (*)\n"
                                 "            case $command in\n"
                                 "            ('') command=$word ;;\n";

static const char zsh_groups[] = ") command=\"$command $word\" ;;\n"
                                 "            (*) given+=1 ;;\n"
                                 "            esac ;;\n"
                                 "        esac\n"
                                 "    done\n"
                                 "    if [[ -z $wanted && ${words[CURRENT]} == --*=* ]]; then\n"
                                 "        wanted=${words[CURRENT]%%=*}\n"
                                 "        compset -P '*='\n"
                                 "    fi\n"
                                 "    if [[ -n $wanted ]]; then\n"
                                 "        case $wanted in\n";

static const char zsh_options[] = "        esac\n"
                                  "    elif [[ ${words[CURRENT]} == -* ]]; then\n"
                                  "        case $command in\n";

static const char zsh_arguments[] = "        esac\n"
                                    "        _describe -o option items\n"
                                    "    else\n"
                                    "        case $command:$given in\n";

static const char zsh_tail[] = "        esac\n"
                               "    fi\n"
                               "}\n"
                               "if [[ ${funcstack[1]} == _culm ]]; then\n"
                               "    _culm \"$@\"\n"
                               "else\n"
                               "    compdef _culm culm\n"
                               "fi\n";

static void zsh_case(struct str pattern, struct str name, struct buf *out)
{
    CLEANUP(buf_done) struct buf words = BUF_INIT;

    switch (placeholder_of(name)) {
    case PLACEHOLDER_FILE:
        buf_addf(out, "        ('" STR_FMT "') _files ;;\n", STR_ARG(pattern));
        break;
    case PLACEHOLDER_DIRECTORY:
        buf_addf(out, "        ('" STR_FMT "') _files -/ ;;\n", STR_ARG(pattern));
        break;
    case PLACEHOLDER_SESSION:
        buf_addf(out, "        ('" STR_FMT "') _culm_sessions ;;\n", STR_ARG(pattern));
        break;
    case PLACEHOLDER_WORD:
        placeholder_words(name, &words);
        buf_addf(out, "        ('" STR_FMT "') compadd %s ;;\n", STR_ARG(pattern), words.p);
        break;
    case PLACEHOLDER_ANYTHING:
        break;
    }
}

static void zsh_value(const struct command_option *o, struct buf *out)
{
    CLEANUP(buf_done) struct buf pattern = BUF_INIT;

    buf_addf(&pattern, "--%s", o->name);
    zsh_case(buf_str(&pattern), str_of(o->value), out);
}

/* 'name:what it is' */
static void zsh_item(struct str name, const char *dashes, const char *what, struct buf *out)
{
    CLEANUP(buf_done) struct buf item = BUF_INIT;

    buf_addf(&item, "%s" STR_FMT ":%s", dashes, STR_ARG(name), what);
    buf_add_char(out, ' ');
    completions_add_quoted(buf_str(&item), out);
}

static void zsh_command_options(const struct command *c, struct buf *out)
{
    buf_addf(out, "        ('%s') items=(", c == NULL ? "" : c->name);
    for (const struct command_option *o = command_options; o < command_options + command_options_count; o++)
        if (c == NULL ? command_option_is_general(o) : command_takes(c, o))
            zsh_item(str_of(o->name), "--", o->doc, out);
    buf_add_str(out, STR(") ;;\n"));
}

static void zsh_second_words(struct str group, struct buf *out)
{
    buf_addf(out, "        ('" STR_FMT ":0') items=(", STR_ARG(group));
    for (const struct command *c = commands; c < commands + COMMAND_COUNT; c++)
        if (command_second_word(c) != NULL && str_eq(command_first_word(c), group))
            zsh_item(str_of(command_second_word(c)), "", c->summary, out);
    buf_add_str(out, STR("); _describe command items ;;\n"));
}

static void zsh_first_words(struct buf *out)
{
    buf_add_str(out, STR("        (':0') items=("));
    for (const struct command *c = commands; c < commands + COMMAND_COUNT; c++) {
        CLEANUP(buf_done) struct buf second = BUF_INIT;

        if (command_second_word(c) == NULL) {
            zsh_item(str_of(c->name), "", c->summary, out);
        } else if (completions_is_group_start(c)) {
            completions_second_words(c, &second);
            zsh_item(command_first_word(c), "", second.p, out);
        }
    }
    buf_add_str(out, STR("); _describe command items ;;\n"));
}

void completions_zsh(struct buf *out)
{
    CLEANUP(buf_done) struct buf values = BUF_INIT, groups = BUF_INIT;

    completions_value_pattern(&values);
    completions_add_groups(&groups);
    buf_addf(out, "%s        (%s%s            (%s%s", zsh_head, values.p, zsh_values, groups.p, zsh_groups);
    completions_each_value(zsh_value, out);
    buf_add_str(out, str_of(zsh_options));
    zsh_command_options(NULL, out);
    for (const struct command *c = commands; c < commands + COMMAND_COUNT; c++)
        zsh_command_options(c, out);
    buf_add_str(out, str_of(zsh_arguments));
    zsh_first_words(out);
    for (const struct command *c = commands; c < commands + COMMAND_COUNT; c++) {
        CLEANUP(buf_done) struct buf pattern = BUF_INIT;

        if (completions_is_group_start(c))
            zsh_second_words(command_first_word(c), out);
        buf_addf(&pattern, "%s:0", c->name);
        zsh_case(buf_str(&pattern), placeholder_of_command(c), out);
    }
    buf_add_str(out, str_of(zsh_tail));
}
