/* SPDX-License-Identifier: MIT */
#include "app/command_line.h"

#include "app/exit_code.h"
#include "base/str.h"

#define BIT(id) (1u << COMMAND_##id)
#define ALL_COMMANDS ((1u << COMMAND_COUNT) - 1)
#define WITH_SERVER                                                                                                    \
    (BIT(RUN) | BIT(RESUME) | BIT(SESSIONS) | BIT(HISTORY) | BIT(STOP) | BIT(QUESTIONS) | BIT(ANSWER) | BIT(TAIL) |    \
     BIT(TOP) | BIT(HEALTH))
#define WITH_CONFIG                                                                                                    \
    (BIT(SERVE) | BIT(RUN) | BIT(RESUME) | BIT(STOP) | BIT(ANSWER) | BIT(DOCTOR) | BIT(CONFIG_SHOW) |                  \
     BIT(CONFIG_SET) | BIT(CONFIG_EXPLAIN))

const struct command_option command_options[] = {
    {"bind", "ADDR", BIT(SERVE), offsetof(struct command_line, bind), "address to listen on (default 127.0.0.1)"},
    {"port", "N", BIT(SERVE), offsetof(struct command_line, port), "TCP port, 0 for a free one (default 9562)"},
    {"compat-open-loopback", NULL, BIT(SERVE), offsetof(struct command_line, open_loopback),
     "let in whoever comes from this machine without the token, as Bamboo's clients do"},
    {"log", "FORMAT", BIT(SERVE), offsetof(struct command_line, log), "form of the log: text, json or journald"},
    {"session", "ID", BIT(RUN), offsetof(struct command_line, session), "go on in this session (default: a new one)"},
    {"model", "MODEL", BIT(RUN), offsetof(struct command_line, model), "MODEL or PROVIDER/MODEL of the session"},
    {"max-rounds", "N", BIT(RUN) | BIT(RESUME), offsetof(struct command_line, max_rounds),
     "so many rounds of the model at most, and one to end with"},
    {"max-calls", "N", BIT(RUN) | BIT(RESUME), offsetof(struct command_line, max_calls), "so many tool calls at most"},
    {"max-tokens", "N", BIT(RUN) | BIT(RESUME), offsetof(struct command_line, max_tokens),
     "begin no round after so many tokens, prompts included"},
    {"max-time", "SECONDS", BIT(RUN) | BIT(RESUME), offsetof(struct command_line, max_time),
     "so long at most, and as long again to end with (a minute at most)"},
    {"max-cost", "AMOUNT", BIT(RUN) | BIT(RESUME), offsetof(struct command_line, max_cost),
     "never more than that, in the money of the prices, as in 0.25"},
    {"state", "STATE", BIT(SESSIONS), offsetof(struct command_line, state),
     "only those that are idle, queued, running, asking, waiting, done, error or cancelled"},
    {"search", "WORDS", BIT(SESSIONS), offsetof(struct command_line, search),
     "only those with these words in the title"},
    {"limit", "N", BIT(SESSIONS), offsetof(struct command_line, limit), "so many at most (default 50)"},
    {"all", NULL, BIT(SESSIONS), offsetof(struct command_line, all), "all of them"},
    {"json", NULL, BIT(RUN) | BIT(RESUME) | BIT(ANSWER) | BIT(TAIL), offsetof(struct command_line, json),
     "print each event as one line of JSON"},
    {"json", NULL, BIT(HEALTH) | BIT(VERSION) | BIT(CONFIG_SHOW), offsetof(struct command_line, json),
     "print it as one line of JSON"},
    {"man", NULL, BIT(HELP), offsetof(struct command_line, man), "print the manual page instead, for man -l -"},
    {"json", NULL, BIT(SESSIONS) | BIT(QUESTIONS), offsetof(struct command_line, json),
     "print each of them as one line of JSON"},
    {"json", NULL, BIT(DOCTOR), offsetof(struct command_line, json), "print each finding as one line of JSON"},
    {"json", NULL, BIT(HISTORY), offsetof(struct command_line, json), "print each fact as one line of JSON"},
    {"json", NULL, BIT(TOP), offsetof(struct command_line, json), "print each look as one line of JSON"},
    {"count", "N", BIT(TOP), offsetof(struct command_line, count), "look so often, then end (default: once in a pipe)"},
    {"interval", "SECONDS", BIT(TOP), offsetof(struct command_line, interval), "from one look to the next (default 1)"},
    {"after", "SEQ", BIT(TAIL), offsetof(struct command_line, after),
     "begin behind this number, 0 is the beginning (default: the last 20)"},
    {"follow", NULL, BIT(TAIL), offsetof(struct command_line, follow), "wait for the next run, and the next"},
    {"run", "RUN_ID", BIT(STOP), offsetof(struct command_line, run_id), "only if it is this run"},
    {"question", "QUESTION_ID", BIT(ANSWER), offsetof(struct command_line, question),
     "this one, by its id or that of its tool call (default: the oldest)"},
    {"dismiss", NULL, BIT(ANSWER), offsetof(struct command_line, dismiss),
     "tell the model that nobody wants to answer"},
    {"json", NULL, BIT(DB_CHECK) | BIT(DB_SNAPSHOT) | BIT(DB_REPAIR), offsetof(struct command_line, json),
     "print each finding as one line of JSON"},
    {"quiet", NULL, BIT(RUN) | BIT(RESUME) | BIT(ANSWER), offsetof(struct command_line, quiet),
     "print the answer and nothing else"},
    {"server", "URL", WITH_SERVER, offsetof(struct command_line, server),
     "use the server there, with the token in CULM_TOKEN"},
    {"config", "FILE", WITH_CONFIG, offsetof(struct command_line, config),
     "the configuration file (default: config.json in the data directory)"},
    {"revision", "N", BIT(CONFIG_SET), offsetof(struct command_line, revision),
     "only if the section still has this revision"},
    {"markdown", NULL, BIT(CONFIG_EXPLAIN), offsetof(struct command_line, markdown),
     "print docs/configuration.md instead"},
    {"data-dir", "DIR", ALL_COMMANDS, offsetof(struct command_line, data_dir),
     "the data directory (default: CULM_DATA_DIR, else ~/.culm)"},
    {"help", NULL, ALL_COMMANDS, offsetof(struct command_line, help), "print what this command takes"},
};
const size_t command_options_count = ARRAY_LEN(command_options);

