/* SPDX-License-Identifier: MIT */
/* The table of commands, and the small ones. */
#include "app/commands.h"

#include "app/client.h"
#include "app/completions.h"
#include "app/exit_code.h"
#include "app/manual.h"
#include "app/print.h"
#include "app/terminal.h"
#include "app/token.h"
#include "base/id.h"
#include "base/json_write.h"
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const struct command commands[COMMAND_COUNT] = {
    [COMMAND_SERVE] = {"serve", "", 0, 0, "run the server until SIGTERM or Ctrl-C", command_serve},
    [COMMAND_RUN] = {"run", "PROMPT", 1, 1, "run one turn and print the answer; - reads the prompt from stdin",
                     command_run},
    [COMMAND_RESUME] = {"resume", "ID", 1, 1, "go on with a session that was cut, or follow its run", command_resume},
    [COMMAND_SESSIONS] = {"sessions", "", 0, 0, "list the sessions, last changed first", command_sessions},
    [COMMAND_HISTORY] = {"history", "ID", 1, 1, "print what was said and done in a session", command_history},
    [COMMAND_STOP] = {"stop", "ID", 1, 1, "stop the run that is at work in a session", command_stop},
    [COMMAND_QUESTIONS] = {"questions", "", 0, 0, "list what runs ask people, in all sessions, oldest first",
                           command_questions},
    [COMMAND_ANSWER] = {"answer", "ID [TEXT]", 1, 2, "answer a question of a session, and follow the run that goes on",
                        command_answer},
    [COMMAND_TAIL] = {"tail", "ID", 1, 1, "print the events of a session as they come, until its run ends",
                      command_tail},
    [COMMAND_TOP] = {"top", "", 0, 0, "show what the server is doing, again each second; q ends it", command_top},
    [COMMAND_TOKEN] = {"token", "", 0, 0, "print the token that TCP clients need", command_token},
    [COMMAND_HEALTH] = {"health", "", 0, 0, "is a server there? exit code 0 or 1", command_health},
    [COMMAND_DOCTOR] = {"doctor", "", 0, 0, "look at configuration, store, machine and providers, and say what to do",
                        command_doctor},
    [COMMAND_CONFIG_SHOW] = {"config show", "[KEY]", 0, 1, "print the configuration in force, secrets as ***",
                             command_config_show},
    [COMMAND_CONFIG_SET] = {"config set", "KEY VALUE", 2, 2, "change the configuration file; null takes a value away",
                            command_config_set},
    [COMMAND_CONFIG_EXPLAIN] = {"config explain", "[KEY]", 0, 1, "say what a key means and where its value is from",
                                command_config_explain},
    [COMMAND_COMPLETIONS] = {"completions", "SHELL", 1, 1, "print the script that completes words in bash, zsh or fish",
                             command_completions},
    [COMMAND_DB_CHECK] = {"db check", "[FILE]", 0, 1,
                          "is the database, or that in FILE, what it should be? exit code 0 or 1", command_db_check},
    [COMMAND_DB_SNAPSHOT] = {"db snapshot", "FILE", 1, 1,
                             "copy the database as it is now to a new file, and check the copy", command_db_snapshot},
    [COMMAND_DB_REPAIR] = {"db repair", "FILE", 1, 1, "save what can be read of a damaged database to a new file",
                           command_db_repair},
    [COMMAND_VERSION] = {"version", "", 0, 0, "print the version", command_version},
    [COMMAND_HELP] = {"help", "[COMMAND...]", 0, 2, "print what there is, or what a command takes", command_help},
};

#define IN_ITS_PLACE                                                                                                   \
    "To serve from FILE: stop the server, move culm.db and (where they are) culm.db-wal and culm.db-shm out of\n"      \
    "the data directory, put FILE there as culm.db, and start the server."

