/* SPDX-License-Identifier: MIT */
/*
 * The account feed's hub over a store that is an array: who comes when, who is slow, what is asked and how often. What
 * a watcher is given is told as one line: "3 4 s1@7 empty", numbers of events, a session's state with its last seq.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/feed_hub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#define RING 4

static struct feed_hub *hub;
static bool wanted;
static int64_t now;
static uint64_t stored, first_kept; /* events have the numbers 1 to `stored`; each is session "s<number % 10>" */
static uint64_t session_seq;        /* of every session, as the store has it */
static unsigned pages_asked, states_asked, page_most;
static bool is_broken, is_gone;

static void on_wants(void *arg)
{
    (void)arg;
    wanted = true;
}

static int set_up(void **state)
{
    (void)state;
    hub = feed_hub_new(RING, on_wants, NULL);
    wanted = is_broken = is_gone = false;
    now = 1000;
    stored = 0;
    first_kept = 1;
    session_seq = 0;
    pages_asked = states_asked = 0;
    page_most = 100;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    feed_hub_free(hub);
    return 0;
}

/* ---- the store ---- */

static struct answer *read_page(uint64_t after)
{
    struct answer *a = answer_new();
    uint64_t from = after + 1 > first_kept ? after + 1 : first_kept;

    if (is_broken) {
        a->rc = err_set(&a->err, ERR_STORAGE, "no");
        return a;
    }
    a->first_seq = first_kept;
    a->last_seq = stored;
    a->feed = arena_zalloc(&a->arena, (page_most + 1) * sizeof(*a->feed));
    while (from <= stored && a->n < page_most) {
        a->feed[a->n++] = (struct feed_row){
            .seq = from, .event = FEED_SESSION_DELETED, .session_id = arena_strf(&a->arena, "s%d", (int)(from % 10))};
        from++;
    }
    a->more = from <= stored;
    a->upto = a->more ? from - 1 : stored;
    return a;
}

static struct answer *read_session(struct str id)
{
    struct answer *a = answer_new();

    if (is_broken)
        a->rc = err_set(&a->err, ERR_STORAGE, "no");
    else if (is_gone)
        a->rc = err_set(&a->err, ERR_NOT_FOUND, "gone");
    if (a->rc < 0)
        return a;
    a->sessions = arena_zalloc(&a->arena, sizeof(*a->sessions));
    a->sessions->id = arena_str(&a->arena, id);
    a->sessions->last_seq = session_seq;
    a->n = 1;
    return a;
}

static void serve_page(void)
{
    uint64_t after;

    if (!feed_hub_wants_page(hub, &after))
        return;
    pages_asked++;
    feed_hub_take_page(hub, read_page(after));
}

static void serve_state(void)
{
    struct str id;

    if (!feed_hub_wants_state(hub, now, &id))
        return;
    states_asked++;
    feed_hub_take_state(hub, read_session(id));
}

static void serve(void)
{
    while (wanted) {
        wanted = false;
        serve_page();
        serve_state();
        feed_hub_wake(hub);
    }
}

/* Time passes, and the hub is served when it said that it wants to be. */
static void pass(int64_t ms)
{
    int64_t until = now + ms;

    while (feed_hub_due(hub) >= 0 && feed_hub_due(hub) <= until) {
        now = feed_hub_due(hub) > now ? feed_hub_due(hub) : now;
        wanted = true;
        serve();
    }
    now = until;
}

static void happen(uint64_t n)
{
    stored += n;
    feed_hub_set_newest(hub, stored);
    serve();
}

static void change(const char *id)
{
    session_seq++;
    feed_hub_touch(hub, str_of(id));
    serve();
}

/* ---- watchers ---- */

struct watcher {
    struct feed_watcher *w;
    unsigned wakes, encoded;
    struct buf said;
};

static void on_wake(void *arg)
{
    ((struct watcher *)arg)->wakes++;
}

static void join(struct watcher *v, uint64_t seq)
{
    *v = (struct watcher){0};
    v->w = feed_watcher_new(hub, seq, stored, on_wake, v);
    serve();
}

static void leave(struct watcher *v)
{
    feed_watcher_free(v->w);
    buf_done(&v->said);
    v->w = NULL;
}

