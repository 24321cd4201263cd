/* SPDX-License-Identifier: MIT */
/* The text of the message in flight: whoever arrives, whenever and from wherever, is given what he lacks and no more.
 */
#include "base/str.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct stage st; /* large: one at a time */

static struct str id_in_flight(char out[ID_TEXT])
{
    stage_message_id(&st, out);
    return str_of(out);
}

static void pieces_come_as_they_were_published(void **state UNUSED)
{
    struct watcher w;

    stage_begin(&st, 16);
    watcher_join(&w, &st);
    assert_string_equal(watcher_pump(&w), "empty");
    stage_piece(&st, "Hel");
    stage_piece(&st, "lo");
    assert_string_equal(watcher_pump(&w), "'Hel'@0 'lo'@3 empty");
    stage_piece(&st, " you");
    stage_answer(&st);
    assert_string_equal(watcher_pump(&w), "' you'@5 5:assistant empty");
    watcher_done(&w);
    stage_close(&st);
}

static void who_comes_late_gets_the_text_in_flight_as_one_piece(void **state UNUSED)
{
    struct watcher w;

    stage_begin(&st, 16);
    stage_piece(&st, "Hel");
    stage_piece(&st, "lo");
    watcher_join(&w, &st);
    assert_string_equal(watcher_pump(&w), "'Hello'@0 empty");
    stage_piece(&st, " you");
    assert_string_equal(watcher_pump(&w), "' you'@5 empty");
    watcher_done(&w);
    stage_close(&st);
}

static void so_does_who_comes_to_a_hub_that_was_opened_late(void **state UNUSED)
{
    struct watcher w;

    stage_begin(&st, 16);
    st.unfed = true;
    stage_think(&st, "hm");
    stage_piece(&st, "Hello");
    st.unfed = false;
    assert_true(stage_snapshot(&st)); /* with the text that is stored or that the machine has */
    watcher_join(&w, &st);
    assert_string_equal(watcher_pump(&w), "think'hm'@0 'Hello'@0 empty");
    stage_piece(&st, "!");
    assert_string_equal(watcher_pump(&w), "'!'@5 empty");
    watcher_done(&w);
    stage_close(&st);
}

static void a_cursor_inside_the_message_gets_the_rest(void **state UNUSED)
{
    char id[ID_TEXT];
    struct watcher w;

    stage_begin(&st, 16);
    stage_piece(&st, "Hello");
    watcher_join_after(&w, &st, 4, id_in_flight(id), 2);
    assert_string_equal(watcher_pump(&w), "'llo'@2 empty");
    watcher_done(&w);
    watcher_join_after(&w, &st, 4, id_in_flight(id), 5);
    assert_string_equal(watcher_pump(&w), "empty");
    stage_piece(&st, "!");
    assert_string_equal(watcher_pump(&w), "'!'@5 empty");
    watcher_done(&w);
    stage_close(&st);
}

/* The hub may know less than the watcher: it was opened from the stored text, which is a little older. */
static void a_cursor_ahead_of_the_hub_waits_for_what_is_new(void **state UNUSED)
{
    char id[ID_TEXT];
    struct watcher w;

    stage_begin(&st, 16);
    stage_piece(&st, "Hel");
    watcher_join_after(&w, &st, 4, id_in_flight(id), 5);
    assert_string_equal(watcher_pump(&w), "empty");
    stage_piece(&st, "lo");
    assert_string_equal(watcher_pump(&w), "empty");
    stage_piece(&st, "!?");
    assert_string_equal(watcher_pump(&w), "'!?'@5 empty");
    watcher_done(&w);
    stage_close(&st);
}

static void a_cursor_inside_a_character_moves_back_to_its_beginning(void **state UNUSED)
{
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\xbez"; /* 1, 2, 3, 4 and 1 bytes */
    static const uint64_t back[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10};
    char id[ID_TEXT];

    stage_begin(&st, 16);
    stage_piece(&st, text);
    for (uint64_t offset = 0; offset < ARRAY_LEN(back); offset++) {
        CLEANUP(buf_done) struct buf expected = BUF_INIT;
        struct watcher w;

        buf_addf(&expected, "'%s'@%" PRIu64 " empty", text + back[offset], back[offset]);
        watcher_join_after(&w, &st, 4, id_in_flight(id), offset);
        assert_string_equal(watcher_pump(&w), expected.p);
        watcher_done(&w);
    }
    stage_close(&st);
}

