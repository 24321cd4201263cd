/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "model/offline_script.h"
#include "model/outcome.h"

static const struct reply_script no_reply = {.status = 500};

static struct message user(const char *text)
{
    return (struct message){.role = ROLE_USER, .id = STR("m1"), .text = str_of(text)};
}

static void play(struct provider *p, struct outcome *o, const char *text, uint32_t call_index)
{
    struct message m = user(text);
    struct model_request q = {.provider = STR("offline"), .model = STR("offline"), .messages = &m, .n_messages = 1};

    q.call_index = call_index;
    outcome_init(o, p);
    outcome_run(o, &q);
}

/* text, reasoning, calls, end in one line */
static void describe(const struct outcome *o, struct buf *out)
{
    buf_addf(out, "%s|%s|", buf_text(&o->reasoning), buf_text(&o->text));
    for (size_t i = 0; i < o->result.calls.count; i++) {
        const struct call *c = (const struct call *)o->result.calls.items + i;

        buf_addf(out, "%s" STR_FMT STR_FMT, i > 0 ? "," : "", STR_ARG(c->name), STR_ARG(c->args));
    }
    if (o->done)
        buf_addf(out, "|%s", stop_reason_names[o->result.stop]);
    else
        buf_addf(out, "|%s %" PRId64, failure_names[o->failure.failure], o->failure.wait_ms);
}

#define LINE(json) "#!culm " json "\n"

static void scripts_are_played(void **state UNUSED)
{
    static const struct {
        const char *prompt;
        uint32_t call;
        const char *played;
        size_t deltas;
    } table[] = {
        {LINE("{\"say\":\"one two  three\"}"), 0, "|one two  three||stop", 3},
        {LINE("{\"say\":\"one two three four five\",\"tokens\":2}"), 0, "|one two three four five||stop", 2},
        {LINE("{\"say\":\"one two\",\"tokens\":9}"), 0, "|one two||stop", 2},
        {LINE("{\"tokens\":3}"), 0, "|culm node leaf ||stop", 3},
        {LINE("{\"reason\":\"let me see\",\"say\":\"so\"}"), 0, "let me see|so||stop", 4},
        {LINE("{\"tool\":{\"name\":\"f\",\"args\":{\"a\": 1}}}"), 0, "||f{\"a\": 1}|tool_calls", 0},
        {LINE("{\"say\":\"x\",\"tool\":{\"name\":\"f\"},\"tools\":[{\"name\":\"g\",\"args\":{}},{\"name\":\"f\"}]}"), 0,
         "|x|f{},g{},f{}|tool_calls", 1},
        {LINE("{\"error\":{\"status\":429,\"retry_after\":2}}"), 0, "|||rate_limit 2000", 0},
        {LINE("{\"error\":{\"status\":400}}"), 0, "|||bad_request 0", 0},
        {LINE("{\"error\":{\"status\":500},\"say\":\"a b\"}"), 0, "|a b||provider_error 0", 2},
        {LINE("{\"say\":\"begun and\",\"cut\":true}"), 0, "|begun and||stream_cut 0", 2},
        {LINE("{\"hang\":\"none\",\"delay_ms\":1,\"say\":\"a b c\"}"), 0, "|a b c||stop", 3},
        {LINE("{}"), 0, "|||stop", 0},
        {"please do\n" LINE("{\"say\":\"1\"}") "and\r\n" LINE("{\"say\":\"2\"}"), 0, "|1||stop", 1},
        {"please do\n" LINE("{\"say\":\"1\"}") "and\r\n" LINE("{\"say\":\"2\"}"), 1, "|2||stop", 1},
        {"please do\n" LINE("{\"say\":\"1\"}") "and\r\n" LINE("{\"say\":\"2\"}"), 7, "|2||stop", 1},
        {LINE("{\"say\":\"unwrapped\"}\r"), 0, "|unwrapped||stop", 1},
        {LINE("{\"say\":\"h\xc3\xa9\\u00e9\"}"), 0, "|h\xc3\xa9\xc3\xa9||stop", 1},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        CLEANUP(buf_done) struct buf seen = BUF_INIT;
        struct provider p;
        struct outcome o;

        provider_open(&p, &no_reply, 1);
        play(&p, &o, table[i].prompt, table[i].call);
        describe(&o, &seen);
        assert_string_equal(seen.p, table[i].played);
        assert_int_equal(o.deltas, table[i].deltas);
        if (o.done)
            assert_true(o.result.usage.reported);
        assert_int_equal(p.requests, 0);
        outcome_close(&o);
    }
}