/* ---- the tables, for whoever asks ---- */

static unsigned bit_of(const struct command *c)
{
    return 1u << (c - commands);
}

bool command_takes(const struct command *c, const struct command_option *o)
{
    return (o->commands & bit_of(c)) != 0;
}

bool command_option_is_general(const struct command_option *o)
{
    return o->commands == ALL_COMMANDS;
}

struct str command_first_word(const struct command *c)
{
    struct str rest = str_of(c->name), word = STR_NULL;

    return str_next(&rest, ' ', &word) ? word : STR_NULL;
}

const char *command_second_word(const struct command *c)
{
    const char *blank = strchr(c->name, ' ');

    return blank == NULL ? NULL : blank + 1;
}

/* ---- the nearest word ---- */

struct nearest {
    const char *name;
    size_t distance;
};

static void consider(struct nearest *n, struct str wrong, const char *name)
{
    size_t distance = str_distance(wrong, str_of(name));

    if (n->name == NULL || distance < n->distance)
        *n = (struct nearest){name, distance};
}

#define SHOWN 60

static int shown(struct str s)
{
    return s.n > SHOWN ? SHOWN : (int)s.n;
}

/* ---- commands ---- */

/* One of two words, the first of which is `group`. */
static bool is_in_group(const struct command *c, const char *group)
{
    return command_second_word(c) != NULL && str_is(command_first_word(c), group);
}

