/* SPDX-License-Identifier: MIT */
/* The ring and the log: who falls out, who comes back, what is shared, what it costs. Text has a file of its own. */
#include "base/mem.h"
#include "base/str.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct stage st; /* large: one at a time */

static void a_watcher_without_a_cursor_begins_behind_the_snapshot(void **state UNUSED)
{
    struct watcher w;

    stage_begin(&st, 8);
    watcher_join(&w, &st);
    assert_int_equal(subscriber_seq(w.s), 4);
    assert_string_equal(watcher_pump(&w), "empty");
    stage_facts(&st, 2);
    assert_string_equal(watcher_pump(&w), "5:budget 6:budget empty");
    assert_string_equal(watcher_pump(&w), "empty");
    assert_int_equal(subscriber_seq(w.s), 6);
    assert_true(hub_session(st.hub)->seq == 6);
    watcher_done(&w);
    stage_close(&st);
}

static void a_watcher_with_a_cursor_reads_the_log_first(void **state UNUSED)
{
    struct watcher w;

    stage_begin(&st, 8);
    watcher_join_after(&w, &st, 1, STR_NULL, 0);
    assert_string_equal(watcher_pump(&w), "behind 2..4");
    assert_string_equal(watcher_page(&w, 4), "2:message_posted 3:run_started 4:round_started ");
    assert_string_equal(watcher_pump(&w), "empty");
    watcher_done(&w);
    watcher_join_after(&w, &st, 4, STR_NULL, 0); /* has everything */
    assert_string_equal(watcher_pump(&w), "empty");
    watcher_done(&w);
    watcher_join_after(&w, &st, 0, STR_NULL, 0); /* the beginning */
    assert_string_equal(watcher_pump(&w), "behind 1..4");
    watcher_done(&w);
    stage_close(&st);
}

static void a_slow_watcher_falls_out_and_is_told_what_to_read(void **state UNUSED)
{
    struct watcher slow, fast;

    stage_begin(&st, 4);
    watcher_join(&slow, &st);
    watcher_join(&fast, &st);
    stage_facts(&st, 4);
    watcher_catch_up(&fast);
    stage_facts(&st, 1);
    assert_string_equal(watcher_pump(&slow), "behind 5..9");
    assert_string_equal(watcher_pump(&slow), "behind 5..9"); /* and nothing else before it has read that */
    assert_string_equal(watcher_pump(&fast), "9:budget empty");
    assert_string_equal(watcher_page(&slow, 6), "5:budget 6:budget "); /* half a page: the ring holds the rest */
    assert_string_equal(watcher_pump(&slow), "7:budget 8:budget 9:budget empty");
    watcher_done(&slow);
    watcher_done(&fast);
    stage_close(&st);
}

static void a_page_that_comes_late_is_followed_by_another_or_by_the_ring(void **state UNUSED)
{
    struct watcher w;

    stage_begin(&st, 4);
    watcher_join(&w, &st);
    watcher_pump(&w);
    stage_facts(&st, 6);
    assert_string_equal(watcher_pump(&w), "behind 5..10");
    stage_facts(&st, 6); /* while the page is being read; the ring is at 13..16 */
    watcher_page(&w, w.upto);
    assert_string_equal(watcher_pump(&w), "behind 11..16");
    stage_facts(&st, 2); /* the ring is at 15..18, and 17 is in it */
    watcher_page(&w, w.upto);
    assert_string_equal(watcher_pump(&w), "17:budget 18:budget empty");
    watcher_done(&w);
    stage_close(&st);
}

static void a_watcher_may_fall_out_while_it_is_inside_the_ring(void **state UNUSED)
{
    struct subscriber *s;
    struct watcher w;
    uint64_t seq = 0, upto = 0;
    struct event e;

    stage_begin(&st, 4);
    watcher_join(&w, &st);
    s = w.s;
    stage_facts(&st, 4);
    assert_int_equal(subscriber_next(s, &e, &seq, &upto), HUB_EVENT);
    assert_true(e.fact->seq == 5);
    w.seq = 5;
    stage_facts(&st, 2); /* 5 and 6 have left the ring: 6 was not read */
    assert_string_equal(watcher_pump(&w), "behind 6..10");
    watcher_done(&w);
    stage_close(&st);
}

