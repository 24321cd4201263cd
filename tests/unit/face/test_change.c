/* SPDX-License-Identifier: MIT */
/* Changes worked out over what is stored: what is told where that is not as it was seen. */
#include "face/expect.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* What the store says: as many looks as `old` see what was before the last message came. */
static int looks, old;
static bool was_taken;

static bool answer_inbox(const struct query *q, struct answer *a)
{
    const struct session *s;
    struct message *m;

    if (q->kind != QUERY_INBOX || str_is(q->session_id, "nobody"))
        return false;
    s = stand_session(st, "s");
    looks++;
    a->last_seq = looks <= old ? s->inbox_seq - 1 : s->seq;
    a->is_taken = was_taken;
    if (was_taken)
        return true;
    m = arena_zalloc(&a->arena, 2 * sizeof(*m));
    m[0] = (struct message){.id = STR("m1"), .seq = 2, .bytes = 2};
    m[1] = (struct message){.id = STR("m2"), .seq = 3, .bytes = 5};
    a->messages = m;
    a->n = 2;
    return true;
}

static int set_up(void **state)
{
    looks = old = 0;
    was_taken = false;
    stand_begin(state);
    stand_on_query(st, answer_inbox);
    stand_call(st, "POST /api/v1/chat", NULL, "{\"message\":\"hi\",\"session_id\":\"s\",\"message_id\":\"m1\"}");
    stand_call(st, "POST /api/v1/chat", NULL, "{\"message\":\"hello\",\"session_id\":\"s\",\"message_id\":\"m2\"}");
    return 0;
}

#define TAKE_BACK(message) stand_call(st, "DELETE /api/v1/sessions/s/guidance/" message, NULL, NULL)

static void what_moved_is_looked_at_again(void **state UNUSED)
{
    old = 4;
    expect_part(TAKE_BACK("m2"), 204, "");
    assert_int_equal(looks, 5);
    assert_int_equal(stand_session(st, "s")->inbox, 1);
    assert_string_equal(stand_session(st, "s")->last_posted, "m1");
    assert_int_equal(stand_session(st, "s")->inbox_bytes, 2);
}

static void what_moves_all_the_time_is_given_up(void **state UNUSED)
{
    const struct http_request *r;

    old = 1000;
    r = TAKE_BACK("m2");
    expect_part(r, 503, "nothing was done");
    assert_string_equal(stand_header(r, "Retry-After"), "1");
    assert_int_equal(looks, 5);
    assert_int_equal(stand_session(st, "s")->inbox, 2);
}

static void what_is_not_there_is_said(void **state UNUSED)
{
    expect_part(TAKE_BACK("m3"), 404, "\"session_id\":\"s\",\"message_id\":\"m3\"");
    was_taken = true;
    expect_part(TAKE_BACK("m1"), 409, "part of the history");
    expect_part(stand_call(st, "DELETE /api/v1/sessions/nobody/guidance/m", NULL, NULL), 404, "Session not found");
    expect_part(TAKE_BACK("a%20b"), 400, "path: message_id");
    assert_int_equal(stand_session(st, "s")->inbox, 2);
}

static void a_store_that_fails_and_an_engine_that_refuses(void **state UNUSED)
{
    const struct err err = {.code = ERR_STORAGE, .text = "the disk is full"};

    stand_refuse(st, &err);
    expect_part(TAKE_BACK("m2"), 503, "the disk is full");
    stand_refuse(st, NULL);
    stand_break_store(st, &err);
    expect_part(TAKE_BACK("m2"), 503, "the disk is full");
    assert_int_equal(stand_session(st, "s")->inbox, 2);
}

static void no_session_is_made_by_guidance(void **state UNUSED)
{
    expect_part(stand_call(st, "POST /api/v1/sessions/new/guidance", NULL, "{\"text\":\"x\"}"), 404,
                "\"session_id\":\"new\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_moved_is_looked_at_again, set_up, stand_end),
        cmocka_unit_test_setup_teardown(what_moves_all_the_time_is_given_up, set_up, stand_end),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_said, set_up, stand_end),
        cmocka_unit_test_setup_teardown(a_store_that_fails_and_an_engine_that_refuses, set_up, stand_end),
        cmocka_unit_test_setup_teardown(no_session_is_made_by_guidance, set_up, stand_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
