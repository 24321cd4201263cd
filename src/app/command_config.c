/* SPDX-License-Identifier: MIT */
/* culm config show, set, explain */
#include "app/commands.h"
#include "app/exit_code.h"
#include "app/small_file.h"
#include "base/str.h"

#include <stdio.h>

static int exit_code_of(const struct err *err)
{
    return err->code == ERR_NOT_FOUND || err->code == ERR_BAD_REQUEST ? CODE_USAGE : CODE_ERROR;
}

/* The configuration in force, and what `write` makes of it, on stdout. */
static int print_config(const struct command_line *line,
                        int (*write)(const struct config *c, struct str name, struct buf *out, struct err *err))
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    struct config *c = NULL;
    struct home home;
    struct err err;
    int code = command_open_home(line, &home);

    if (code != 0)
        return code;
    code = command_read_config(line, &home, &c);
    if (code == 0 && write(c, str_of(line->args[0]), &text, &err) < 0)
        code = command_fail(exit_code_of(&err), "%s", err.text);
    if (code == 0)
        fwrite(text.p, 1, text.n, stdout);
    config_free(c);
    home_done(&home);
    return code;
}

/* Line ends and the blanks behind them stand only between values: those of texts are escaped. */
static int show_as_line(const struct config *c, struct str name, struct buf *out, struct err *err)
{
    CLEANUP(buf_done) struct buf indented = BUF_INIT;
    int rc = config_show(c, name, &indented, err);
    struct str rest = buf_str(&indented), line;

    while (rc == 0 && str_next(&rest, '\n', &line))
        buf_add_str(out, str_trim(line));
    buf_add_char(out, '\n');
    return rc;
}

int command_config_show(const struct command_line *line)
{
    return print_config(line, line->json ? show_as_line : config_show);
}

int command_config_explain(const struct command_line *line)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;

    if (!line->markdown)
        return print_config(line, config_explain);
    config_write_markdown(&text);
    fwrite(text.p, 1, text.n, stdout);
    return CODE_COMPLETED;
}

static int set(const struct command_line *line, struct home *home, int64_t expected)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT;
    uint64_t revision = 0;
    struct err err;

    command_config_path(line, home, &path);
    if (line->config == NULL && home_make(home, &err) < 0)
        return command_fail(CODE_ERROR, "%s", err.text);
    if (config_change_file(path.p, str_of(line->args[0]), str_of(line->args[1]), expected, &revision, &err) < 0)
        return command_fail(exit_code_of(&err), "%s", err.text);
    fprintf(stderr, "culm: %s, revision %" PRIu64 "%s\n", path.p, revision,
            home_has_server(home) ? "; the running server reads it at SIGHUP, or at its next start" : "");
    return CODE_COMPLETED;
}

int command_config_set(const struct command_line *line)
{
    struct home home;
    int64_t expected = -1;
    int code;

    if (line->revision != NULL && (!str_to_i64(str_of(line->revision), &expected) || expected < 0))
        return command_fail(CODE_USAGE, "--revision: expected a number from 0");
    code = command_open_home(line, &home);
    if (code != 0)
        return code;
    code = set(line, &home, expected);
    home_done(&home);
    return code;
}
