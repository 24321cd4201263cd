/* SPDX-License-Identifier: MIT */
/* Of two messages under one id that their senders chose one is taken, whatever comes in between. */
#include "house.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct house h;

static int move_in(void **state UNUSED)
{
    house_open(&h);
    h.is_slow = true;
    return 0;
}

static int move_out(void **state UNUSED)
{
    house_close(&h);
    return 0;
}

/* Each comes from somebody else. */
static const char *post(const char *id, const char *system)
{
    static uint64_t token;
    const struct input in = {.kind = INPUT_POST,
                             .from = {.node = 1, .token = ++token},
                             .session_id = STR("s"),
                             .nonce = 77,
                             .message_id = str_of(id),
                             .system = str_of(system),
                             .text = STR("hello")};

    return house_feed(&h, &in);
}

#define STORED "store(session_created message_posted)"

static void nothing_is_decided_before_the_store_was_asked(void **state UNUSED)
{
    assert_string_equal(post("m1", ""), "look");
    assert_string_equal(house_found(&h, false), "load " STORED);
    assert_string_equal(house_stored(&h), "reply(posted)");
    assert_string_equal(post("m1", ""), "look"); /* from now on the store knows it */
    assert_string_equal(house_found(&h, true), "load reply(taken)");
}

static void whoever_comes_meanwhile_waits_for_the_first(void **state UNUSED)
{
    post("m1", "");
    assert_string_equal(post("m1", ""), "");
    assert_string_equal(house_found(&h, false), "load " STORED);
    assert_string_equal(post("m1", ""), "");
    assert_string_equal(house_stored(&h), "reply(posted) look");
    assert_string_equal(house_found(&h, true), "load reply(taken) look");
    assert_string_equal(house_found(&h, true), "load reply(taken)");
    assert_int_equal(h.n_log, 1);
}

static void where_the_first_is_not_stored_the_next_one_is(void **state UNUSED)
{
    post("m1", "");
    post("m1", "");
    house_found(&h, false);
    assert_string_equal(house_refused(&h), "abandon reply(unavailable) look");
    assert_string_equal(house_found(&h, false), "load " STORED);
    assert_string_equal(house_stored(&h), "reply(posted)");
}

static void other_ids_do_not_wait(void **state UNUSED)
{
    post("m1", "");
    assert_string_equal(post("m2", ""), "look");
    assert_string_equal(post("", ""), "load " STORED);
}

static void a_store_that_cannot_say_takes_nothing(void **state UNUSED)
{
    post("m1", "");
    post("m1", "");
    h.is_blind = true;
    assert_string_equal(house_found(&h, false), "reply(unavailable) look");
    h.is_blind = false;
    assert_string_equal(house_found(&h, false), "load " STORED);
}

static void the_system_message_has_the_id_of_the_session(void **state UNUSED)
{
    post("s", "Be kind.");
    assert_string_equal(house_found(&h, false), "load reply(taken)");
    post("s", ""); /* there is no system message */
    assert_string_equal(house_found(&h, false), "load " STORED);
}

static void what_waits_at_the_end_is_let_go(void **state UNUSED)
{
    post("m1", "");
    post("m1", "");
    post("m2", "");
    house_found(&h, false);
    house_die(&h);
    h.n_looks = 0;
    assert_string_equal(post("m1", ""), "look"); /* in the next life */
}

#define CASE(fn) {#fn, fn, move_in, move_out, NULL}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(nothing_is_decided_before_the_store_was_asked),
        CASE(whoever_comes_meanwhile_waits_for_the_first),
        CASE(where_the_first_is_not_stored_the_next_one_is),
        CASE(other_ids_do_not_wait),
        CASE(a_store_that_cannot_say_takes_nothing),
        CASE(the_system_message_has_the_id_of_the_session),
        CASE(what_waits_at_the_end_is_let_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