static int unknown_command(const char *group, struct str word, struct err *err)
{
    struct nearest n = {0};
    bool whole = group == NULL;

    for (const struct command *c = commands; c < commands + COMMAND_COUNT; c++) {
        if (whole)
            consider(&n, word, c->name);
        else if (is_in_group(c, group))
            consider(&n, word, command_second_word(c));
    }
    return err_set(err, ERR_BAD_REQUEST, "unknown command \"%s%s%.*s\"; did you mean \"%s%s%s\"? See: culm help",
                   whole ? "" : group, whole ? "" : " ", shown(word), word.p, whole ? "" : group, whole ? "" : " ",
                   n.name);
}

/* The word names a command, begins one of two words, or ends one that was begun. */
static int take_command(struct command_line *line, const char *word, struct err *err)
{
    for (const struct command *c = commands; c < commands + COMMAND_COUNT; c++) {
        if (line->group != NULL) {
            if (is_in_group(c, line->group) && strcmp(command_second_word(c), word) == 0)
                line->command = c;
        } else if (strcmp(c->name, word) == 0) {
            line->command = c;
        } else if (is_in_group(c, word)) {
            line->group = word;
            return 0;
        }
    }
    return line->command != NULL ? 0 : unknown_command(line->group, str_of(word), err);
}

/* ---- options ---- */

static bool takes(const struct command_line *line, const struct command_option *o)
{
    unsigned known = 0;

    if (line->command != NULL)
        return command_takes(line->command, o);
    for (const struct command *c = commands; c < commands + COMMAND_COUNT; c++)
        if (line->group == NULL || is_in_group(c, line->group))
            known |= bit_of(c);
    return (o->commands & known) != 0;
}

static int unknown_option(const struct command_line *line, struct str name, struct err *err)
{
    struct nearest n = {0};

    for (size_t i = 0; i < command_options_count; i++)
        if (takes(line, &command_options[i]))
            consider(&n, name, command_options[i].name);
    return err_set(err, ERR_BAD_REQUEST, "unknown option --%.*s%s%s; did you mean --%s? See: culm %s%s--help",
                   shown(name), name.p, line->command != NULL ? " for culm " : "",
                   line->command != NULL ? line->command->name : "", n.name,
                   line->command != NULL ? line->command->name : "", line->command != NULL ? " " : "");
}

static const struct command_option *find_option(const struct command_line *line, struct str name)
{
    for (size_t i = 0; i < command_options_count; i++)
        if (str_is(name, command_options[i].name) && takes(line, &command_options[i]))
            return &command_options[i];
    return NULL;
}

/* `word` is behind its dashes; *next is the word that follows, if there is one, and NULL once it was taken. */
static int take_option(struct command_line *line, const char *word, const char **next, struct err *err)
{
    struct str rest = str_of(word), name = STR_NULL;
    bool has_value = str_next(&rest, '=', &name) && rest.p != NULL;
    const struct command_option *o = find_option(line, name);
    char *field;

    if (o == NULL)
        return unknown_option(line, name, err);
    field = (char *)line + o->offset;
    if (o->value == NULL) {
        if (has_value)
            return err_set(err, ERR_BAD_REQUEST, "--%s takes no value", o->name);
        *(bool *)field = true;
        return 0;
    }
    if (!has_value && *next == NULL)
        return err_set(err, ERR_BAD_REQUEST, "--%s wants a value: --%s %s", o->name, o->name, o->value);
    *(const char **)(void *)field = has_value ? rest.p : *next;
    if (!has_value)
        *next = NULL;
    return 0;
}

/* ---- all words ---- */

static int take_word(struct command_line *line, const char *word, struct err *err)
{
    if (line->command == NULL)
        return take_command(line, word, err);
    if (line->n_args == line->command->max_args || line->n_args == COMMAND_ARGS_MAX)
        return err_set(err, ERR_BAD_REQUEST, "unexpected \"%.*s\" (quote what has blanks); see: culm %s --help",
                       shown(str_of(word)), word, line->command->name);
    line->args[line->n_args++] = word;
    return 0;
}