/* ---- gaps and snapshots ---- */

static void a_hub_that_knows_nothing_waits_for_a_snapshot(void **state UNUSED)
{
    struct watcher w;

    stage_open(&st, 8);
    assert_false(hub_is_ready(st.hub));
    stage_fact(&st, (struct fact){.kind = FACT_SESSION_CREATED, .id = STR("s")});
    assert_false(hub_publish(st.hub, st.log[0])); /* even the first fact is no beginning */
    assert_true(stage_snapshot(&st));
    assert_true(hub_is_ready(st.hub));
    assert_true(str_is(hub_session_id(st.hub), "s"));
    watcher_join(&w, &st);
    stage_fact(&st, (struct fact){.kind = FACT_MESSAGE_POSTED, .id = STR("m1")});
    assert_string_equal(watcher_pump(&w), "2:message_posted empty");
    watcher_done(&w);
    stage_close(&st);
}

static void after_a_gap_everybody_waits_and_then_reads_what_was_missed(void **state UNUSED)
{
    struct session old;
    struct watcher w;

    stage_begin(&st, 8);
    watcher_join(&w, &st);
    stage_facts(&st, 1);
    assert_string_equal(watcher_pump(&w), "5:budget empty");
    old = st.fold;
    st.unfed = true;
    stage_facts(&st, 2); /* 6 and 7 are lost */
    st.unfed = false;
    stage_facts(&st, 1);
    assert_false(hub_is_ready(st.hub));
    stage_facts(&st, 1);
    assert_string_equal(watcher_pump(&w), "empty");
    assert_false(hub_set_snapshot(st.hub, &old, STR_NULL, STR_NULL)); /* older than what it was fed */
    assert_false(hub_is_ready(st.hub));
    assert_true(stage_snapshot(&st));
    assert_string_equal(watcher_pump(&w), "behind 6..9");
    watcher_page(&w, w.upto);
    assert_string_equal(watcher_pump(&w), "empty");
    watcher_done(&w);
    stage_close(&st);
}

static void a_gap_is_known_by_the_last_fact_of_a_block(void **state UNUSED)
{
    const struct fact items[] = {{.kind = FACT_BUDGET, .run = 1, .seq = 6}, {.kind = FACT_BUDGET, .run = 1, .seq = 7}};
    struct facts *block = facts_new(items, 2);
    struct session at;

    stage_begin(&st, 8);
    at = st.fold;
    assert_false(hub_publish(st.hub, block)); /* 5 is missing */
    at.seq = 6;
    assert_false(hub_set_snapshot(st.hub, &at, STR_NULL, STR_NULL));
    at.seq = 7;
    assert_true(hub_set_snapshot(st.hub, &at, STR_NULL, STR_NULL));
    facts_unref(block);
    stage_close(&st);
}

static void what_is_known_already_is_passed_over(void **state UNUSED)
{
    struct watcher w;

    stage_begin(&st, 8);
    watcher_join(&w, &st);
    for (int i = 0; i < 3; i++)
        assert_true(hub_publish(st.hub, st.log[2]));
    assert_string_equal(watcher_pump(&w), "empty");
    stage_facts(&st, 1);
    assert_true(hub_publish(st.hub, st.log[4]));
    assert_string_equal(watcher_pump(&w), "5:budget empty");
    watcher_done(&w);
    stage_close(&st);
}