const char *command_note(const struct command *c)
{
    static const char check[] = "Reads only, also while a server works. Each finding names its session and what to do.";
    static const char snapshot[] =
        "Also while a server works. FILE is made whole or not at all, and never overwritten.\n"
        "Exit code 1 with FILE made: the database has findings, and so has its copy.\n" IN_ITS_PLACE;
    static const char repair[] =
        "While no server works. The database is not changed; FILE is made whole or not at all, and never\n"
        "overwritten. A session is kept up to the first fact that is missing or damaged; a run that was cut off\n"
        "there ends as an error. What can be read behind the damage is in FILE.lost.jsonl.\n" IN_ITS_PLACE;
    static const char answer[] =
        "Without TEXT on a terminal the question is shown, and the answer is a line, or the number of an option;\n"
        "else, and for -, stdin is read. TEXT is taken as it stands. Exit code 4: another question is open.";
    static const char run[] =
        "On a terminal a question of the run is shown there, and the answer is a line, or the number of an option;\n"
        "an empty line or Ctrl-D leaves the question open. Else, and with --json or --quiet, the exit code is 4 and\n"
        "culm answer goes on.";
    static const char *const notes[COMMAND_COUNT] = {
        [COMMAND_RUN] = run,        [COMMAND_RESUME] = run,           [COMMAND_ANSWER] = answer,
        [COMMAND_DB_CHECK] = check, [COMMAND_DB_SNAPSHOT] = snapshot, [COMMAND_DB_REPAIR] = repair};

    return notes[c - commands];
}

/* ---- shared ---- */

int command_fail(int code, const char *fmt, ...)
{
    const struct terminal terminal = terminal_of(STDERR_FILENO);
    CLEANUP(buf_done) struct buf flat = BUF_INIT, line = BUF_INIT;
    char text[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    buf_add_str(&flat, STR("culm: "));
    terminal_flatten(str_of(text), &flat);
    terminal_put(&terminal, code == 0 ? STYLE_PLAIN : STYLE_RED, buf_str(&flat), &line);
    fprintf(stderr, "%s\n", line.p);
    return code;
}

int command_check_session(const char *id)
{
    if (id_is_valid(str_of(id)))
        return 0;
    return command_fail(CODE_USAGE, "a session's id is 1 to %d of A-Za-z0-9._:-", ID_MAX);
}

int command_open_home(const struct command_line *line, struct home *out)
{
    struct err err;

    return home_init(out, line->data_dir, &err) < 0 ? command_fail(CODE_SETUP, "%s", err.text) : 0;
}

void command_config_path(const struct command_line *line, const struct home *home, struct buf *out)
{
    if (line->config != NULL)
        buf_add_str(out, str_of(line->config));
    else
        home_file(home, "config.json", out);
}

int command_load_config(const struct command_line *line, const struct home *home, struct config **out, struct err *err)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT;
    struct config *c = config_new();
    int rc;

    command_config_path(line, home, &path);
    rc = config_read_file(c, path.p, line->config != NULL, err);
    if (rc == 0)
        rc = config_read_environment(c, environ, err);
    if (rc < 0)
        config_free(c);
    else
        config_look_over(*out = c);
    return rc;
}

int command_read_config(const struct command_line *line, const struct home *home, struct config **out)
{
    struct err err;

    return command_load_config(line, home, out, &err) < 0 ? command_fail(CODE_ERROR, "%s", err.text) : 0;
}

/* ---- token, version, help ---- */

int command_token(const struct command_line *line)
{
    char token[TOKEN_TEXT];
    struct home home;
    struct err err;
    int code = command_open_home(line, &home);

    if (code != 0)
        return code;
    if (home_make(&home, &err) < 0 || token_open(home.path, token, &err) < 0)
        code = command_fail(CODE_ERROR, "%s", err.text);
    else
        printf("%s\n", token);
    home_done(&home);
    return code;
}

int command_completions(const struct command_line *line)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;

    if (!completions_write(str_of(line->args[0]), &text))
        return command_fail(CODE_USAGE, "no such shell: %s; there are bash, zsh and fish", line->args[0]);
    return print_out(&text);
}

int command_version(const struct command_line *line)
{
    if (line->json)
        printf("{\"version\":\"%s\"}\n", CULM_VERSION);
    else
        printf("culm %s\n", CULM_VERSION);
    return CODE_COMPLETED;
}

