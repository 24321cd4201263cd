/* SPDX-License-Identifier: MIT */
#include "app/manual.h"

#include "app/command_line.h"
#include "app/config_table.h"
#include "app/exit_code.h"
#include "base/str.h"

/* In roff a backslash begins an escape, a minus is a hyphen, and a dot or quote at the start of a line is a request. */
static void add_text(struct str text, struct buf *out)
{
    bool is_line_start = out->n == 0 || out->p[out->n - 1] == '\n';

    for (size_t i = 0; i < text.n; i++) {
        if (is_line_start && (text.p[i] == '.' || text.p[i] == '\''))
            buf_add_str(out, STR("\\&"));
        is_line_start = text.p[i] == '\n';
        if (text.p[i] == '\\')
            buf_add_str(out, STR("\\e"));
        else if (text.p[i] == '-')
            buf_add_str(out, STR("\\-"));
        else if (text.p[i] == '~')
            buf_add_str(out, STR("\\(ti"));
        else if (text.p[i] == '^')
            buf_add_str(out, STR("\\(ha"));
        else if (text.p[i] != '`') /* the code marks of the documents in Markdown */
            buf_add_char(out, text.p[i]);
    }
}

static void add_bold(struct str text, struct buf *out)
{
    buf_add_str(out, STR("\\fB"));
    add_text(text, out);
    buf_add_str(out, STR("\\fR"));
}

static void add_italic(struct str text, struct buf *out)
{
    buf_add_str(out, STR("\\fI"));
    add_text(text, out);
    buf_add_str(out, STR("\\fR"));
}

static void add_section(const char *name, struct buf *out)
{
    buf_addf(out, ".SH %s\n", name);
}

/* A term, and what it means in a paragraph beside it. */
static void add_term(struct str term, const char *means, struct buf *out)
{
    buf_add_str(out, STR(".TP\n"));
    add_bold(term, out);
    buf_add_char(out, '\n');
    add_text(str_of(means), out);
    buf_add_char(out, '\n');
}

static void add_paragraph(const char *text, struct buf *out)
{
    buf_add_str(out, STR(".PP\n"));
    add_text(str_of(text), out);
    buf_add_char(out, '\n');
}

/* ---- commands and options ---- */

static void add_option(const struct command_option *o, struct buf *out)
{
    CLEANUP(buf_done) struct buf name = BUF_INIT;

    buf_addf(&name, "--%s", o->name);
    buf_add_str(out, STR(".TP\n"));
    add_bold(buf_str(&name), out);
    if (o->value != NULL) {
        buf_add_char(out, ' ');
        add_italic(str_of(o->value), out);
    }
    buf_add_char(out, '\n');
    add_text(str_of(o->doc), out);
    buf_add_char(out, '\n');
}

static void add_command(const struct command *c, struct buf *out)
{
    buf_add_str(out, STR(".SS "));
    add_text(str_of(c->name), out);
    if (c->args[0] != '\0') {
        buf_add_char(out, ' ');
        add_text(str_of(c->args), out);
    }
    buf_add_char(out, '\n');
    add_text(str_of(c->summary), out);
    buf_add_char(out, '\n');
    for (size_t i = 0; i < command_options_count; i++)
        if (command_takes(c, &command_options[i]) && !command_option_is_general(&command_options[i]))
            add_option(&command_options[i], out);
    if (command_note(c) != NULL)
        add_paragraph(command_note(c), out);
}

static void add_commands(struct buf *out)
{
    add_section("COMMANDS", out);
    for (const struct command *c = commands; c < commands + COMMAND_COUNT; c++)
        add_command(c, out);
    add_section("OPTIONS", out);
    buf_add_str(out, STR("Every command takes these:\n"));
    for (size_t i = 0; i < command_options_count; i++)
        if (command_option_is_general(&command_options[i]))
            add_option(&command_options[i], out);
    add_term(STR("--version"), "print the version", out);
}

/* ---- what is around it ---- */

static void add_environment(struct buf *out)
{
    add_section("ENVIRONMENT", out);
    for (size_t i = 0; i < config_variables_count; i++)
        add_term(str_of(config_variables[i].name), config_variables[i].doc, out);
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++)
        if (config_keys[i].env != NULL)
            add_term(str_of(config_keys[i].env), config_keys[i].doc, out);
    for (size_t i = 0; i < config_env_providers_count; i++) {
        const struct config_env_provider *p = &config_env_providers[i];

        if (p->driver == NULL)
            continue;
        add_term(str_of(p->api_keys[0]), "key of a provider that the configuration file does not name", out);
        add_term(str_of(p->base_urls[0]), "its address, with or without /v1; else the official one", out);
    }
    add_term(STR("NO_COLOR"), "where it is set and not empty, terminals get no colours; CLICOLOR=0 does the same", out);
    add_term(STR("COLUMNS"), "the width of lists on a terminal, instead of the terminal's own", out);
}

static const struct {
    const char *name, *what;
} files[] = {
    {"config.json", "the configuration; culm config explain lists its keys"},
    {"culm.db", "every session: an SQLite database, with its write-ahead log in culm.db-wal"},
    {"culm.lock", "held by the server that works here; there is one at a time"},
    {"culm.sock", "the Unix socket of that server, for commands of the same user"},
    {"server.json", "where that server can be reached, for people and tools"},
    {"token", "what clients over TCP have to show"},
};

static void add_files(struct buf *out)
{
    add_section("FILES", out);
    buf_add_str(out, STR("All are in the data directory, \\fI\\(ti/.culm\\fR where nothing else is said.\n"));
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        add_term(str_of(files[i].name), files[i].what, out);
}

static void add_exit_codes(struct buf *out)
{
    add_section("EXIT STATUS", out);
#define X(name, code, doc) add_term(STR(#code), doc, out);
    EXIT_CODES(X)
#undef X
}

void manual_write(struct buf *out)
{
    buf_addf(out, ".\\\" Made by: culm help \\-\\-man\n.TH CULM 1 \"\" \"culm %s\" \"User Commands\"\n", CULM_VERSION);
    add_section("NAME", out);
    buf_add_str(out, STR("culm \\- an agent server\n"));
    add_section("SYNOPSIS", out);
    buf_add_str(out, STR(".B culm\n.I COMMAND\n[\\fIOPTION\\fR...] [\\fIARGUMENT\\fR...]\n"));
    add_section("DESCRIPTION", out);
    add_text(
        STR("culm keeps conversations (sessions), runs the agent loop over them in the background, streams every step "
            "to any number of watchers, and is killed and restarted without losing a fact."),
        out);
    buf_add_char(out, '\n');
    add_paragraph(
        "Commands speak to the server that works in the data directory, or to the one that --server names. Where "
        "there is none, those that only read look at what is stored themselves and change nothing; run and "
        "resume are the server for as long as they take.",
        out);
    add_paragraph(
        "On a terminal lists are aligned, coloured and cut to its width. In a pipe they are one row per line, "
        "whole, with a tab between the columns; --json gives one line of JSON each.",
        out);
    add_commands(out);
    add_environment(out);
    add_files(out);
    add_exit_codes(out);
}
