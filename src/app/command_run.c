/* SPDX-License-Identifier: MIT */
/* culm run, culm resume */
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

static int read_stdin(struct buf *out)
{
    char part[16 * 1024];
    ssize_t n;

    while ((n = read(STDIN_FILENO, part, sizeof(part))) > 0 || (n < 0 && errno == EINTR))
        if (n > 0)
            buf_add(out, part, (size_t)n);
    if (n < 0)
        return command_fail(CODE_ERROR, "the prompt cannot be read from stdin: %s", strerror(errno));
    return out->full ? command_fail(CODE_USAGE, "the prompt has more than %zu bytes", out->max) : 0;
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
        int code = read_stdin(&typed);

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