static void a_cursor_inside_a_character_of_a_finished_message_moves_back_too(void **state UNUSED)
{
    struct watcher in_log, in_ring;
    char id[ID_TEXT];

    stage_begin(&st, 1);
    stage_piece(&st, "a\xe2\x82\xac!");
    watcher_join_after(&in_ring, &st, 4, id_in_flight(id), 3);
    watcher_join_after(&in_log, &st, 4, id_in_flight(id), 3);
    stage_answer(&st);
    assert_string_equal(watcher_pump(&in_ring), "'\xe2\x82\xac!'@1 5:assistant empty");
    stage_facts(&st, 1);
    assert_string_equal(watcher_pump(&in_log), "behind 5..6");
    assert_string_equal(watcher_page(&in_log, 6), "'\xe2\x82\xac!'@1 5:assistant 6:budget ");
    watcher_done(&in_ring);
    watcher_done(&in_log);
    stage_close(&st);
}

static void a_cursor_of_another_message_begins_at_the_beginning(void **state UNUSED)
{
    static const struct str others[] = {{"", 0}, {"m1", 2}, {"00000000-0000-8000-8000-000000000000", 36}};

    stage_begin(&st, 16);
    stage_piece(&st, "Hello");
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        struct watcher w;

        watcher_join_after(&w, &st, 4, others[i], 2);
        assert_string_equal(watcher_pump(&w), "'Hello'@0 empty");
        watcher_done(&w);
    }
    stage_close(&st);
}

/* ---- the finished message ---- */

static void a_finished_message_brings_what_a_watcher_lacks_of_it(void **state UNUSED)
{
    struct watcher none, some, all;

    stage_begin(&st, 16);
    watcher_join(&none, &st);
    watcher_join(&some, &st);
    watcher_join(&all, &st);
    watcher_pump(&none);
    watcher_pump(&some);
    stage_piece(&st, "Hel");
    watcher_pump(&some);
    stage_piece(&st, "lo");
    watcher_pump(&all);
    stage_answer(&st);
    assert_string_equal(watcher_pump(&none), "'Hello'@0 5:assistant empty");
    assert_string_equal(watcher_pump(&some), "'lo'@3 5:assistant empty");
    assert_string_equal(watcher_pump(&all), "5:assistant empty");
    watcher_done(&none);
    watcher_done(&some);
    watcher_done(&all);
    stage_close(&st);
}

static void so_does_one_that_is_read_from_the_log(void **state UNUSED)
{
    struct watcher w;

    stage_begin(&st, 2);
    watcher_join(&w, &st);
    stage_piece(&st, "Hel");
    watcher_pump(&w);
    stage_piece(&st, "lo");
    stage_answer(&st);
    stage_facts(&st, 2);
    assert_string_equal(watcher_pump(&w), "behind 5..7");
    assert_string_equal(watcher_page(&w, 7), "'lo'@3 5:assistant 6:budget 7:budget ");
    watcher_done(&w);
    stage_close(&st);
}

static void pieces_that_never_arrived_are_made_up_by_the_finished_message(void **state UNUSED)
{
    struct watcher w;

    stage_begin(&st, 16);
    watcher_join(&w, &st);
    stage_piece(&st, "Hel");
    st.unfed = true;
    stage_piece(&st, "lo ");
    st.unfed = false;
    stage_piece(&st, "you"); /* a hole is before it */
    assert_string_equal(watcher_pump(&w), "'Hel'@0 empty");
    stage_answer(&st);
    assert_string_equal(watcher_pump(&w), "'lo you'@3 5:assistant empty");
    watcher_done(&w);
    stage_close(&st);
}

static void pieces_that_overlap_what_is_known_count_once(void **state UNUSED)
{
    struct watcher w;

    stage_begin(&st, 16);
    watcher_join(&w, &st);
    watcher_pump(&w);
    stage_piece(&st, "Hel");
    hub_publish_delta(st.hub, 1, 1, 0, DELTA_TEXT, 0, STR("Hel"));
    hub_publish_delta(st.hub, 1, 1, 0, DELTA_TEXT, 1, STR("e"));
    hub_publish_delta(st.hub, 1, 1, 0, DELTA_TEXT, 2, STR("lo"));
    assert_string_equal(watcher_pump(&w), "'Hel'@0 'o'@3 empty");
    watcher_done(&w);
    stage_close(&st);
}

