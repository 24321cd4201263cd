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
    for (size_t i = 0; i < json.n; i++) {
        unsigned char c = (unsigned char)json.p[i];
        unsigned char next = i + 1 < json.n ? (unsigned char)json.p[i + 1] : 0;

        if (c == '\n' || c == '\r') {
            buf_add_char(out, ' ');
        } else if (c == 0x7f) {
            buf_add_str(out, STR("\\u007f"));
        } else if (c == 0xc2 && next >= 0x80 && next <= 0x9f) { /* C1 */
            buf_addf(out, "\\u%04x", next);
            i++;
        } else {
            buf_add_char(out, (char)c);
        }
    }
    buf_add_char(out, '\n');
}
