/* SPDX-License-Identifier: MIT */
/* Rings: whatever moves when one grows is found under its index, wherever the oldest stood. */
#include "base/mem.h"
#include "base/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct item {
    uint64_t mark;
    char *owned; /* stays with its slot */
};

static void the_first_slots_are_eight_and_empty(void **state UNUSED)
{
    size_t cap = 0;
    struct item *ring = ring_grow(NULL, &cap, 0, sizeof(*ring));

    assert_int_equal(cap, 8);
    for (size_t i = 0; i < cap; i++) {
        assert_int_equal(ring[i].mark, 0);
        assert_null(ring[i].owned);
    }
    mem_free(ring);
}

static void check_growth_from(uint64_t first)
{
    size_t cap = 0;
    struct item *ring = ring_grow(NULL, &cap, first, sizeof(*ring));

    for (uint64_t i = first; i < first + cap; i++)
        ring[i & (cap - 1)] = (struct item){.mark = i + 1, .owned = mem_alloc(1)};
    while (cap < 64) {
        size_t before = cap;

        ring = ring_grow(ring, &cap, first, sizeof(*ring));
        assert_int_equal(cap, before * 2);
        for (uint64_t i = first; i < first + cap; i++)
            assert_int_equal(ring[i & (cap - 1)].mark, i < first + 8 ? i + 1 : 0);
    }
    for (size_t i = 0; i < cap; i++)
        mem_free(ring[i].owned);
    mem_free(ring);
}

static void every_slot_keeps_its_index_when_a_ring_grows(void **state UNUSED)
{
    for (uint64_t first = 0; first < 70; first++)
        check_growth_from(first);
    check_growth_from(UINT64_MAX - 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_slots_are_eight_and_empty),
        cmocka_unit_test(every_slot_keeps_its_index_when_a_ring_grows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
