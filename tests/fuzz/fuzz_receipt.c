/* SPDX-License-Identifier: MIT */
/* Replies that were kept for repeats: what is read says the same when it is written and read again. */
#include "base/str.h"
#include "base/utf8.h"
#include "check.h"
#include "session/receipt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Texts go to clients, ids into paths of theirs. */
static void check_values(const struct reply *r)
{
    CHECK(r->replayed && r->to.node == 0 && r->to.token == 0);
    CHECK(r->request.n == 0 || (utf8_is_valid(r->request) && r->request.p[r->request.n] == '\0'));
    CHECK(r->sync_reason == NULL || utf8_is_valid(str_of(r->sync_reason)));
    CHECK(utf8_is_valid(str_of(r->run_id)) && utf8_is_valid(str_of(r->message_id)));
    CHECK(utf8_is_valid(str_of(r->last_message_id)) && utf8_is_valid(str_of(r->err.text)));
    CHECK(utf8_is_valid(str_of(r->pending_call_id)) && utf8_is_valid(str_of(r->question_id)));
}

static void check_again(const struct reply *r, struct arena *a)
{
    CLEANUP(buf_done) struct buf written = BUF_INIT, again = BUF_INIT;
    struct reply back;
    struct err err;

    reply_write(r, r->request, &written);
    CHECK(reply_read(buf_str(&written), a, &back, &err) == 0);
    check_values(&back);
    CHECK(back.kind == r->kind && back.seq == r->seq && str_eq(back.request, r->request));
    reply_write(&back, back.request, &again);
    CHECK(str_eq(buf_str(&again), buf_str(&written)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reply r = {.kind = REPLY_DELETED, .seq = 77};
    struct err err = {.code = ERR_OK};
    struct arena a;

    arena_init(&a);
    if (reply_read((struct str){(const char *)data, size}, &a, &r, &err) == 0) {
        check_values(&r);
        check_again(&r, &a);
    } else {
        CHECK(err.code == ERR_CORRUPT && err.text[0] != '\0' && utf8_is_valid(str_of(err.text)));
        CHECK(r.kind == REPLY_DELETED && r.seq == 77);
    }
    arena_done(&a);
    return 0;
}