static void pieces_of_no_message_in_flight_are_dropped(void **state UNUSED)
{
    struct watcher w;

    stage_begin(&st, 16);
    watcher_join(&w, &st);
    hub_publish_delta(st.hub, 2, 1, 0, DELTA_TEXT, 0, STR("other run"));
    hub_publish_delta(st.hub, 1, 2, 0, DELTA_TEXT, 0, STR("other round"));
    hub_publish_delta(st.hub, 1, 1, 1, DELTA_TEXT, 0, STR("other try"));
    stage_answer(&st);
    hub_publish_delta(st.hub, 1, 1, 0, DELTA_TEXT, 0, STR("late"));
    assert_string_equal(watcher_pump(&w), "5:assistant empty");
    watcher_done(&w);
    stage_close(&st);
}

/* ---- text that is void ---- */

static void discarded_text_is_not_shown_to_who_has_not_seen_it(void **state UNUSED)
{
    struct watcher fast, slow, late;
    char before[ID_TEXT], after[ID_TEXT];

    stage_begin(&st, 16);
    watcher_join(&fast, &st);
    watcher_join(&slow, &st);
    watcher_pump(&slow);
    stage_piece(&st, "Wro");
    watcher_pump(&fast);
    stage_piece(&st, "ng");
    stage_message_id(&st, before);
    stage_fail(&st);
    stage_message_id(&st, after);
    stage_piece(&st, "Ri");
    assert_string_equal(fast.message, before);
    assert_string_equal(watcher_pump(&fast), "5:model_failed 'Ri'@0 empty");
    assert_string_equal(fast.message, after);
    assert_string_equal(watcher_pump(&slow), "5:model_failed 'Ri'@0 empty");
    watcher_join(&late, &st);
    assert_string_equal(watcher_pump(&late), "'Ri'@0 empty");
    stage_piece(&st, "ght");
    stage_answer(&st);
    assert_string_equal(watcher_pump(&slow), "'ght'@2 6:assistant empty");
    watcher_catch_up(&fast);
    watcher_catch_up(&late);
    watcher_done(&fast);
    watcher_done(&slow);
    watcher_done(&late);
    stage_close(&st);
}

static void a_cursor_in_discarded_text_gets_the_new_text_whole(void **state UNUSED)
{
    struct watcher w;

    stage_begin(&st, 16);
    watcher_join(&w, &st);
    stage_piece(&st, "Wrong");
    watcher_pump(&w);
    stage_fail(&st);
    stage_piece(&st, "Right");
    watcher_rejoin(&w); /* the last one left, so the ring was emptied */
    assert_string_equal(watcher_pump(&w), "behind 5..5");
    assert_string_equal(watcher_page(&w, 5), "5:model_failed ");
    assert_string_equal(watcher_pump(&w), "'Right'@0 empty");
    watcher_done(&w);
    stage_close(&st);
}

static void recovery_and_a_stop_are_new_names_too(void **state UNUSED)
{
    struct watcher w;

    stage_begin(&st, 16);
    watcher_join(&w, &st);
    stage_piece(&st, "Hel");
    watcher_pump(&w);
    stage_fact(&st, (struct fact){.kind = FACT_RUN_RECOVERED, .run = 1, .round = 1});
    buf_clear(&st.text);
    stage_piece(&st, "Ho");
    assert_string_equal(watcher_pump(&w), "5:run_recovered 'Ho'@0 empty");
    stage_fact(&st, (struct fact){.kind = FACT_RUN_ENDED, .run = 1, .end = END_CANCELLED});
    hub_publish_delta(st.hub, 1, 1, 1, DELTA_TEXT, 2, STR("late"));
    assert_string_equal(watcher_pump(&w), "6:run_ended empty");
    watcher_done(&w);
    stage_close(&st);
}

/* ---- reasoning ---- */

static void reasoning_is_a_text_of_its_own(void **state UNUSED)
{
    struct watcher w;

    stage_begin(&st, 16);
    watcher_join(&w, &st);
    watcher_pump(&w);
    stage_think(&st, "hm");
    stage_piece(&st, "Hel");
    stage_think(&st, "m");
    stage_piece(&st, "lo");
    assert_string_equal(watcher_pump(&w), "think'hm'@0 'Hel'@0 think'm'@2 'lo'@3 empty");
    stage_answer(&st);
    assert_string_equal(watcher_pump(&w), "5:assistant empty");
    watcher_done(&w);
    stage_close(&st);
}