static void take(struct watcher *v, const struct feed_item *item)
{
    if (item->frame->n == 0) {
        v->encoded++;
        assert_true((item->row != NULL) != (item->session != NULL));
        if (item->row != NULL)
            buf_addf(item->frame, "%" PRIu64, item->row->seq);
        else if (item->session != NULL)
            buf_addf(item->frame, STR_FMT "@%" PRIu64, STR_ARG(item->session->id), item->session->last_seq);
    }
    buf_add_str(&v->said, buf_str(item->frame));
    buf_add_char(&v->said, ' ');
}

/* At most so many events; reads no page. */
static const char *pump_some(struct watcher *v, unsigned most)
{
    static const char *const words[] = {[FEED_BEHIND] = "behind", [FEED_EMPTY] = "empty", [FEED_END] = "end"};
    struct feed_item item;

    buf_clear(&v->said);
    while (most-- > 0) {
        enum feed_next next = feed_watcher_next(v->w, &item);

        if (next != FEED_ITEM) {
            buf_addf(&v->said, "%s", words[next]);
            break;
        }
        take(v, &item);
    }
    serve();
    return v->said.p;
}

static const char *pump(struct watcher *v)
{
    return pump_some(v, 1000);
}

static void read_behind(struct watcher *v)
{
    struct answer *a = read_page(feed_watcher_seq(v->w));

    feed_watcher_skip(v->w, a->upto);
    answer_free(a);
}

/* ---- events ---- */

static void nobody_watches_and_nothing_is_asked(void **state)
{
    (void)state;
    happen(5);
    change("s1");
    assert_int_equal(pages_asked + states_asked, 0);
    assert_int_equal(feed_hub_due(hub), -1);
}

static void all_watchers_get_what_was_read_and_encoded_once(void **state)
{
    struct watcher v[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        join(&v[i], 0);
    happen(1);
    happen(2);
    assert_int_equal(pages_asked, 2);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(v[i].wakes, 2);
        assert_string_equal(pump(&v[i]), "1 2 3 empty");
        assert_int_equal(v[i].encoded, i == 0 ? 3 : 0);
    }
    for (int i = 0; i < 3; i++)
        leave(&v[i]);
}

static void who_comes_with_a_cursor_reads_the_store_and_then_the_ring(void **state)
{
    struct watcher v;

    (void)state;
    happen(6);
    join(&v, 2);
    assert_string_equal(pump(&v), "behind");
    read_behind(&v);
    assert_string_equal(pump(&v), "empty");
    happen(1);
    assert_string_equal(pump(&v), "7 empty");
    leave(&v);
    join(&v, 7); /* has everything */
    assert_string_equal(pump(&v), "empty");
    leave(&v);
}

static void what_is_stored_while_somebody_joins_is_not_lost(void **state)
{
    struct watcher v = {0};

    (void)state;
    happen(3);
    stored = 5; /* told before the answer with the range, which is older, gets here */
    feed_hub_set_newest(hub, 5);
    v.w = feed_watcher_new(hub, 3, 3, on_wake, &v);
    serve();
    assert_string_equal(pump(&v), "4 5 empty");
    leave(&v);
}

static void who_is_slow_falls_out_and_costs_the_others_nothing(void **state)
{
    struct watcher slow, fast;

    (void)state;
    join(&slow, 0);
    join(&fast, 0);
    for (int i = 0; i < 3; i++) {
        happen(2);
        pump(&fast);
    }
    assert_int_equal(pages_asked, 3);
    assert_string_equal(pump(&slow), "behind");
    assert_int_equal(feed_watcher_seq(slow.w), 0);
    feed_watcher_skip(slow.w, 3); /* half a page: the ring holds the rest */
    assert_string_equal(pump(&slow), "4 5 6 empty");
    happen(1);
    assert_string_equal(pump_some(&slow, 1), "7 ");
    happen(6); /* it was inside the ring */
    assert_string_equal(pump(&slow), "behind");
    leave(&slow);
    leave(&fast);
}

static void a_page_that_does_not_hold_everything_is_followed_by_another(void **state)
{
    struct watcher v;

    (void)state;
    join(&v, 0);
    page_most = 1;
    happen(3);
    assert_int_equal(pages_asked, 3);
    assert_string_equal(pump(&v), "1 2 3 empty");
    leave(&v);
}

