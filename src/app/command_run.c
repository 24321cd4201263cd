/* SPDX-License-Identifier: MIT */
/* culm run, culm resume, culm answer */
#include "app/commands.h"
#include "app/exit_code.h"
#include "app/turn.h"
#include "base/log.h"
#include "base/micros.h"
#include "base/str.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MS_PER_S = 1000 };

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

static int read_limit(const char *option, const char *text, int64_t *out)
{
    int64_t n = 0;

    if (text != NULL && (!str_to_i64(str_of(text), &n) || n < 1 || n > INT32_MAX))
        return command_fail(CODE_USAGE, "--%s: expected a whole number from 1 to %d", option, INT32_MAX);
    *out = n;
    return 0;
}

static int read_limits(const struct command_line *line, struct run_limits *out)
{
    int64_t rounds, calls, seconds;
    const struct {
        const char *option, *text;
        int64_t *out;
    } numbers[] = {{"max-rounds", line->max_rounds, &rounds},
                   {"max-calls", line->max_calls, &calls},
                   {"max-tokens", line->max_tokens, &out->max_tokens},
                   {"max-time", line->max_time, &seconds}};

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        int code = read_limit(numbers[i].option, numbers[i].text, numbers[i].out);

        if (code != 0)
            return code;
    }
    out->max_rounds = (uint32_t)rounds;
    out->max_calls = (uint32_t)calls;
    out->max_ms = seconds * MS_PER_S;
    if (line->max_cost != NULL && (!micros_read(str_of(line->max_cost), &out->max_cost) || out->max_cost == 0))
        return command_fail(CODE_USAGE, "--max-cost: expected an amount above 0 with up to six decimals, as in 0.25");
    return 0;
}

int command_run(const struct command_line *line)
{
    CLEANUP(buf_done) struct buf typed = BUF_CAPPED(LIMIT_BODY_MESSAGE_BYTES);
    struct turn_options o = {.session = line->session, .model = line->model, .prompt = str_of(line->args[0])};
    int code;

    if (str_is(o.prompt, "-")) {
        code = read_stdin("the prompt", &typed);
        if (code != 0)
            return code;
        o.prompt = buf_str(&typed);
    }
    if (str_trim(o.prompt).n == 0)
        return command_fail(CODE_USAGE, "the prompt is empty");
    if (!utf8_is_valid(o.prompt))
        return command_fail(CODE_USAGE, "the prompt is not UTF-8");
    code = read_limits(line, &o.limits);
    return code != 0 ? code : run_turn(line, &o);
}

int command_resume(const struct command_line *line)
{
    struct turn_options o = {.session = line->args[0], .resume = true};
    int code = read_limits(line, &o.limits);

    return code != 0 ? code : run_turn(line, &o);
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