static void late_watchers_get_the_reasoning_before_the_text(void **state UNUSED)
{
    struct watcher live, finished;

    stage_begin(&st, 16);
    watcher_join(&finished, &st);
    watcher_pump(&finished);
    stage_piece(&st, "Hel");
    stage_think(&st, "hm");
    watcher_join(&live, &st);
    assert_string_equal(watcher_pump(&live), "think'hm'@0 'Hel'@0 empty");
    stage_answer(&st);
    assert_string_equal(watcher_pump(&finished), "think'hm'@0 'Hel'@0 5:assistant empty");
    assert_string_equal(watcher_pump(&live), "5:assistant empty");
    watcher_done(&live);
    watcher_done(&finished);
    stage_close(&st);
}

static void a_cursor_counts_text_and_has_had_its_reasoning(void **state UNUSED)
{
    struct watcher w;

    stage_begin(&st, 16);
    watcher_join(&w, &st);
    stage_think(&st, "hm");
    stage_piece(&st, "Hel");
    watcher_pump(&w);
    watcher_rejoin(&w);
    stage_think(&st, "m");
    stage_piece(&st, "lo");
    assert_string_equal(watcher_pump(&w), "'lo'@3 empty");
    stage_answer(&st);
    assert_string_equal(watcher_pump(&w), "5:assistant empty");
    stage_round(&st);
    stage_think(&st, "again");
    stage_piece(&st, "Ho");
    assert_string_equal(watcher_pump(&w), "6:round_started think'again'@0 'Ho'@0 empty"); /* the next one has all */
    watcher_done(&w);
    stage_close(&st);
}

static void a_cursor_before_the_first_word_gets_the_reasoning_anew(void **state UNUSED)
{
    struct watcher w, back;

    stage_begin(&st, 16);
    watcher_join(&w, &st);
    stage_think(&st, "hm");
    watcher_pump(&w);
    watcher_join_after(&back, &st, w.seq, str_of(w.message), 0);
    stage_think(&st, "m");
    assert_string_equal(watcher_pump(&back), "think'hmm'@0 empty");
    stage_piece(&st, "Hel");
    stage_answer(&st);
    assert_string_equal(watcher_pump(&back), "'Hel'@0 5:assistant empty");
    watcher_done(&w);
    watcher_done(&back);
    stage_close(&st);
}

/* ---- snapshots ---- */

static void a_snapshot_in_mid_message_repeats_nothing(void **state UNUSED)
{
    struct watcher w;

    stage_begin(&st, 16);
    watcher_join(&w, &st);
    stage_piece(&st, "Hel");
    watcher_pump(&w);
    st.unfed = true;
    stage_piece(&st, "lo");
    st.unfed = false;
    assert_true(stage_snapshot(&st));
    assert_string_equal(watcher_pump(&w), "'lo'@3 empty");
    watcher_done(&w);
    stage_close(&st);
}

/* The stored text may be older than what was shown: the hub goes on from it and nobody sees anything twice. */
static void a_snapshot_with_less_text_than_was_shown_repeats_nothing(void **state UNUSED)
{
    struct watcher w;

    stage_begin(&st, 16);
    watcher_join(&w, &st);
    stage_piece(&st, "Hello");
    watcher_pump(&w);
    assert_true(hub_set_snapshot(st.hub, &st.fold, STR("Hel"), STR_NULL));
    assert_string_equal(watcher_pump(&w), "empty");
    stage_piece(&st, " you"); /* at 5, where the hub knows 3: a hole */
    assert_string_equal(watcher_pump(&w), "empty");
    stage_answer(&st);
    assert_string_equal(watcher_pump(&w), "' you'@5 5:assistant empty");
    watcher_done(&w);
    stage_close(&st);
}

/* ---- exactly once, wherever the seam is ---- */

#define STORY_STEPS 24
static void play(size_t step)
{
    switch (step) {
    case 0:
    case 9:
    case 17:
        stage_think(&st, "\xe2\x82\xac");
        break;
    case 5:
    case 14:
        stage_fail(&st);
        break;
    case 8:
    case 16:
    case 20:
        stage_answer(&st);
        stage_round(&st);
        break;
    case 3:
    case 12:
    case 21:
        stage_facts(&st, 2);
        break;
    case 23:
        stage_answer(&st);
        stage_fact(&st, (struct fact){.kind = FACT_RUN_ENDED, .run = 1, .end = END_COMPLETED});
        break;
    default:
        stage_piece(&st, step % 2 == 0 ? "ab\xc3\xa9" : "\xf0\x9f\x8c\xbe");
        break;
    }
}

