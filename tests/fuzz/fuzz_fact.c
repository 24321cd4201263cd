/* SPDX-License-Identifier: MIT */
/*
 * The first byte is the kind, the rest a stored body. What is accepted is written, read again and written again: the
 * same, also after a deep copy. What is refused has a reason that is UTF-8 and leaves the fact alone. Sessions either
 * refuse it or are sessions still, after any number of them.
 */
#include "base/str.h"
#include "base/utf8.h"
#include "check.h"
#include "story.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADER .seq = 1, .epoch = UINT64_MAX, .at = -1

static void check_header(const struct fact *f, enum fact_kind kind)
{
    CHECK(f->kind == kind && f->seq == 1 && f->epoch == UINT64_MAX && f->at == -1);
}

/* Words index tables, and text goes to clients: neither may be anything else. */
static void check_values(const struct fact *f)
{
    const struct call *calls = f->calls.items;

    CHECK(run_origin_names[f->origin] != NULL && run_end_names[f->end] != NULL && failure_names[f->failure] != NULL);
    CHECK(call_outcome_names[f->outcome] != NULL && stop_reason_names[f->stop] != NULL);
    CHECK(utf8_is_valid(f->text) && utf8_is_valid(f->reasoning) && utf8_is_valid(f->id) && utf8_is_valid(f->key));
    for (size_t i = 0; i < f->calls.count; i++) {
        CHECK(effect_names[calls[i].effect] != NULL);
        CHECK(utf8_is_valid(calls[i].id) && utf8_is_valid(calls[i].name) && utf8_is_valid(calls[i].args));
    }
}

static void check_copy(const struct fact *f, struct str written)
{
    CLEANUP(buf_done) struct buf again = BUF_INIT;
    struct facts *block = facts_new(f, 1);

    fact_write(&block->items[0], &again);
    CHECK(str_eq(buf_str(&again), written));
    facts_unref(block);
}

static void check_accepted(const struct fact *f)
{
    CLEANUP(buf_done) struct buf written = BUF_INIT, again = BUF_INIT;
    struct fact back = {HEADER};
    struct arena a;

    check_values(f);
    fact_write(f, &written);
    check_copy(f, buf_str(&written));
    arena_init(&a);
    CHECK(fact_read(f->kind, buf_str(&written), &a, &back, NULL) == 0);
    check_header(&back, f->kind);
    CHECK(back.nonce == f->nonce && back.calls.count == f->calls.count);
    fact_write(&back, &again);
    CHECK(str_eq(buf_str(&again), buf_str(&written)));
    arena_done(&a);
}

/* In a model call, in tool calls, at rest: a session that takes the fact has moved on, and is asked again. */
static void check_folds(const struct fact *f)
{
    struct session s;

    session_init(&s);
    for (size_t i = 0; i <= STORY_FACTS; i++) {
        struct session other = s;

        for (int k = 0; k < 3; k++) {
            struct fact next = *f;

            next.seq = other.seq + 1;
            if (session_refuses(&other, &next) != NULL)
                break;
            session_fold(&other, &next);
            CHECK(session_is_whole(&other) && session_state_word(&other) != NULL);
        }
        if (i < STORY_FACTS)
            story_go_on(&s, i);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fact f = {HEADER};
    struct err err = {.code = ERR_OK};
    enum fact_kind kind;
    struct arena a;
    int rc;

    if (size == 0)
        return 0;
    kind = (enum fact_kind)(data[0] % FACT_KIND_COUNT);
    arena_init(&a);
    rc = fact_read(kind, (struct str){(const char *)data + 1, size - 1}, &a, &f, &err);
    if (rc == 0) {
        check_header(&f, kind);
        check_folds(&f);
        if (kind != FACT_UNKNOWN)
            check_accepted(&f);
    } else {
        CHECK(rc == -(int)err.code && (err.code == ERR_BAD_REQUEST || err.code == ERR_TOO_BIG));
        CHECK(err.text[0] != '\0' && utf8_is_valid(str_of(err.text)));
        check_header(&f, FACT_UNKNOWN);
        CHECK(f.text.n == 0 && f.calls.count == 0 && f.run == 0 && f.nonce == 0);
    }
    arena_done(&a);
    return 0;
}
