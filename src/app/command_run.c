/* SPDX-License-Identifier: MIT */
/* culm run, culm resume, culm answer */
#include "app/commands.h"
#include "app/exit_code.h"
#include "app/turn.h"
#include "base/log.h"
#include "base/str.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int read_stdin(const char *what, struct buf *out)
{
    char part[16 * 1024];
    ssize_t n;

    while ((n = read(STDIN_FILENO, part, sizeof(part))) > 0 || (n < 0 && errno == EINTR))
        if (n > 0)
            buf_add(out, part, (size_t)n);
    if (n < 0)
        return command_fail(CODE_ERROR, "%s cannot be read from stdin: %s", what, strerror(errno));
    return out->full ? command_fail(CODE_USAGE, "%s has more than %zu bytes", what, out->max) : 0;
}

static bool is_person_there(void)
{
    return isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
}

static int run_turn(const struct command_line *line, const struct turn_options *wanted)
{
    struct turn_options o = *wanted;
    struct config *c = NULL;
    struct home home;
    int code;

    if (line->json && line->quiet)
        return command_fail(CODE_USAGE, "--json and --quiet exclude each other");
    code = o.session == NULL ? 0 : command_check_session(o.session);
    if (code == 0)
        code = command_open_home(line, &home);
    if (code != 0)
        return code;
    code = command_read_config(line, &home, &c);
    if (code == 0) {
        for (const char *const *notice = config_notices(c); *notice != NULL && !line->quiet; notice++)
            command_fail(0, "%s", *notice);
        log_set_level(LOG_LEVEL_ERROR); /* what a person is to know is said as notes */
        o.home = &home;
        o.config = c;
        o.server = line->server;
        o.token = line->server != NULL ? getenv("CULM_TOKEN") : NULL;
        o.style = line->json ? TURN_JSON : line->quiet ? TURN_QUIET : TURN_PLAIN;
        o.asks = o.asks || (o.style == TURN_PLAIN && is_person_there());
        code = turn_run(&o);
    }
    config_free(c);
    home_done(&home);
    return code;
}

int command_run(const struct command_line *line)
{
    CLEANUP(buf_done) struct buf typed = BUF_CAPPED(LIMIT_BODY_MESSAGE_BYTES);
    struct turn_options o = {.session = line->session, .model = line->model, .prompt = str_of(line->args[0])};

    if (str_is(o.prompt, "-")) {
        int code = read_stdin("the prompt", &typed);

        if (code != 0)
            return code;
        o.prompt = buf_str(&typed);
    }
    if (str_trim(o.prompt).n == 0)
        return command_fail(CODE_USAGE, "the prompt is empty");
    if (!utf8_is_valid(o.prompt))
        return command_fail(CODE_USAGE, "the prompt is not UTF-8");
    return run_turn(line, &o);
}

int command_resume(const struct command_line *line)
{
    struct turn_options o = {.session = line->args[0], .resume = true};

    return run_turn(line, &o);
}

/* TEXT, or else what stdin says, without the line end that a pipe adds. */
static int read_answer(const struct command_line *line, struct buf *typed, struct str *out)
{
    int code = 0;

    if (line->n_args == 2 && !str_is(str_of(line->args[1]), "-")) {
        *out = str_of(line->args[1]);
    } else {
        code = read_stdin("the answer", typed);
        *out = str_trim(buf_str(typed));
    }
    if (code == 0 && str_trim(*out).n == 0)
        code = command_fail(CODE_USAGE, "the answer is empty; give it as TEXT or on stdin, or say --dismiss");
    if (code == 0 && !utf8_is_valid(*out))
        code = command_fail(CODE_USAGE, "the answer is not UTF-8");
    return code;
}

int command_answer(const struct command_line *line)
{
    CLEANUP(buf_done) struct buf typed = BUF_CAPPED(LIMIT_ANSWER_BYTES);
    struct turn_options o = {
        .session = line->args[0], .answer = true, .question = line->question, .dismiss = line->dismiss};
    int code = 0;

    if (line->dismiss && line->n_args == 2)
        return command_fail(CODE_USAGE, "--dismiss and TEXT exclude each other");
    if (!line->dismiss && line->n_args == 1 && is_person_there())
        o.asks = true;
    else if (!line->dismiss)
        code = read_answer(line, &typed, &o.prompt);
    return code != 0 ? code : run_turn(line, &o);
}
