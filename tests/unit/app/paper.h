/* SPDX-License-Identifier: MIT */
#pragma once
/* What a view prints on: a pipe with an output before it, on a loop of its own; read when it ends. */
#include "app/output.h"
#include "base/json.h"
#include "temporary.h"

struct paper {
    struct loop *loop;
    int fds[2];
    struct output *output;
};

static inline void paper_begin(struct paper *p)
{
    struct err err;

    assert_int_equal(loop_new(&p->loop, &err), 0);
    assert_int_equal(pipe(p->fds), 0);
    p->output = output_new(p->loop, p->fds[1], false, NULL, NULL);
}

/* What was printed must be this; NULL: whatever it is. */
static inline void paper_end(struct paper *p, const char *wanted)
{
    char got[2000];
    ssize_t n;

    output_free(p->output);
    close(p->fds[1]);
    n = read(p->fds[0], got, sizeof(got) - 1);
    got[n < 0 ? 0 : n] = '\0';
    if (wanted != NULL)
        assert_string_equal(got, wanted);
    close(p->fds[0]);
    loop_free(p->loop);
}

/* An event as a server sends it; what the view is given lives in the arena and the text. */
static inline const struct json *paper_event(const char *event, struct arena *arena)
{
    struct json *node = NULL;
    struct err err;

    if (json_parse(arena, str_of(event), &node, &err) < 0)
        fail_msg("%s", err.text);
    return node;
}
