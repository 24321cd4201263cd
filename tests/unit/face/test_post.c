/* SPDX-License-Identifier: MIT */
/* Messages under an id of the client's choice: that of one message of the session, whatever comes meanwhile. */
#include "face/expect.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* What the store says: as many looks as `old` see what was before the last message came. */
static int looks, old;
static bool is_taken;
static const char *waiting;

static bool answer_inbox(const struct query *q, struct answer *a)
{
    struct message *m;

    if (q->kind != QUERY_INBOX || !str_is(q->session_id, "s"))
        return false;
    looks++;
    a->last_seq = stand_session(st, "s")->inbox_seq - (looks <= old ? 1 : 0);
    a->is_taken = is_taken;
    if (waiting == NULL)
        return true;
    m = arena_zalloc(&a->arena, sizeof(*m));
    m->id = str_of(waiting);
    a->messages = m;
    a->n = 1;
    return true;
}

static int set_up(void **state)
{
    looks = old = 0;
    is_taken = false;
    waiting = NULL;
    stand_begin(state);
    stand_call(st, "POST /api/v1/chat", NULL, "{\"message\":\"hi\",\"session_id\":\"s\"}");
    stand_on_query(st, answer_inbox);
    return 0;
}

#define POST(id)                                                                                                       \
    stand_call(st, "POST /api/v1/chat", NULL, "{\"message\":\"hello\",\"session_id\":\"s\",\"message_id\":\"" id "\"}")

static void what_came_meanwhile_is_looked_at(void **state UNUSED)
{
    old = 3;
    expect_part(POST("m"), 201, "\"message_id\":\"m\"");
    assert_int_equal(looks, 4);
    assert_int_equal(stand_session(st, "s")->inbox, 2);
}

static void what_never_comes_to_rest_is_given_up(void **state UNUSED)
{
    const struct http_request *r;

    old = 1000;
    r = POST("m");
    expect_part(r, 503, "was not taken");
    assert_string_equal(stand_header(r, "Retry-After"), "1");
    assert_int_equal(stand_session(st, "s")->inbox, 1);
}

static void an_id_that_is_taken_is_refused(void **state UNUSED)
{
    waiting = "m";
    expect_part(POST("m"), 409, "\"session_id\":\"s\",\"message_id\":\"m\"");
    waiting = NULL;
    is_taken = true;
    expect_part(POST("m"), 409, "nothing was done");
    expect_part(stand_call(st, "POST /api/v1/sessions/s/guidance", NULL, "{\"text\":\"x\",\"id\":\"m\"}"), 409,
                "\"message_id\":\"m\"");
    assert_int_equal(stand_session(st, "s")->inbox, 1);
}

static void the_id_of_a_system_message_to_come_is_taken(void **state UNUSED)
{
    expect_part(stand_call(st, "POST /api/v1/chat", NULL,
                           "{\"message\":\"x\",\"session_id\":\"n\",\"message_id\":\"n\",\"system_prompt\":\"y\"}"),
                409, "\"message_id\":\"n\"");
}

static void an_id_that_the_server_makes_needs_no_look(void **state UNUSED)
{
    is_taken = true;
    stand_call(st, "POST /api/v1/chat", NULL, "{\"message\":\"hello\",\"session_id\":\"s\"}");
    assert_int_equal(looks, 0);
    assert_int_equal(stand_session(st, "s")->inbox, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_came_meanwhile_is_looked_at, set_up, stand_end),
        cmocka_unit_test_setup_teardown(what_never_comes_to_rest_is_given_up, set_up, stand_end),
        cmocka_unit_test_setup_teardown(an_id_that_is_taken_is_refused, set_up, stand_end),
        cmocka_unit_test_setup_teardown(the_id_of_a_system_message_to_come_is_taken, set_up, stand_end),
        cmocka_unit_test_setup_teardown(an_id_that_the_server_makes_needs_no_look, set_up, stand_end),
    };

    return cmocka_run_group_tests_name("post", tests, NULL, NULL);
}
