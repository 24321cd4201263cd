/* SPDX-License-Identifier: MIT */
#include "base/map.h"
#include "base/str.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MANY 2000

static void an_empty_map_has_nothing(void **state UNUSED)
{
    struct map *m = map_new();
    size_t it = 0;
    void *value;

    assert_int_equal(map_count(m), 0);
    assert_null(map_find(m, STR("a")));
    assert_null(map_take(m, STR("a")));
    assert_false(map_next(m, &it, NULL, &value));
    map_free(m);
    map_free(NULL);
}

static void putting_twice_replaces(void **state UNUSED)
{
    struct map *m = map_new();
    int one, two;

    map_put(m, STR("k"), &one);
    map_put(m, STR("k"), &two);
    assert_int_equal(map_count(m), 1);
    assert_ptr_equal(map_find(m, STR("k")), &two);
    map_put(m, STR(""), &one); /* the empty name is a name */
    assert_ptr_equal(map_take(m, STR("")), &one);
    map_free(m);
}

static void names_are_copied_and_may_hold_nul(void **state UNUSED)
{
    char name[] = "a\0b";
    struct map *m = map_new();
    int v, other;

    map_put(m, (struct str){name, 3}, &v);
    map_put(m, STR("a\0c"), &other);
    name[0] = 'x';
    assert_ptr_equal(map_find(m, STR("a\0b")), &v);
    assert_ptr_equal(map_find(m, STR("a\0c")), &other);
    map_free(m);
}

static struct str name_of(char text[16], size_t i)
{
    snprintf(text, 16, "n%zu", i);
    return str_of(text);
}

/* Against a plain array, with a fixed row of random steps: taking must not lose what collided. */
static void it_does_what_an_array_would(void **state UNUSED)
{
    static char values[MANY];
    static bool there[MANY];
    struct map *m = map_new();
    uint64_t random = 1;
    size_t count = 0;
    char text[16];

    for (size_t step = 0; step < 50 * MANY; step++) {
        size_t i;

        random = random * 6364136223846793005u + 1442695040888963407u;
        i = (size_t)(random >> 33) % MANY;
        if ((random >> 62) == 0) {
            assert_ptr_equal(map_take(m, name_of(text, i)), there[i] ? &values[i] : NULL);
            count -= there[i];
            there[i] = false;
        } else if ((random >> 62) == 1) {
            map_put(m, name_of(text, i), &values[i]);
            count += !there[i];
            there[i] = true;
        } else {
            assert_ptr_equal(map_find(m, name_of(text, i)), there[i] ? &values[i] : NULL);
        }
        assert_int_equal(map_count(m), count);
    }
    for (size_t i = 0; i < MANY; i++)
        assert_ptr_equal(map_find(m, name_of(text, i)), there[i] ? &values[i] : NULL);
    map_free(m);
}

static void walking_meets_each_once(void **state UNUSED)
{
    static bool met[MANY];
    struct map *m = map_new();
    size_t it = 0, n = 0;
    struct str key;
    char text[16];
    void *value;

    for (size_t i = 0; i < MANY; i++)
        map_put(m, name_of(text, i), &met[i]);
    for (; map_next(m, &it, &key, &value); n++) {
        bool *flag = value;

        assert_false(*flag);
        *flag = true;
        assert_true(str_eq(key, name_of(text, (size_t)(flag - met))));
    }
    assert_int_equal(n, MANY);
    map_free(m);
}

/* Also where more than the one that was given is taken in between. */
static void emptying_is_one_walk(void **state UNUSED)
{
    struct map *m = map_new();
    static size_t values[MANY];
    size_t it = 0, last = 0, given = 0;
    const size_t *v;
    char text[16];

    for (size_t i = 0; i < MANY; i++) {
        values[i] = i;
        map_put(m, name_of(text, i), &values[i]);
    }
    while ((v = map_any(m, &it)) != NULL) {
        assert_true(it >= last);
        last = it;
        given++;
        assert_ptr_equal(map_take(m, name_of(text, *v)), v);
        if (given % 3 == 0)
            (void)map_take(m, name_of(text, (*v * 7 + 1) % MANY));
    }
    assert_int_equal(map_count(m), 0);
    assert_true(given > MANY / 2);
    map_free(m);
}

static void numbers_are_names_too(void **state UNUSED)
{
    struct map *m = map_new();
    int zero, max;

    map_put_u64(m, 0, &zero);
    map_put_u64(m, UINT64_MAX, &max);
    assert_ptr_equal(map_find_u64(m, 0), &zero);
    assert_ptr_equal(map_find_u64(m, UINT64_MAX), &max);
    assert_null(map_find_u64(m, 1));
    assert_ptr_equal(map_take_u64(m, 0), &zero);
    assert_null(map_take_u64(m, 0));
    assert_int_equal(map_count(m), 1);
    map_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_map_has_nothing),
        cmocka_unit_test(putting_twice_replaces),
        cmocka_unit_test(names_are_copied_and_may_hold_nul),
        cmocka_unit_test(it_does_what_an_array_would),
        cmocka_unit_test(walking_meets_each_once),
        cmocka_unit_test(numbers_are_names_too),
        cmocka_unit_test(emptying_is_one_walk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