/*
 * Leaves after step `cut` and comes back after step `back`, reading every `pace` steps; log pages arrive a step after
 * they were asked for. The watcher itself checks what it is given.
 */
static void check_seam(size_t capacity, size_t cut, size_t back, size_t pace)
{
    uint64_t asked = 0;
    struct watcher w;

    stage_begin(&st, capacity);
    watcher_join(&w, &st);
    for (size_t step = 0; step < STORY_STEPS; step++) {
        play(step);
        if (step == back)
            watcher_rejoin(&w);
        if ((step > cut && step <= back) || step % pace != 0)
            continue;
        if (asked > w.seq) {
            watcher_page(&w, asked);
            asked = 0;
        } else if (strstr(watcher_pump(&w), "behind") != NULL) {
            asked = w.upto;
        }
    }
    watcher_catch_up(&w);
    assert_true(w.seq == st.fold.seq);
    watcher_done(&w);
    stage_close(&st);
}

static void every_fact_and_every_byte_comes_exactly_once_wherever_the_seam_is(void **state UNUSED)
{
    static const size_t capacities[] = {1, 2, 3, 5, 8, 64};

    for (size_t c = 0; c < ARRAY_LEN(capacities); c++)
        for (size_t pace = 1; pace <= 7; pace += 2)
            for (size_t cut = 0; cut < STORY_STEPS; cut++)
                for (size_t back = cut; back < STORY_STEPS; back++)
                    check_seam(capacities[c], cut, back, pace);
}

/* A neighbour that never reads keeps the ring full, so that who comes back finds his place inside it. */
static void a_stuck_neighbour_changes_nothing(void **state UNUSED)
{
    for (size_t capacity = 1; capacity <= 64; capacity *= 2) {
        struct watcher w, stuck;

        stage_begin(&st, capacity);
        watcher_join(&stuck, &st);
        watcher_pump(&stuck);
        watcher_join(&w, &st);
        for (size_t step = 0; step < STORY_STEPS; step++) {
            play(step);
            watcher_rejoin(&w);
            if (step % 3 == 0)
                watcher_catch_up(&w);
        }
        watcher_catch_up(&w);
        watcher_catch_up(&stuck);
        assert_true(w.seq == st.fold.seq && stuck.seq == st.fold.seq);
        watcher_done(&w);
        watcher_done(&stuck);
        stage_close(&st);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_come_as_they_were_published),
        cmocka_unit_test(who_comes_late_gets_the_text_in_flight_as_one_piece),
        cmocka_unit_test(so_does_who_comes_to_a_hub_that_was_opened_late),
        cmocka_unit_test(a_cursor_inside_the_message_gets_the_rest),
        cmocka_unit_test(a_cursor_ahead_of_the_hub_waits_for_what_is_new),
        cmocka_unit_test(a_cursor_inside_a_character_moves_back_to_its_beginning),
        cmocka_unit_test(a_cursor_inside_a_character_of_a_finished_message_moves_back_too),
        cmocka_unit_test(a_cursor_of_another_message_begins_at_the_beginning),
        cmocka_unit_test(a_finished_message_brings_what_a_watcher_lacks_of_it),
        cmocka_unit_test(so_does_one_that_is_read_from_the_log),
        cmocka_unit_test(pieces_that_never_arrived_are_made_up_by_the_finished_message),
        cmocka_unit_test(pieces_that_overlap_what_is_known_count_once),
        cmocka_unit_test(pieces_of_no_message_in_flight_are_dropped),
        cmocka_unit_test(discarded_text_is_not_shown_to_who_has_not_seen_it),
        cmocka_unit_test(a_cursor_in_discarded_text_gets_the_new_text_whole),
        cmocka_unit_test(recovery_and_a_stop_are_new_names_too),
        cmocka_unit_test(reasoning_is_a_text_of_its_own),
        cmocka_unit_test(late_watchers_get_the_reasoning_before_the_text),
        cmocka_unit_test(a_cursor_counts_text_and_has_had_its_reasoning),
        cmocka_unit_test(a_cursor_before_the_first_word_gets_the_reasoning_anew),
        cmocka_unit_test(a_snapshot_in_mid_message_repeats_nothing),
        cmocka_unit_test(a_snapshot_with_less_text_than_was_shown_repeats_nothing),
        cmocka_unit_test(every_fact_and_every_byte_comes_exactly_once_wherever_the_seam_is),
        cmocka_unit_test(a_stuck_neighbour_changes_nothing),
    };

    return cmocka_run_group_tests_name("hub_text", tests, NULL, NULL);
}
