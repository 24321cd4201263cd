/* SPDX-License-Identifier: MIT */
#include "app/print.h"

#include "app/commands.h"
#include "app/exit_code.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>

int print_out(struct buf *text)
{
    size_t written = text->n == 0 ? 0 : fwrite(text->p, 1, text->n, stdout);
    bool is_whole = written == text->n && fflush(stdout) == 0;
    int sys = errno;

    buf_clear(text);
    if (is_whole)
        return 0;
    if (sys == EPIPE)
        return CODE_ERROR;
    return command_fail(CODE_ERROR, "stdout: %s", strerror(sys));
}

void print_json_line(struct str json, struct buf *out)
{
    size_t from = out->n;

    buf_add_str(out, json);
    for (size_t i = from; i < out->n; i++)
        if (out->p[i] == '\n' || out->p[i] == '\r')
            out->p[i] = ' ';
    buf_add_char(out, '\n');
}
