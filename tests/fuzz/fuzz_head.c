/* SPDX-License-Identifier: MIT */
/*
 * Heads of sessions: what is read is a whole session, is written as the same session, and goes on as any session does,
 * whatever facts come. The input is laid over the head of a session in tool calls, at the place that its first two
 * bytes name: most of a head made of chance is refused.
 */
#include "base/str.h"
#include "check.h"
#include "story.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_head(struct buf *out)
{
    struct session s;

    session_init(&s);
    for (size_t i = 0; i < STORY_IN_TOOLS; i++)
        story_go_on(&s, i);
    session_write_head(&s, out);
}

/* Each fact that may come next is taken or refused. */
static void check_folds(const struct session *s)
{
    for (int kind = 0; kind < FACT_KIND_COUNT; kind++) {
        struct session next = *s;
        struct fact f = {.kind = (enum fact_kind)kind,
                         .id = STR("x"),
                         .seq = s->seq + 1,
                         .run = s->run.number + (kind == FACT_RUN_STARTED),
                         .round = s->run.round + (kind == FACT_ROUND_STARTED),
                         .call = s->first_call,
                         .place = s->messages};

        if (session_refuses(&next, &f) != NULL)
            continue;
        session_fold(&next, &f);
        CHECK(next.seq == f.seq); /* whether it is whole: a count at its very end may have gone round */
    }
}

static void check_read(const struct session *s, struct str bytes)
{
    CLEANUP(buf_done) struct buf written = BUF_INIT, again = BUF_INIT;
    struct session back;
    char id[ID_TEXT];
    uint32_t messages;
    const char *last;

    CHECK(session_is_whole(s) && session_head_is_current(bytes));
    CHECK(session_state_word(s) != NULL && session_differs(s, s) == NULL);
    session_write_head(s, &written);
    CHECK(session_read_head(buf_str(&written), &back) && session_differs(s, &back) == NULL);
    session_write_head(&back, &again);
    CHECK(str_eq(buf_str(&written), buf_str(&again)));
    session_view(s, &messages, &last);
    CHECK(strlen(last) <= ID_MAX);
    session_run_id(s, s->runs, id);
    CHECK(session_open_calls(s, CALL_RUNNING) <= s->n_calls);
    (void)session_find_call(s, s->first_call);
    (void)session_is_suspect(s);
    (void)session_spent(s);
    check_folds(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf_done) struct buf head = BUF_INIT;
    struct session s;
    size_t at, n;

    make_head(&head);
    if (size >= 2) {
        at = ((size_t)data[0] << 8 | data[1]) % head.n;
        n = size - 2 < head.n - at ? size - 2 : head.n - at;
        memcpy(head.p + at, data + 2, n);
    }
    if (session_read_head(buf_str(&head), &s))
        check_read(&s, buf_str(&head));
    return 0;
}