static void of_a_block_that_is_partly_known_only_the_rest_is_published(void **state UNUSED)
{
    const struct fact items[] = {{.kind = FACT_BUDGET, .run = 1, .seq = 5},
                                 {.kind = FACT_BUDGET, .run = 1, .seq = 6},
                                 {.kind = FACT_BUDGET, .run = 1, .seq = 7}};
    struct facts *block = facts_new(items, 3);
    uint64_t seq = 0, upto = 0;
    struct watcher w;
    struct event e;

    stage_begin(&st, 8);
    watcher_join(&w, &st);
    stage_facts(&st, 1);
    watcher_pump(&w);
    assert_true(hub_publish(st.hub, block));
    facts_unref(block); /* the ring has a reference of its own */
    assert_int_equal(subscriber_next(w.s, &e, &seq, &upto), HUB_EVENT);
    assert_true(e.fact->seq == 6);
    assert_int_equal(subscriber_next(w.s, &e, &seq, &upto), HUB_EVENT);
    assert_true(e.fact->seq == 7);
    assert_int_equal(subscriber_next(w.s, &e, &seq, &upto), HUB_EMPTY);
    watcher_done(&w);
    stage_close(&st);
}

/* ---- waking ---- */

static void only_who_lacks_something_is_woken(void **state UNUSED)
{
    struct watcher one, two;

    stage_begin(&st, 8);
    assert_true(hub_take_dirty(st.hub)); /* the snapshot */
    watcher_join(&one, &st);
    watcher_join(&two, &st);
    watcher_pump(&one);
    watcher_pump(&two);
    assert_false(hub_take_dirty(st.hub));
    hub_wake(st.hub);
    assert_int_equal(one.wakes + two.wakes, 0);
    stage_facts(&st, 3);
    assert_true(hub_take_dirty(st.hub));
    assert_false(hub_take_dirty(st.hub)); /* once */
    watcher_pump(&one);
    hub_wake(st.hub);
    assert_int_equal(one.wakes, 0);
    assert_int_equal(two.wakes, 1);
    watcher_done(&one);
    watcher_done(&two);
    stage_close(&st);
}

static void a_new_watcher_and_a_new_snapshot_wake_too(void **state UNUSED)
{
    struct watcher w;

    stage_begin(&st, 8);
    watcher_join(&w, &st);
    hub_wake(st.hub);
    assert_int_equal(w.wakes, 1);
    watcher_pump(&w);
    (void)hub_take_dirty(st.hub);
    assert_true(stage_snapshot(&st));
    assert_true(hub_take_dirty(st.hub));
    hub_wake(st.hub);
    assert_int_equal(w.wakes, 2);
    watcher_done(&w);
    stage_close(&st);
}

static void leave_when_woken(void *arg)
{
    struct subscriber **s = arg;

    subscriber_free(*s);
    *s = NULL;
}

static void a_watcher_may_leave_while_it_is_being_woken(void **state UNUSED)
{
    const struct position at = {0};
    struct subscriber *s[3];

    stage_begin(&st, 8);
    for (size_t i = 0; i < ARRAY_LEN(s); i++)
        s[i] = subscriber_new(st.hub, &at, leave_when_woken, &s[i]);
    stage_facts(&st, 1);
    assert_int_equal(hub_subscribers(st.hub), 3);
    hub_wake(st.hub);
    assert_int_equal(hub_subscribers(st.hub), 0);
    for (size_t i = 0; i < ARRAY_LEN(s); i++)
        assert_null(s[i]);
    stage_close(&st);
}

/* ---- the end ---- */

static void watchers_see_the_end_of_the_hub(void **state UNUSED)
{
    const struct position at = {0};
    struct subscriber *gone;
    struct watcher w;

    stage_begin(&st, 8);
    watcher_join(&w, &st);
    gone = subscriber_new(st.hub, &at, leave_when_woken, &gone);
    stage_facts(&st, 1);
    hub_free(st.hub);
    st.hub = NULL;
    assert_null(gone); /* it was woken for it, and may leave at once */
    assert_int_equal(w.wakes, 1);
    assert_null(subscriber_hub(w.s));
    assert_string_equal(watcher_pump(&w), "end");
    assert_string_equal(watcher_pump(&w), "end");
    watcher_done(&w);
    hub_free(NULL);
    subscriber_free(NULL);
    stage_close(&st);
}

/* ---- what is shared ---- */

static struct buf *next_frame(struct subscriber *s)
{
    uint64_t seq = 0, upto = 0;
    struct event e;

    assert_int_equal(subscriber_next(s, &e, &seq, &upto), HUB_EVENT);
    return e.frame;
}