static void numbers_without_an_event_are_passed_over(void **state)
{
    struct watcher v;

    (void)state;
    join(&v, 0);
    page_most = 0;
    stored = 1;
    feed_hub_set_newest(hub, 1);
    {
        struct answer *a = answer_new();
        uint64_t after;

        assert_true(feed_hub_wants_page(hub, &after));
        a->first_seq = 1;
        a->last_seq = a->upto = 9;
        feed_hub_take_page(hub, a);
    }
    assert_string_equal(pump(&v), "empty");
    assert_int_equal(feed_watcher_seq(v.w), 9);
    leave(&v);
}

static void a_page_of_before_everybody_left_is_dropped(void **state)
{
    struct watcher v;
    struct answer *late;
    uint64_t after;

    (void)state;
    join(&v, 0);
    stored = 2;
    feed_hub_set_newest(hub, 2);
    assert_true(feed_hub_wants_page(hub, &after));
    late = read_page(after);
    leave(&v);
    join(&v, 2);
    feed_hub_take_page(hub, late);
    serve();
    assert_string_equal(pump(&v), "empty");
    happen(1);
    assert_string_equal(pump(&v), "3 empty");
    leave(&v);
}

static void what_cannot_be_read_ends_the_streams_and_a_new_one_begins_anew(void **state)
{
    struct watcher v;

    (void)state;
    join(&v, 0);
    is_broken = true;
    happen(1);
    assert_int_equal(v.wakes, 1);
    assert_string_equal(pump(&v), "end");
    assert_int_equal(pages_asked, 1); /* and not again and again */
    leave(&v);
    is_broken = false;
    join(&v, 1);
    happen(1);
    assert_string_equal(pump(&v), "2 empty");
    leave(&v);
}

static void what_is_not_kept_any_more_ends_the_streams_too(void **state)
{
    struct watcher v;

    (void)state;
    join(&v, 0);
    first_kept = 5;
    happen(8);
    assert_string_equal(pump(&v), "end");
    leave(&v);
}

/* ---- states ---- */

static void the_first_state_comes_at_once_and_the_last_one_always(void **state)
{
    struct watcher v;

    (void)state;
    join(&v, 0);
    change("a");
    assert_string_equal(pump(&v), "a@1 empty");
    for (int i = 0; i < 50; i++)
        change("a");
    assert_string_equal(pump(&v), "empty");
    pass(LIMIT_STATE_MS - 1);
    assert_int_equal(states_asked, 1);
    pass(1);
    assert_string_equal(pump(&v), "a@51 empty");
    pass(10 * LIMIT_STATE_MS);
    assert_int_equal(states_asked, 2);
    assert_int_equal(feed_hub_due(hub), -1); /* nothing goes on: no timer */
    change("a");
    assert_string_equal(pump(&v), "a@52 empty");
    leave(&v);
}

static void states_of_many_sessions_are_encoded_once_for_all(void **state)
{
    struct watcher v[2];

    (void)state;
    join(&v[0], 0);
    join(&v[1], 0);
    change("a");
    change("b");
    assert_string_equal(pump(&v[0]), "a@1 b@2 empty");
    assert_string_equal(pump(&v[1]), "a@1 b@2 empty");
    assert_int_equal(v[1].encoded, 0);
    leave(&v[0]);
    leave(&v[1]);
}

static void who_is_slow_gets_the_newest_of_each(void **state)
{
    struct watcher slow, fast;

    (void)state;
    join(&slow, 0);
    join(&fast, 0);
    for (int i = 0; i < 5; i++) {
        change("a");
        change("b");
        pump(&fast);
        pass(LIMIT_STATE_MS);
    }
    assert_string_equal(pump(&slow), "a@9 b@10 empty");
    leave(&fast);
    leave(&slow);
}

/* More than are kept with their text: those that lost it are asked for anew, and each comes. */
static void who_is_very_slow_still_gets_the_state_of_each(void **state)
{
    enum { MANY = LIMIT_RING_EVENTS + 20 };
    struct watcher slow, fast;
    char id[16];

    (void)state;
    join(&slow, 0);
    join(&fast, 0);
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof(id), "n%d", i);
        change(id);
        pump(&fast);
    }
    buf_clear(&slow.said);
    for (int i = 0; i < 5; i++) {
        CLEANUP(buf_done) struct buf before = BUF_INIT;

        buf_add_str(&before, buf_str(&slow.said));
        pump_some(&slow, 5000);
        buf_add_str(&before, buf_str(&slow.said));
        buf_clear(&slow.said);
        buf_add_str(&slow.said, buf_str(&before));
        pass(LIMIT_STATE_MS);
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof(id), "n%d@", i);
        assert_non_null(strstr(slow.said.p, id));
    }
    leave(&fast);
    leave(&slow);
}

