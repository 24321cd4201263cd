/* SPDX-License-Identifier: MIT */
/* Times that are longer than the longest timer there is, and timers that outlive what set them. */
#include "house.h"

#include "base/log.h"
#include "base/str.h"
#include "run/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define DAY LIMIT_TIMER_MS
#define NAMED .provider = STR("p"), .model = STR("m")

static void a_run_of_days_is_timed_day_by_day(void **state UNUSED)
{
    const struct input turn = EXECUTE("m1", NAMED, .limits = {.max_ms = 2 * (int64_t)DAY + 5});
    const struct input rings = {.kind = INPUT_TIMER_RUN};
    struct house h;

    house_open(&h);
    house_feed(&h, &turn);
    assert_string_equal(house_stored(&h), "timer model(1.1.0) reply(posted started run 1)");
    for (int64_t left = 2 * (int64_t)DAY + 5; left > DAY; left -= DAY) {
        assert_true(h.timer_ms == DAY && h.timer.wait_ms == left - DAY);
        assert_string_equal(house_feed(&h, &rings), "timer");
    }
    assert_true(h.timer_ms == 5 && h.timer.wait_ms == 0);
    assert_string_equal(house_feed(&h, &rings), "store(budget_exceeded)");
    assert_string_equal(house_stored(&h), "timer");
    assert_int_equal(h.timer_ms, LIMIT_CLOSING_MS);
    house_close(&h);
}

/* Between the parts it is not in memory, and what the wall clock says then is not asked. */
static void a_question_of_days_is_timed_day_by_day(void **state UNUSED)
{
    struct call asks = {
        .id = STR("c1"), .name = STR("ask_user"), .args = STR("{\"question\":\"When?\",\"deadline_seconds\":259200}")};
    const struct input turn = EXECUTE("m1", NAMED), rings = {.kind = INPUT_TIMER_QUESTION};
    const struct input answer = DONE(1, 1, 0, .calls = {&asks, 1}, .stop = STOP_CALLS);
    struct house h;

    house_open(&h);
    house_feed(&h, &turn);
    house_stored(&h);
    house_feed(&h, &answer);
    assert_string_equal(house_stored(&h), "timer");
    for (int64_t left = 3 * (int64_t)DAY; left > DAY; left -= DAY) {
        assert_true(h.timer_ms == DAY && h.timer.wait_ms == left - DAY);
        assert_string_equal(house_feed(&h, &rings), "load timer");
    }
    assert_true(h.timer_ms == DAY && h.timer.wait_ms == 0);
    assert_string_equal(house_feed(&h, &rings),
                        "load store(question_closed call_ended run_started 2 round_started budget)");
    house_close(&h);
}

/* The run goes on under the same key after a reset, and has a timer of its own then. */
static void a_timer_of_before_a_reset_does_nothing(void **state UNUSED)
{
    const struct input turn = EXECUTE("m1", NAMED, .limits = {.max_ms = DAY}), rings = {.kind = INPUT_TIMER_RUN};
    const struct input answer = DONE(1, 1, 0, .stop = STOP_END), text = DELTA(1, 1, 0, "yes");
    struct input before, after;
    struct house h;

    house_open(&h);
    house_feed(&h, &turn);
    assert_string_equal(house_stored(&h), "timer model(1.1.0) reply(posted started run 1)");
    before = h.timer;
    house_feed(&h, &text);
    house_feed(&h, &answer);
    assert_string_equal(house_refused(&h), "abandon");
    assert_string_equal(house_later(&h), "load store(run_recovered)");
    assert_string_equal(house_stored(&h), "timer model(1.1.1)");
    after = h.timer;
    assert_true(before.run == after.run && before.set_by != after.set_by);
    h.timer = before;
    assert_string_equal(house_feed(&h, &rings), "");
    h.timer = after;
    assert_string_equal(house_feed(&h, &rings), "store(budget_exceeded)");
    house_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_of_days_is_timed_day_by_day),
        cmocka_unit_test(a_question_of_days_is_timed_day_by_day),
        cmocka_unit_test(a_timer_of_before_a_reset_does_nothing),
    };

    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests_name("timers", tests, NULL, NULL);
}