static int check_whole(const struct command_line *line, struct err *err)
{
    if (line->help || line->version)
        return 0;
    if (line->group != NULL && line->command == NULL)
        return err_set(err, ERR_BAD_REQUEST, "culm %s wants a second word; see: culm %s --help", line->group,
                       line->group);
    if (line->command == NULL)
        return err_set(err, ERR_BAD_REQUEST, "no command; see: culm help");
    if (line->n_args < line->command->min_args)
        return err_set(err, ERR_BAD_REQUEST, "usage: culm %s %s", line->command->name, line->command->args);
    return 0;
}

int command_line_parse(int argc, char *const *argv, struct command_line *out, struct err *err)
{
    struct command_line line = {0};
    bool options_end = false;

    for (int i = 0; i < argc; i++) {
        const char *const word = argv[i];
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        int rc = 0;

        assert(word != NULL);
        if (!options_end && strcmp(word, "--") == 0) {
            options_end = true;
        } else if (!options_end &&
                   (strcmp(word, "-h") == 0 || strcmp(word, "-V") == 0 || strcmp(word, "--version") == 0)) {
            line.help = line.help || word[1] == 'h';
            line.version = line.version || word[1] != 'h';
        } else if (!options_end && word[0] == '-' && word[1] == '-') {
            bool had_next = next != NULL;

            rc = take_option(&line, word + 2, &next, err);
            i += had_next && next == NULL;
        } else if (!options_end && word[0] == '-' && word[1] != '\0') {
            rc = err_set(err, ERR_BAD_REQUEST, "unknown option %.*s; options have two dashes, see: culm help",
                         shown(str_of(word)), word);
        } else {
            rc = take_word(&line, word, err);
        }
        if (rc < 0)
            return rc;
    }
    *out = line;
    return check_whole(&line, err);
}

/* ---- help ---- */

static void help_options(const struct command *c, struct buf *out)
{
    buf_add_str(out, STR("\noptions:\n"));
    for (size_t i = 0; i < command_options_count; i++) {
        CLEANUP(buf_done) struct buf left = BUF_INIT;

        if (c != NULL && !command_takes(c, &command_options[i]))
            continue;
        if (c == NULL && !command_option_is_general(&command_options[i]))
            continue;
        buf_addf(&left, "--%s%s%s", command_options[i].name, command_options[i].value != NULL ? " " : "",
                 command_options[i].value != NULL ? command_options[i].value : "");
        buf_addf(out, "  %-24s %s\n", left.p, command_options[i].doc);
    }
}

static void help_commands(const char *group, struct buf *out)
{
    for (const struct command *c = commands; c < commands + COMMAND_COUNT; c++) {
        CLEANUP(buf_done) struct buf left = BUF_INIT;

        if (group != NULL && !is_in_group(c, group))
            continue;
        buf_addf(&left, "%s%s%s", c->name, c->args[0] != '\0' ? " " : "", c->args);
        buf_addf(out, "  %-24s %s\n", left.p, c->summary);
    }
}

static void help_exit_codes(struct buf *out)
{
    buf_add_str(out, STR("\nexit codes:\n"));
#define X(name, value, doc) buf_addf(out, "  %-24d %s\n", (value), (doc));
    EXIT_CODES(X)
#undef X
    buf_add_str(out, STR("\nculm COMMAND --help says more, culm help --man says it all.\n"));
}

void command_line_help(const struct command *command, const char *group, struct buf *out)
{
    if (command != NULL) {
        buf_addf(out, "usage: culm %s [OPTION...]%s%s\n\n%s\n", command->name, command->args[0] != '\0' ? " " : "",
                 command->args, command->summary);
        help_options(command, out);
        if (command_note(command) != NULL)
            buf_addf(out, "\n%s\n", command_note(command));
        return;
    }
    if (group == NULL)
        buf_add_str(out, STR("culm, an agent server\n\n"));
    buf_addf(out, "usage: culm %s%sCOMMAND [OPTION...]\n\ncommands:\n", group != NULL ? group : "",
             group != NULL ? " " : "");
    help_commands(group, out);
    help_options(NULL, out);
    if (group == NULL)
        help_exit_codes(out);
}