static void who_joins_is_told_what_changes_from_then_on(void **state)
{
    struct watcher early, late;

    (void)state;
    join(&early, 0);
    change("a");
    join(&late, 0);
    change("b");
    assert_string_equal(pump(&late), "b@2 empty");
    assert_string_equal(pump(&early), "a@1 b@2 empty");
    leave(&early);
    leave(&late);
}

static void a_state_comes_behind_the_events_that_led_to_it(void **state)
{
    struct watcher v;

    (void)state;
    join(&v, 0);
    stored = 1;
    feed_hub_set_newest(hub, 1);
    feed_hub_touch(hub, STR("a"));
    wanted = false;
    serve_state(); /* the event has not been read yet */
    assert_int_equal(states_asked, 0);
    wanted = true;
    serve();
    assert_string_equal(pump(&v), "1 a@0 empty");
    leave(&v);
}

static void an_erased_session_has_no_state(void **state)
{
    struct watcher v;
    struct answer *late;
    struct str id;

    (void)state;
    join(&v, 0);
    change("a");
    feed_hub_forget(hub, STR("a")); /* told, not seen */
    assert_string_equal(pump(&v), "empty");
    feed_hub_touch(hub, STR("b"));
    assert_true(feed_hub_wants_state(hub, now, &id));
    late = read_session(id);
    feed_hub_forget(hub, STR("b")); /* asked for */
    feed_hub_take_state(hub, late);
    serve();
    assert_string_equal(pump(&v), "empty");
    is_gone = true;
    change("c"); /* and the store knows it before we do */
    assert_string_equal(pump(&v), "empty");
    is_gone = false;
    pass(LIMIT_STATE_MS);
    change("a"); /* made anew */
    assert_string_equal(pump(&v), "a@3 empty");
    leave(&v);
}

static void a_state_that_cannot_be_read_is_asked_for_later(void **state)
{
    struct watcher v;

    (void)state;
    join(&v, 0);
    is_broken = true;
    change("a");
    assert_string_equal(pump(&v), "empty");
    assert_int_equal(states_asked, 1);
    is_broken = false;
    pass(LIMIT_STATE_MS);
    assert_string_equal(pump(&v), "a@1 empty");
    leave(&v);
}

static void after_the_last_watcher_nothing_is_kept(void **state)
{
    struct watcher v;

    (void)state;
    join(&v, 0);
    happen(3);
    change("a");
    leave(&v);
    assert_int_equal(feed_hub_due(hub), -1);
    assert_int_equal(feed_hub_watchers(hub), 0);
    join(&v, stored);
    assert_string_equal(pump(&v), "empty");
    change("a");
    assert_string_equal(pump(&v), "a@2 empty");
    leave(&v);
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest cases[] = {
        CASE(nobody_watches_and_nothing_is_asked),
        CASE(all_watchers_get_what_was_read_and_encoded_once),
        CASE(who_comes_with_a_cursor_reads_the_store_and_then_the_ring),
        CASE(what_is_stored_while_somebody_joins_is_not_lost),
        CASE(who_is_slow_falls_out_and_costs_the_others_nothing),
        CASE(a_page_that_does_not_hold_everything_is_followed_by_another),
        CASE(numbers_without_an_event_are_passed_over),
        CASE(a_page_of_before_everybody_left_is_dropped),
        CASE(what_cannot_be_read_ends_the_streams_and_a_new_one_begins_anew),
        CASE(what_is_not_kept_any_more_ends_the_streams_too),
        CASE(the_first_state_comes_at_once_and_the_last_one_always),
        CASE(states_of_many_sessions_are_encoded_once_for_all),
        CASE(who_is_slow_gets_the_newest_of_each),
        CASE(who_is_very_slow_still_gets_the_state_of_each),
        CASE(who_joins_is_told_what_changes_from_then_on),
        CASE(a_state_comes_behind_the_events_that_led_to_it),
        CASE(an_erased_session_has_no_state),
        CASE(a_state_that_cannot_be_read_is_asked_for_later),
        CASE(after_the_last_watcher_nothing_is_kept),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
