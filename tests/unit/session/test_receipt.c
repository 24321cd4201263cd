/* SPDX-License-Identifier: MIT */
#include "base/str.h"
#include "session/receipt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define AT 1700000000000

static void a_receipt_is_for_the_same_request_and_a_day(void **state UNUSED)
{
    const struct receipt r = {.key = STR("k"), .fingerprint = STR("f"), .at = AT};
    const int64_t day = LIMIT_RECEIPT_MS;

    assert_int_equal(receipt_judge(&r, STR("f"), AT), RECEIPT_REPLAY);
    assert_int_equal(receipt_judge(&r, STR("g"), AT), RECEIPT_OTHER);
    assert_int_equal(receipt_judge(&r, STR("f"), AT + day - 1), RECEIPT_REPLAY);
    assert_int_equal(receipt_judge(&r, STR("f"), AT + day), RECEIPT_EXPIRED);
    assert_int_equal(receipt_judge(&r, STR("g"), AT + day), RECEIPT_EXPIRED);
    assert_int_equal(receipt_judge(&r, STR("f"), AT - 10 * day), RECEIPT_REPLAY); /* the clock was set back */
}

static struct reply everything(void)
{
    return (struct reply){.kind = REPLY_NEED_SYNC,
                          .to = {.node = 3, .token = 9},
                          .run_id = "run",
                          .message_id = "message",
                          .seq = 7,
                          .started = true,
                          .already_running = true,
                          .queued = true,
                          .sync_reason = "message_count_mismatch",
                          .removed = 8,
                          .left = 9,
                          .message_count = 5,
                          .last_message_id = "last \"one\"",
                          .has_pending_message = true,
                          .has_question = true,
                          .pending_call_id = "call",
                          .question_id = "question",
                          .metadata_version = 4,
                          .err = {.code = ERR_BAD_REQUEST, .text = "not that"}};
}

static void a_reply_is_written_whole_and_read_back(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf written = BUF_INIT, again = BUF_INIT;
    struct reply r = everything(), read;
    struct err err;
    struct arena a;

    arena_init(&a);
    reply_write(&r, STR("req-1"), &written);
    memset(&read, 0xa5, sizeof(read));
    assert_int_equal(reply_read(buf_str(&written), &a, &read, &err), 0);
    assert_int_equal(read.kind, REPLY_NEED_SYNC);
    assert_true(read.to.node == 0 && read.to.token == 0 && read.replayed);
    assert_true(str_is(read.request, "req-1"));
    assert_true(read.started && read.already_running && read.has_pending_message);
    assert_true(read.removed == 8 && read.left == 9);
    assert_true(read.seq == 7 && read.message_count == 5 && read.metadata_version == 4);
    assert_true(read.queued && read.has_question);
    assert_string_equal(read.pending_call_id, "call");
    assert_string_equal(read.question_id, "question");
    assert_string_equal(read.run_id, "run");
    assert_string_equal(read.message_id, "message");
    assert_string_equal(read.last_message_id, "last \"one\"");
    assert_string_equal(read.sync_reason, "message_count_mismatch");
    assert_string_equal(read.err.text, "not that");
    reply_write(&read, read.request, &again);
    assert_string_equal(again.p, written.p);
    arena_done(&a);
}

static void an_empty_reply_is_its_kind(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf written = BUF_INIT;
    struct reply r = {.kind = REPLY_STARTED}, read;
    struct err err;
    struct arena a;

    arena_init(&a);
    reply_write(&r, STR_NULL, &written);
    assert_string_equal(written.p, "{\"kind\":\"STARTED\"}");
    assert_int_equal(reply_read(buf_str(&written), &a, &read, &err), 0);
    assert_null(read.sync_reason);
    assert_true(read.replayed && read.request.n == 0 && read.run_id[0] == '\0');
    arena_done(&a);
}

static void what_is_no_reply_is_damage(void **state UNUSED)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "{\"kind\":\"SHOUTED\"}",
        "{\"kind\":\"STARTED\"",
        "{\"kind\":\"STARTED\",\"seq\":-1}",
        "{\"kind\":\"STARTED\",\"run_id\":\"longer than any name of a run that we give\"}"};
    struct reply read = {.kind = REPLY_DELETED};
    struct err err;
    struct arena a;

    arena_init(&a);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(reply_read(str_of(bad[i]), &a, &read, &err), -ERR_CORRUPT);
        assert_int_equal(err.code, ERR_CORRUPT);
        assert_int_equal(read.kind, REPLY_DELETED);
    }
    arena_done(&a);
}

static void what_only_stood_in_the_way_is_not_kept(void **state UNUSED)
{
    static const enum reply_kind transient[] = {REPLY_UNAVAILABLE, REPLY_FULL,        REPLY_EXISTS,     REPLY_NO_MODEL,
                                                REPLY_KEY_REUSED,  REPLY_KEY_EXPIRED, REPLY_NO_RECEIPT, REPLY_MOVED};
    static const enum reply_kind kept[] = {REPLY_CREATED,   REPLY_POSTED, REPLY_STARTED,   REPLY_RUNNING, REPLY_NOTHING,
                                           REPLY_NOT_FOUND, REPLY_NO_RUN, REPLY_OTHER_RUN, REPLY_STOPPED};

    for (size_t i = 0; i < ARRAY_LEN(transient); i++)
        assert_false(reply_is_kept(&(struct reply){.kind = transient[i]}));
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        assert_true(reply_is_kept(&(struct reply){.kind = kept[i]}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_receipt_is_for_the_same_request_and_a_day),
        cmocka_unit_test(a_reply_is_written_whole_and_read_back),
        cmocka_unit_test(an_empty_reply_is_its_kind),
        cmocka_unit_test(what_is_no_reply_is_damage),
        cmocka_unit_test(what_only_stood_in_the_way_is_not_kept),
    };

    return cmocka_run_group_tests_name("receipt", tests, NULL, NULL);
}