static void wrong_scripts_are_explained(void **state UNUSED)
{
    static const struct {
        const char *prompt, *text;
    } table[] = {
        {LINE("{\"sya\":\"x\"}"), "script: unknown key \"sya\"; did you mean \"say\"?"},
        {LINE("{\"tool\":{\"args\":{}}}"), "script: tool.name: is missing"},
        {LINE("{\"hang\":\"never\"}"), "script: hang: expected one of \"none\", \"headers\", \"content\", \"chunk\""},
        {LINE("{\"tokens\":-1}"), "script: tokens: must be at least 0"},
        {LINE("{\"error\":{\"status\":200}}"), "script: error.status: must be at least 300"},
        {LINE("{\"usage\":{\"prompt\":1}}"), "script: usage: unknown key \"prompt\""},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        CLEANUP(buf_done) struct buf want = BUF_INIT;
        struct provider p;
        struct outcome o;

        provider_open(&p, &no_reply, 1);
        play(&p, &o, table[i].prompt, 0);
        assert_int_equal(o.failure.failure, FAILURE_REQUEST);
        buf_addf(&want, "offline: line 1 of the #!culm script: %s (docs/offline-model.md lists the fields)",
                 table[i].text);
        assert_string_equal(o.failure.text, want.p);
        outcome_close(&o);
    }
}

static void a_line_that_is_no_json_names_its_number(void **state UNUSED)
{
    struct provider p;
    struct outcome o;

    provider_open(&p, &no_reply, 1);
    play(&p, &o, LINE("{\"say\":\"fine\"}") LINE("{say}"), 1);
    assert_int_equal(o.failure.failure, FAILURE_REQUEST);
    assert_non_null(strstr(o.failure.text, "line 2 of the #!culm script"));
    outcome_close(&o);
}

static void the_usage_is_scripted_or_estimated(void **state UNUSED)
{
    static const char script[] = LINE("{\"reason\":\"1234\",\"say\":\"12345678\"}");
    struct provider p;
    struct outcome o;

    provider_open(&p, &no_reply, 1);
    play(&p, &o, LINE("{\"say\":\"12345678\",\"usage\":{\"prompt_tokens\":1000,\"cached_tokens\":7}}"), 0);
    assert_int_equal(o.result.usage.prompt_tokens, 1000);
    assert_int_equal(o.result.usage.cached_tokens, 7);
    assert_int_equal(o.result.usage.completion_tokens, 2);
    outcome_done(&o);
    play(&p, &o, script, 0);
    assert_int_equal(o.result.usage.prompt_tokens, (sizeof(script) - 1) / 4);
    assert_int_equal(o.result.usage.completion_tokens, 3);
    assert_int_equal(o.result.usage.reasoning_tokens, 1);
    outcome_close(&o);
}