static int print_help(const struct command *command, const char *group)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;

    command_line_help(command, group, &text);
    fwrite(text.p, 1, text.n, stdout);
    return CODE_COMPLETED;
}

static int print_manual(void)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;

    manual_write(&text);
    return print_out(&text);
}

/* `culm help run` is `culm run --help`. */
int command_help(const struct command_line *line)
{
    struct command_line about;
    char *words[COMMAND_ARGS_MAX + 1];
    int n = 0;
    struct err err;

    if (line->man)
        return print_manual();
    for (; n < line->n_args; n++)
        words[n] = (char *)(uintptr_t)line->args[n];
    words[n++] = (char *)(uintptr_t)"--help";
    if (command_line_parse(n, words, &about, &err) < 0)
        return command_fail(CODE_USAGE, "%s", err.text);
    return print_help(about.command, about.group);
}

/* ---- health ---- */

enum { HEALTH_MS = 5000 };

struct health {
    bool as_json;
    struct loop *loop;
    struct client *client;
    int code;
};

static int say_healthy(const struct health *h, struct str version)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    struct json_writer w = JSON_WRITER(&text);

    if (h->as_json) {
        json_begin_object(&w);
        json_key_bool(&w, "healthy", true);
        json_key_str(&w, "version", version);
        json_key_text(&w, "where", client_where(h->client));
        json_end_object(&w);
        buf_add_char(&text, '\n');
    } else {
        buf_addf(&text, "culm " STR_FMT " is healthy at %s\n", STR_ARG(version), client_where(h->client));
    }
    return print_out(&text);
}

static void on_health(void *arg, int status, const struct json *body, const struct err *err)
{
    struct health *h = arg;
    struct str version = json_text(json_find(body, "version"));

    if (err != NULL) {
        h->code = command_fail(CODE_ERROR, "no server answers at %s: %s", client_where(h->client), err->text);
    } else if (status != 200) {
        h->code = command_fail(CODE_ERROR, "%s answers with HTTP status %d", client_where(h->client), status);
    } else {
        h->code = say_healthy(h, version);
    }
    loop_stop(h->loop);
}

static int ask_health(const struct client_options *given, bool as_json)
{
    const struct client_request request = {.method = "GET", .path = "/healthz", .timeout_ms = HEALTH_MS};
    struct client_options o = *given;
    struct health h = {.as_json = as_json, .code = CODE_ERROR};
    struct err err;

    if (loop_new(&h.loop, &err) < 0)
        return command_fail(CODE_ERROR, "%s", err.text);
    o.loop = h.loop;
    h.client = client_new(&o);
    if (client_send(h.client, &request, on_health, &h, &err) == NULL)
        command_fail(CODE_ERROR, "%s", err.text);
    else
        loop_run(h.loop);
    client_free(h.client);
    loop_free(h.loop);
    return h.code;
}

int command_health(const struct command_line *line)
{
    struct client_options o = {.base_url = line->server, .token = getenv("CULM_TOKEN")};
    struct home home;
    int code = command_open_home(line, &home);

    if (code != 0)
        return code;
    if (line->server == NULL) {
        o.token = NULL;
        o.unix_socket = home_socket(&home);
        o.where = home.socket;
    }
    if (line->server == NULL && !home_has_server(&home))
        code = command_fail(CODE_ERROR, "no server is running in %s", home.path);
    else
        code = ask_health(&o, line->json);
    home_done(&home);
    return code;
}

/* ---- the door to all of them ---- */

int command_main(int argc, char *const *argv)
{
    struct command_line line;
    struct err err;

    if (argc == 0) {
        print_help(NULL, NULL);
        return CODE_USAGE;
    }
    if (command_line_parse(argc, argv, &line, &err) < 0)
        return command_fail(CODE_USAGE, "%s", err.text);
    if (line.version)
        return command_version(&line);
    if (line.help)
        return print_help(line.command, line.group);
    return line.command->run(&line);
}
