/* SPDX-License-Identifier: MIT */
/*
 * Each line of the input is a chunk of one stream. What the template says of a chunk is what the parser says of it;
 * what the parser says keeps the promises of openai_chunk.h, and the merged calls those of call_merge.h.
 */
#include "base/str.h"
#include "base/utf8.h"
#include "check.h"
#include "model/json_mend.h"
#include "model/openai_chunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_mending(struct str line, struct arena *a)
{
    CLEANUP(buf_done) struct buf mended = BUF_INIT;
    struct str again;

    if (!json_mend(line, &mended)) {
        again = json_unmend(buf_str(&mended), a);
        CHECK(str_eq(again, line));
    }
    CHECK(utf8_is_valid(buf_str(&mended)));
}

static void check_chunk(const struct openai_chunk *c, struct str line)
{
    for (const struct openai_piece *p = c->pieces; p != NULL; p = p->next) {
        CHECK(p->text.n > 0);
        CHECK(p->channel == DELTA_TEXT || p->channel == DELTA_REASONING);
        CHECK(c->mended || utf8_is_valid(p->text));
        if (p->raw.n > 0)
            CHECK(p->raw.p >= line.p && p->raw.p + p->raw.n <= line.p + line.n && p->raw.p[0] == '"');
    }
    CHECK(c->n_calls == 0 || c->calls != NULL);
    CHECK(c->usage.prompt_tokens >= 0 && c->usage.completion_tokens >= 0);
    CHECK(!c->replaced || c->mended);
}

static void check_template(struct openai_template *t, struct str line, int rc, const struct openai_chunk *c)
{
    struct str text;

    if (!openai_template_match(t, line, &text))
        return;
    CHECK(rc == 0 && c->pieces != NULL && c->pieces->next == NULL);
    CHECK(str_eq(c->pieces->text, text) && c->pieces->channel == t->channel);
    CHECK(c->n_calls == 0 && !c->finished && !c->has_usage && !c->is_error && !c->replaced);
}

static void check_calls(const struct call_merge *m)
{
    struct record_list list;
    bool repaired = false;
    struct arena a;

    arena_init(&a);
    call_merge_is_whole(m);
    list = call_merge_take(m, &a, &repaired);
    CHECK(list.count <= m->n && m->n <= LIMIT_CALLS_PER_ROUND);
    for (size_t i = 0; i < list.count; i++) {
        const struct call *c = (const struct call *)list.items + i;

        CHECK(c->id.n > 0 && c->name.n > 0 && c->args.n > 0);
        CHECK(utf8_is_valid(c->id) && utf8_is_valid(c->name) && utf8_is_valid(c->args));
        for (size_t k = 0; k < i; k++)
            CHECK(!str_eq(c->id, ((const struct call *)list.items + k)->id));
    }
    arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(openai_template_done) struct openai_template t = {0};
    CLEANUP(call_merge_done) struct call_merge calls = {0};
    struct str rest = {(const char *)data, size}, line;

    while (str_next(&rest, '\n', &line)) {
        struct openai_chunk chunk;
        struct arena a;
        struct err err;
        int rc;

        arena_init(&a);
        check_mending(line, &a);
        rc = openai_chunk_parse(&a, line, &chunk, &err);
        check_template(&t, line, rc, &chunk);
        if (rc == 0) {
            check_chunk(&chunk, line);
            openai_template_learn(&t, line, &chunk);
            for (size_t i = 0; i < chunk.n_calls; i++)
                call_merge_add(&calls, &chunk.calls[i]);
        }
        arena_done(&a);
    }
    check_calls(&calls);
    return 0;
}
