/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The words behind `culm`, read by two tables: options, with the commands that take them, and
 * commands. The same tables write every help text. What is wrong is said with the nearest word
 * that would be right.
 */
#include "base/buf.h"
#include "base/err.h"

#define COMMAND_ARGS_MAX 4

enum command_id {
    COMMAND_SERVE,
    COMMAND_RUN,
    COMMAND_RESUME,
    COMMAND_SESSIONS,
    COMMAND_HISTORY,
    COMMAND_STOP,
    COMMAND_QUESTIONS,
    COMMAND_ANSWER,
    COMMAND_TAIL,
    COMMAND_TOP,
    COMMAND_TOKEN,
    COMMAND_HEALTH,
    COMMAND_DOCTOR,
    COMMAND_CONFIG_SHOW,
    COMMAND_CONFIG_SET,
    COMMAND_CONFIG_EXPLAIN,
    COMMAND_COMPLETIONS,
    COMMAND_DB_CHECK,
    COMMAND_DB_SNAPSHOT,
    COMMAND_DB_REPAIR,
    COMMAND_VERSION,
    COMMAND_HELP,
    COMMAND_COUNT
};

struct command_line {
    const struct command *command; /* NULL: none was named, or only the first word of some (`group`) */
    const char *group;
    const char *args[COMMAND_ARGS_MAX];
    int n_args;
    /* options; NULL or false: not given */
    const char *data_dir, *config, *server, *bind, *port, *session, *model, *revision, *log;
    const char *max_rounds, *max_calls, *max_tokens, *max_time, *max_cost;
    const char *state, *search, *limit, *run_id, *after, *count, *interval, *question;
    bool help, version, json, quiet, open_loopback, markdown, all, follow, man, dismiss;
};

struct command {
    const char *name; /* one word, or two: "config show" */
    const char *args; /* for the usage: "PROMPT" */
    int min_args, max_args;
    const char *summary;
    int (*run)(const struct command_line *line); /* the exit code */
};
extern const struct command commands[COMMAND_COUNT]; /* commands.c; those of one first word stand together */
const char *command_note(const struct command *c);   /* what else to know of it, in lines; NULL: nothing */

struct command_option {
    const char *name;  /* without the dashes */
    const char *value; /* what it takes; NULL: nothing */
    unsigned commands; /* that take it, a bit for each id */
    size_t offset;     /* in struct command_line: const char * with a value, bool without */
    const char *doc;
};
extern const struct command_option command_options[]; /* a name may stand in several rows, for different commands */
extern const size_t command_options_count;

bool command_takes(const struct command *c, const struct command_option *o);
bool command_option_is_general(const struct command_option *o); /* every command takes it */
struct str command_first_word(const struct command *c);
const char *command_second_word(const struct command *c); /* NULL: it has one */

/* Reads all words, argv[0] left out. ERR_BAD_REQUEST says what is wrong and what would be right. */
NODISCARD int command_line_parse(int argc, char *const *argv, struct command_line *out, struct err *err);
/* Help for a command, for a group of them, or (both NULL) for all. */
void command_line_help(const struct command *command, const char *group, struct buf *out);
