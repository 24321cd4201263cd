/* SPDX-License-Identifier: MIT */
/* Who stops a session is answered when all that is at work below it has been stopped, or could not be. */
#include "house.h"

#include "base/str.h"
#include "run/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NAMED .provider = STR("p"), .model = STR("m")
#define THE_STOP "store(cancel_requested run_ended cancelled)"

/* In its first model call. */
static void begin_run(struct house *h)
{
    const struct input begin = EXECUTE("m1", NAMED);

    house_feed(h, &begin);
    house_stored(h);
}

/* Of a run that has begun; what happens when that is stored. */
static const char *stop(struct house *h, const struct input *cancel)
{
    begin_run(h);
    assert_string_equal(house_feed(h, cancel), THE_STOP);
    return house_stored(h);
}

static void whoever_asked_is_told_when_those_below_have_answered(void **state UNUSED)
{
    const struct input all = CANCEL();
    struct house h;

    house_open(&h);
    h.below = "low"; /* it is gone meanwhile: that is an answer */
    assert_string_equal(stop(&h, &all), "abort load(low) reply(stopped run 1)");
    house_close(&h);
}

static void a_named_run_is_stopped_alone(void **state UNUSED)
{
    struct input one = CANCEL();
    char run[ID_TEXT];
    struct house h;

    session_run_id(&(struct session){.nonce = 77}, 1, run);
    one.run_id = str_of(run);
    house_open(&h);
    h.below = "low";
    assert_string_equal(stop(&h, &one), "abort reply(stopped run 1)");
    house_close(&h);
}

static void a_store_that_cannot_say_what_is_below_is_no_success(void **state UNUSED)
{
    const struct input all = CANCEL();
    struct house h;

    house_open(&h);
    h.is_blind = true;
    assert_string_equal(stop(&h, &all), "abort reply(unavailable)");
    house_close(&h);
}

static void what_is_below_and_cannot_be_opened_is_no_success(void **state UNUSED)
{
    const struct input all = CANCEL();
    struct house h;

    house_open(&h);
    begin_run(&h);
    h.below = "low";
    h.broken = true; /* this session is in memory already */
    house_feed(&h, &all);
    assert_string_equal(house_stored(&h), "abort load(low) abandon reply(unavailable)");
    house_close(&h);
}

static void where_nothing_runs_those_below_are_stopped_first(void **state UNUSED)
{
    const struct input create = CREATE(), all = CANCEL();
    struct house h;

    house_open(&h);
    house_feed(&h, &create);
    house_stored(&h);
    h.below = "low"; /* it is gone meanwhile: nothing has been stopped */
    assert_string_equal(house_feed(&h, &all), "load(low) load reply(no_run)");
    h.below = NULL;
    h.is_blind = true;
    assert_string_equal(house_feed(&h, &all), "reply(unavailable)");
    house_close(&h);
}

static void a_stop_on_its_way_ends_with_the_server(void **state UNUSED)
{
    const struct input all = CANCEL();
    struct house h;

    house_open(&h);
    begin_run(&h);
    house_feed(&h, &all);
    house_die(&h);
    assert_string_equal(house_recover(&h), "load store(run_recovered)");
    house_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_asked_is_told_when_those_below_have_answered),
        cmocka_unit_test(a_named_run_is_stopped_alone),
        cmocka_unit_test(a_store_that_cannot_say_what_is_below_is_no_success),
        cmocka_unit_test(what_is_below_and_cannot_be_opened_is_no_success),
        cmocka_unit_test(where_nothing_runs_those_below_are_stopped_first),
        cmocka_unit_test(a_stop_on_its_way_ends_with_the_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