/* U: user, A: answer, C: answer with a call, T: tool result, I: interrupted answer */
static void the_newest_script_since_the_last_answer_counts(void **state UNUSED)
{
    static const struct {
        const char *roles; /* one message each */
        const char *texts[6];
        const char *line; /* NULL: no script */
    } table[] = {
        {"U", {"#!culm 1"}, "1"},
        {"U", {"say #!culm 1"}, NULL},
        {"U", {"#!culm"}, NULL},
        {"UU", {"#!culm 1", "#!culm 2"}, "2"},
        {"UCTU", {"#!culm 1", "", "", "faster, please"}, "1"}, /* sent into a running script */
        {"UCTU", {"#!culm 1", "", "", "#!culm 2"}, "2"},
        {"UAU", {"#!culm 1", "done", "and now?"}, NULL},
        {"UIU", {"#!culm 1", "do", "and now?"}, NULL},
        {"UI", {"#!culm 1", ""}, "1"},            /* thoughts, and no word of an answer */
        {"UCT", {"hello", "", "#!culm 1"}, NULL}, /* never from tools */
        {"UCAU", {"hello", "#!culm 1", "#!culm 2", "well"}, NULL},
    };
    static struct call call = {.id = {"c", 1}};

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct message m[6] = {0};
        size_t n = strlen(table[i].roles), number = 0;
        struct str line = STR("");

        for (size_t k = 0; k < n; k++) {
            char c = table[i].roles[k];

            m[k].role = c == 'U' ? ROLE_USER : c == 'T' ? ROLE_TOOL : ROLE_ASSISTANT;
            m[k].text = str_of(table[i].texts[k]);
            m[k].calls = (struct record_list){&call, c == 'C' ? 1 : 0};
            m[k].interrupted = c == 'I';
        }
        assert_int_equal(offline_script_find(m, n, 0, &line, &number), table[i].line != NULL);
        if (table[i].line != NULL)
            assert_true(str_is(line, table[i].line));
    }
}

static void without_a_script_the_answer_helps(void **state UNUSED)
{
    struct provider p;
    struct outcome o;

    provider_open(&p, &no_reply, 1);
    play(&p, &o, "\n Write a poem\nabout grass", 0);
    assert_true(o.done);
    assert_non_null(strstr(o.text.p, "(\"Write a poem\")"));
    assert_non_null(strstr(o.text.p, "OPENAI_API_KEY"));
    assert_non_null(strstr(o.text.p, "OPENAI_BASE_URL"));
    assert_true(o.deltas > 50);
    outcome_close(&o);
}

static void the_same_prompt_gives_the_same_calls(void **state UNUSED)
{
    static const char script[] = LINE("{\"tools\":[{\"name\":\"f\"},{\"name\":\"f\"}]}");
    struct provider p;
    struct outcome a, b, c;
    const struct call *x, *y, *z;

    provider_open(&p, &no_reply, 1);
    play(&p, &a, script, 0);
    play(&p, &b, script, 0);
    play(&p, &c, script, 1);
    x = a.result.calls.items;
    y = b.result.calls.items;
    z = c.result.calls.items;
    assert_true(str_eq(x[0].id, y[0].id) && str_eq(x[1].id, y[1].id));
    assert_false(str_eq(x[0].id, x[1].id) || str_eq(x[0].id, z[0].id));
    outcome_done(&a);
    outcome_done(&b);
    outcome_done(&c);
    provider_close(&p);
}

struct turns {
    struct timer *timer;
    struct outcome *o;
    size_t count, last, most;
};

/* Runs once a turn: no turn may have brought more than its share. */
static void on_turn(void *arg)
{
    struct turns *t = arg;
    size_t more = t->o->deltas - t->last;

    t->most = more > t->most ? more : t->most;
    t->last = t->o->deltas;
    t->count++;
    timer_start(t->timer, 0);
}

static void many_tokens_do_not_hold_the_loop(void **state UNUSED)
{
    struct message m = user(LINE("{\"tokens\":20000}"));
    struct model_request q = {.provider = STR("offline"), .model = STR("offline"), .messages = &m, .n_messages = 1};
    struct turns t = {0};
    struct provider p;
    struct outcome o;

    provider_open(&p, &no_reply, 1);
    outcome_init(&o, &p);
    t.o = &o;
    t.timer = timer_new(p.loop, "test.turn", on_turn, &t);
    timer_start(t.timer, 0);
    outcome_run(&o, &q);
    assert_true(o.done);
    assert_int_equal(o.deltas, 20000);
    assert_true(t.count > 100);
    assert_in_range(t.most, 1, 2 * 64); /* two timers of one turn may fall into one of ours */
    timer_free(t.timer);
    outcome_close(&o);
}