static void an_event_is_encoded_once_for_all_who_are_in_the_ring(void **state UNUSED)
{
    struct watcher one, two;
    struct buf *frame;

    stage_begin(&st, 4);
    watcher_join(&one, &st);
    watcher_join(&two, &st);
    stage_facts(&st, 1);
    stage_piece(&st, "Hel");
    frame = next_frame(one.s);
    assert_non_null(frame);
    assert_int_equal(frame->n, 0);
    buf_add_str(frame, STR("encoded"));
    assert_ptr_equal(next_frame(two.s), frame);
    assert_true(str_is(buf_str(frame), "encoded"));
    frame = next_frame(one.s); /* the piece of text */
    assert_non_null(frame);
    assert_int_equal(frame->n, 0);
    assert_ptr_equal(next_frame(two.s), frame);
    watcher_done(&one);
    watcher_done(&two);
    stage_close(&st);
}

static void a_slot_that_is_used_again_has_an_empty_frame(void **state UNUSED)
{
    struct watcher w, stuck;

    stage_begin(&st, 4);
    watcher_join(&w, &st);
    watcher_join(&stuck, &st); /* so that the ring stays as it is */
    for (int i = 0; i < 40; i++) {
        struct buf *frame;

        stage_facts(&st, 1);
        frame = next_frame(w.s);
        assert_int_equal(frame->n, 0);
        buf_add_str(frame, STR("encoded"));
    }
    watcher_done(&w);
    watcher_done(&stuck);
    stage_close(&st);
}

static void what_one_watcher_lacks_has_no_frame_to_share(void **state UNUSED)
{
    struct watcher early, late;
    uint64_t seq = 0, upto = 0;
    struct event e;

    stage_begin(&st, 8);
    watcher_join(&early, &st);
    watcher_pump(&early);
    stage_piece(&st, "Hel");
    watcher_join(&late, &st);
    assert_int_equal(subscriber_next(late.s, &e, &seq, &upto), HUB_EVENT);
    assert_true(str_is(e.text, "Hel") && e.frame == NULL);
    assert_non_null(next_frame(early.s));
    watcher_done(&early);
    watcher_done(&late);
    stage_close(&st);
}

static void half_a_piece_is_not_what_the_others_were_given(void **state UNUSED)
{
    struct watcher stuck, w;
    uint64_t seq = 0, upto = 0;
    char id[ID_TEXT];
    struct event e;

    stage_begin(&st, 8);
    watcher_join(&stuck, &st);
    stage_facts(&st, 1);
    stage_piece(&st, "Hello");
    stage_message_id(&st, id);
    watcher_join_after(&w, &st, 4, str_of(id), 2); /* it enters the ring before the piece */
    assert_non_null(next_frame(w.s));
    assert_int_equal(subscriber_next(w.s, &e, &seq, &upto), HUB_EVENT);
    assert_true(str_is(e.text, "llo") && e.offset == 2);
    assert_null(e.frame);
    watcher_done(&stuck);
    watcher_done(&w);
    stage_close(&st);
}

/* ---- what it costs ---- */

#define NOISE 8192 /* of an allocator that keeps small pieces */

/* A fact that is not kept in the log of the test. */
static void publish_and_forget(void)
{
    stage_facts(&st, 1);
    facts_unref(st.log[--st.n]);
    st.log[st.n++] = facts_ref(st.log[0]);
}

/* The log is a row of facts that say nothing. */
static void read_all(struct subscriber *s)
{
    struct fact f = {.kind = FACT_BUDGET};
    uint64_t upto = 0;
    struct event e;

    for (;;) {
        switch (subscriber_next(s, &e, &f.seq, &upto)) {
        case HUB_EVENT:
            break;
        case HUB_BEHIND:
            for (; f.seq <= upto; f.seq++)
                assert_false(subscriber_take(s, &f, &e));
            break;
        case HUB_EMPTY:
        case HUB_END:
            return;
        }
    }
}

