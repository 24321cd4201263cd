/* SPDX-License-Identifier: MIT */
#include "app/prompt.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

enum { LINE_BYTES = 4096 }; /* the kernel's line editing holds no more */

struct prompt {
    struct readable *keys;
    prompt_line_fn *on_line;
    void *arg;
};

static void on_readable(void *arg)
{
    char line[LINE_BYTES];
    struct prompt *p = arg;
    ssize_t n = read(STDIN_FILENO, line, sizeof(line));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        p->on_line(p->arg, STR_NULL, true);
        return;
    }
    n -= line[n - 1] == '\n';
    p->on_line(p->arg, (struct str){line, (size_t)n}, false);
}

int prompt_new(struct loop *l, prompt_line_fn *on_line, void *arg, struct prompt **out, struct err *err)
{
    struct prompt *p = mem_zalloc(sizeof(*p));
    int rc;

    p->on_line = on_line;
    p->arg = arg;
    tcflush(STDIN_FILENO, TCIFLUSH);
    rc = readable_new(l, STDIN_FILENO, on_readable, p, &p->keys, err);
    if (rc < 0) {
        prompt_free(p);
        return rc;
    }
    fputs("> ", stderr);
    *out = p;
    return 0;
}

void prompt_free(struct prompt *p)
{
    if (p == NULL)
        return;
    readable_free(p->keys);
    mem_free(p);
}
