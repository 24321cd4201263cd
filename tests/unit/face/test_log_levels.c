/* SPDX-License-Identifier: MIT */
#include "face/expect.h"

#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int tear_down(void **state)
{
    log_set_level(LOG_LEVEL_INFO);
    return stand_end(state);
}

static void the_levels_of_the_log_are_read_and_replaced(void **state UNUSED)
{
    log_set_level(LOG_LEVEL_ERROR);
    expect_part(stand_call(st, "GET /api/v1/log-levels", NULL, NULL), 200,
                "{\"default\":\"error\",\"config\":\"default\",");
    expect_part(
        stand_call(st, "PUT /api/v1/log-levels", NULL, "{\"default\":\"warn\",\"store\":\"debug\",\"run\":null}"), 200,
        "\"run\":\"default\",\"server\":\"default\",\"store\":\"debug\"}");
    assert_true(log_wants(LOG_LEVEL_DEBUG, "store.x") && !log_wants(LOG_LEVEL_INFO, "run.x"));
    expect_part(stand_call(st, "PUT /api/v1/log-levels", NULL, "{\"default\":\"info\",\"stoer\":\"debug\"}"), 400,
                "store");
    expect_part(stand_call(st, "PUT /api/v1/log-levels", NULL, "{\"default\":\"loud\"}"), 400,
                "default: expected one of");
    expect_part(stand_call(st, "PUT /api/v1/log-levels", NULL, "{\"default\":\"info\",\"run\":7}"), 400,
                "run: expected one of");
    expect_part(stand_call(st, "PUT /api/v1/log-levels", NULL, "{\"run\":\"info\"}"), 400, "default");
    assert_true(log_wants(LOG_LEVEL_DEBUG, "store.x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_levels_of_the_log_are_read_and_replaced, stand_begin, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