static void facts_for_nobody_cost_nothing(void **state UNUSED)
{
    size_t before;

    stage_begin(&st, 1000);
    publish_and_forget();
    before = heap_bytes();
    for (size_t i = 0; i < 5000; i++)
        publish_and_forget();
    assert_true(heap_bytes() < before + NOISE);
    stage_close(&st);
}

static void a_watcher_that_keeps_up_costs_no_ring(void **state UNUSED)
{
    struct watcher w;
    size_t before;

    stage_begin(&st, 1000);
    watcher_join(&w, &st);
    before = heap_bytes();
    for (size_t i = 0; i < 5000; i++) {
        publish_and_forget();
        read_all(w.s);
    }
    assert_true(heap_bytes() < before + NOISE);
    watcher_done(&w);
    stage_close(&st);
}

static void a_ring_that_nobody_needs_any_more_gives_its_memory_back(void **state UNUSED)
{
    struct watcher one, two;
    size_t before, full;

    stage_begin(&st, 1000);
    watcher_join(&one, &st);
    watcher_join(&two, &st);
    read_all(one.s);
    read_all(two.s);
    before = heap_bytes();
    for (size_t i = 0; i < 1000; i++)
        publish_and_forget();
    full = heap_bytes();
    assert_true(full > before + 50 * 1000);
    read_all(one.s);
    assert_true(heap_bytes() + NOISE > full); /* the other one still wants it */
    read_all(two.s);
    assert_true(heap_bytes() < before + NOISE);
    stage_facts(&st, 1); /* and it begins anew */
    one.seq = two.seq = st.fold.seq - 1;
    one.stage = two.stage = &st;
    assert_non_null(next_frame(one.s));
    assert_non_null(next_frame(two.s));
    watcher_done(&one);
    watcher_done(&two);
    stage_close(&st);
}

static void who_has_everything_and_leaves_takes_nothing_from_the_others(void **state UNUSED)
{
    struct watcher slow, fast;

    stage_begin(&st, 8);
    watcher_join(&slow, &st);
    watcher_join(&fast, &st);
    stage_facts(&st, 2);
    watcher_pump(&fast);
    watcher_done(&fast);
    assert_string_equal(watcher_pump(&slow), "5:budget 6:budget empty");
    watcher_done(&slow);
    stage_close(&st);
}

static void the_last_one_behind_frees_the_ring_by_leaving(void **state UNUSED)
{
    struct watcher stuck, fast;
    size_t before;

    stage_begin(&st, 1000);
    watcher_join(&stuck, &st);
    watcher_join(&fast, &st);
    before = heap_bytes();
    for (size_t i = 0; i < 1000; i++)
        publish_and_forget();
    read_all(fast.s);
    watcher_done(&stuck);
    assert_true(heap_bytes() < before + NOISE);
    watcher_done(&fast);
    stage_close(&st);
}

#define STUCK 1000
static void a_thousand_stuck_watchers_hold_one_ring(void **state UNUSED)
{
    static struct watcher stuck[STUCK];
    size_t before, after;

    stage_begin(&st, 100);
    before = heap_bytes();
    for (size_t i = 0; i < STUCK; i++)
        watcher_join(&stuck[i], &st);
    for (size_t i = 0; i < 200; i++)
        publish_and_forget();
    after = heap_bytes();
    assert_true(after - before < STUCK * 256 + 256 * 1024); /* a struct each, and a ring of 100 facts */
    for (size_t i = 0; i < 10000; i++)
        publish_and_forget();
    assert_true(heap_bytes() < after + NOISE);
    for (size_t i = 0; i < STUCK; i++) {
        assert_string_equal(watcher_pump(&stuck[i]), "behind 5..10204");
        watcher_done(&stuck[i]);
    }
    stage_close(&st);
}

/* As publish_and_forget(), but the fact has text. */
static void publish_text(struct str text)
{
    stage_fact(&st, (struct fact){.kind = FACT_MESSAGE_POSTED, .id = STR("m"), .text = text});
    facts_unref(st.log[--st.n]);
    st.log[st.n++] = facts_ref(st.log[0]);
}