static void a_script_that_hangs_meets_the_bound_it_is_for(void **state UNUSED)
{
    static const struct {
        const char *prompt;
        int64_t headers_ms, content_ms, idle_ms;
        const char *text, *failure;
    } table[] = {
        {LINE("{\"hang\":\"headers\",\"say\":\"x\"}"), 30, 60000, 60000, "",
         "offline: the provider did not begin to answer"},
        {LINE("{\"hang\":\"content\",\"say\":\"x\"}"), 60000, 1000, 900, "",
         "offline: the provider sent no content, only signs of life"},
        {LINE("{\"hang\":\"chunk\",\"say\":\"a b\"}"), 60000, 60000, 30, "a b",
         "offline: the provider fell silent in mid-answer"},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct provider p;
        struct outcome o;

        provider_open(&p, &no_reply, 1);
        model_registry_set_timers(p.registry, table[i].headers_ms, table[i].content_ms, table[i].idle_ms);
        play(&p, &o, table[i].prompt, 0);
        assert_int_equal(o.failure.failure, FAILURE_TIMEOUT);
        assert_string_equal(o.failure.text, table[i].failure);
        assert_string_equal(buf_text(&o.text), table[i].text);
        outcome_close(&o);
    }
}

static void a_cancel_in_a_delta_is_the_last_one(void **state UNUSED)
{
    struct message m = user(LINE("{\"say\":\"a b c d e f\"}"));
    struct model_request q = {.provider = STR("offline"), .model = STR("offline"), .messages = &m, .n_messages = 1};

    for (size_t at = 1; at <= 6; at++) {
        struct provider p;
        struct outcome o, next;

        provider_open(&p, &no_reply, 1);
        outcome_init(&o, &p);
        o.cancel_at_delta = at;
        outcome_run(&o, &q);
        outcome_init(&next, &p);
        outcome_run(&next, &q);
        assert_int_equal(o.deltas, at);
        assert_int_equal(o.ends, 0);
        assert_true(next.done);
        outcome_done(&o);
        outcome_done(&next);
        provider_close(&p);
    }
}

#define NIHAO "\xe4\xbd\xa0\xe5\xa5\xbd"

static void pieces_are_the_text(void **state UNUSED)
{
    static const char *const texts[] = {
        "a",
        " a  b ",
        "\n\n",
        "one two three four five six seven",
        NIHAO NIHAO NIHAO NIHAO NIHAO NIHAO NIHAO NIHAO NIHAO NIHAO NIHAO NIHAO, /* no blank in sight */
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        for (uint32_t count = 0; count < 10; count++) {
            CLEANUP(buf_done) struct buf all = BUF_INIT;
            struct offline_pieces p;
            struct str piece;
            uint32_t n = 0;

            offline_pieces_init(&p, str_of(texts[i]), count);
            for (; offline_pieces_next(&p, &piece); n++) {
                assert_true(piece.n > 0);
                buf_add_str(&all, piece);
            }
            assert_string_equal(all.p, texts[i]);
            assert_true(count == 0 || n <= count);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scripts_are_played),
        cmocka_unit_test(wrong_scripts_are_explained),
        cmocka_unit_test(a_line_that_is_no_json_names_its_number),
        cmocka_unit_test(the_usage_is_scripted_or_estimated),
        cmocka_unit_test(the_newest_script_since_the_last_answer_counts),
        cmocka_unit_test(without_a_script_the_answer_helps),
        cmocka_unit_test(the_same_prompt_gives_the_same_calls),
        cmocka_unit_test(many_tokens_do_not_hold_the_loop),
        cmocka_unit_test(a_script_that_hangs_meets_the_bound_it_is_for),
        cmocka_unit_test(a_cancel_in_a_delta_is_the_last_one),
        cmocka_unit_test(pieces_are_the_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
