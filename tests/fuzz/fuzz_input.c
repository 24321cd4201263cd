/* SPDX-License-Identifier: MIT */
/*
 * What a person causes, as bytes from a queue or another node: what is accepted is of a person, and is the same when it
 * is written and read again. What is refused has a reason that is UTF-8 and leaves the input alone.
 */
#include "base/str.h"
#include "base/utf8.h"
#include "check.h"
#include "session/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_values(const struct input *in)
{
    CHECK(in->kind >= 0 && in->kind < INPUT_KIND_COUNT && input_is_personal(in->kind));
    CHECK(run_origin_names[in->origin] != NULL);
    CHECK(utf8_is_valid(in->text) && utf8_is_valid(in->key) && utf8_is_valid(in->session_id));
    CHECK(utf8_is_valid(in->sync.last_message_id) && in->sync.message_count >= 0);
    /* What does not travel is what the engine sets. */
    CHECK(in->now == 0 && in->set_by == 0 && in->round == 0 && in->gen == 0 && in->call == 0 && in->calls.count == 0);
}

static void check_accepted(const struct input *in)
{
    CLEANUP(buf_done) struct buf written = BUF_INIT, again = BUF_INIT;
    struct input back;
    struct arena a;

    check_values(in);
    input_write(in, &written);
    arena_init(&a);
    CHECK(input_read(buf_str(&written), &a, &back, NULL) == 0);
    check_values(&back);
    CHECK(back.kind == in->kind && back.nonce == in->nonce && back.if_match == in->if_match);
    CHECK(back.from.node == in->from.node && back.from.token == in->from.token);
    CHECK(back.sync.present == in->sync.present && back.sync.message_count == in->sync.message_count);
    CHECK(str_eq(back.text, in->text));
    input_write(&back, &again);
    CHECK(str_eq(buf_str(&again), buf_str(&written)));
    arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {.kind = INPUT_KIND_COUNT};
    struct err err = {.code = ERR_OK};
    struct arena a;
    int rc;

    arena_init(&a);
    rc = input_read((struct str){(const char *)data, size}, &a, &in, &err);
    if (rc == 0) {
        check_accepted(&in);
    } else {
        CHECK(rc == -(int)err.code);
        CHECK(err.code == ERR_BAD_REQUEST || err.code == ERR_TOO_BIG || err.code == ERR_VERSION);
        CHECK(err.text[0] != '\0' && utf8_is_valid(str_of(err.text)));
        CHECK(in.kind == INPUT_KIND_COUNT);
    }
    arena_done(&a);
    return 0;
}