static void events_that_are_large_leave_the_ring_early(void **state UNUSED)
{
    enum { LARGE = 64 * 1024, MANY = 200 };
    const struct str text = {mem_zalloc(LARGE), LARGE};
    struct watcher stuck;
    uint64_t seq = 0, upto = 0;
    struct event e;
    size_t before;

    stage_begin(&st, 1000);
    watcher_join(&stuck, &st);
    before = heap_bytes();
    for (size_t i = 0; i < MANY; i++)
        publish_text(text);
    assert_true(heap_bytes() < before + 2 * LIMIT_PAGE_BYTES); /* an allocator may round up; all of it is 12 MiB */
    assert_int_equal(subscriber_next(stuck.s, &e, &seq, &upto), HUB_BEHIND);
    assert_true(seq == 5 && upto == 4 + MANY);
    publish_text((struct str){text.p, 1});
    read_all(stuck.s); /* what it has read from the log is not all: the rest is in the ring */
    assert_int_equal(subscriber_seq(stuck.s), 5 + MANY);
    watcher_done(&stuck);
    mem_free((void *)(uintptr_t)text.p);
    stage_close(&st);
}

static void the_frame_of_a_large_event_goes_with_it(void **state UNUSED)
{
    struct watcher w;
    struct buf *frame;
    size_t before;

    stage_begin(&st, 1000);
    watcher_join(&w, &st);
    publish_and_forget();
    read_all(w.s);
    before = heap_bytes();
    publish_and_forget();
    frame = next_frame(w.s);
    buf_reserve(frame, 1024 * 1024);
    buf_add_str(frame, STR("encoded"));
    read_all(w.s);
    assert_true(heap_bytes() < before + NOISE);
    watcher_done(&w);
    stage_close(&st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_watcher_without_a_cursor_begins_behind_the_snapshot),
        cmocka_unit_test(a_watcher_with_a_cursor_reads_the_log_first),
        cmocka_unit_test(a_slow_watcher_falls_out_and_is_told_what_to_read),
        cmocka_unit_test(a_page_that_comes_late_is_followed_by_another_or_by_the_ring),
        cmocka_unit_test(a_watcher_may_fall_out_while_it_is_inside_the_ring),
        cmocka_unit_test(a_hub_that_knows_nothing_waits_for_a_snapshot),
        cmocka_unit_test(after_a_gap_everybody_waits_and_then_reads_what_was_missed),
        cmocka_unit_test(a_gap_is_known_by_the_last_fact_of_a_block),
        cmocka_unit_test(what_is_known_already_is_passed_over),
        cmocka_unit_test(of_a_block_that_is_partly_known_only_the_rest_is_published),
        cmocka_unit_test(only_who_lacks_something_is_woken),
        cmocka_unit_test(a_new_watcher_and_a_new_snapshot_wake_too),
        cmocka_unit_test(a_watcher_may_leave_while_it_is_being_woken),
        cmocka_unit_test(watchers_see_the_end_of_the_hub),
        cmocka_unit_test(an_event_is_encoded_once_for_all_who_are_in_the_ring),
        cmocka_unit_test(a_slot_that_is_used_again_has_an_empty_frame),
        cmocka_unit_test(what_one_watcher_lacks_has_no_frame_to_share),
        cmocka_unit_test(half_a_piece_is_not_what_the_others_were_given),
        cmocka_unit_test(facts_for_nobody_cost_nothing),
        cmocka_unit_test(a_watcher_that_keeps_up_costs_no_ring),
        cmocka_unit_test(a_ring_that_nobody_needs_any_more_gives_its_memory_back),
        cmocka_unit_test(who_has_everything_and_leaves_takes_nothing_from_the_others),
        cmocka_unit_test(the_last_one_behind_frees_the_ring_by_leaving),
        cmocka_unit_test(a_thousand_stuck_watchers_hold_one_ring),
        cmocka_unit_test(events_that_are_large_leave_the_ring_early),
        cmocka_unit_test(the_frame_of_a_large_event_goes_with_it),
    };

    return cmocka_run_group_tests_name("hub", tests, NULL, NULL);
}
