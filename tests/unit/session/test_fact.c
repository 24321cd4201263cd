/* SPDX-License-Identifier: MIT */
/*
 * One fact with every field filled is written as each kind in turn. The exact text is the stored format: a name in it
 * never changes, and what is stored once is read for ever.
 */
#include "base/mem.h"
#include "base/str.h"
#include "session/fact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* The formatter would break these lists anew each time. */
/* clang-format off */
#define TEXTS(X) \
    X(id) X(discarded) X(text) X(reasoning) X(title) X(system) X(provider) X(model) X(effort) X(workspace) \
    X(parent) X(root) X(source) X(last) X(key) X(call_id) X(tool) X(args) X(by) X(reason) X(options) X(fallback)
#define NUMBERS(X) \
    X(run) X(round) X(gen) X(nonce) X(due) X(tokens) X(cost) X(ms) X(limit) X(actual) X(call) X(admitted) X(depth) X(rounds) \
    X(place) X(bytes) X(written_at) X(of_seq) X(last_seq) X(upto) X(removed) X(origin) X(end) X(failure) X(outcome) X(stop) X(how) \
    X(role) X(allow_custom) X(later) X(pending) X(unattended) X(interrupted) X(repaired) X(closing) X(retry) X(charged) \
    X(set_title) X(set_pinned) X(set_model) X(set_effort) X(set_limits) X(pinned) X(limits.max_tokens) X(limits.max_rounds) \
    X(limits.max_calls) X(limits.max_children) X(limits.max_cost) X(limits.max_ms) X(limits.unpriced) X(price.input) X(price.output) \
    X(price.cached) X(price.known) X(usage.prompt_tokens) X(usage.completion_tokens) X(usage.reasoning_tokens) \
    X(usage.cached_tokens) X(usage.reported) X(budget.system_tokens) X(budget.summary_tokens) \
    X(budget.window_tokens) X(budget.total_tokens) X(budget.max_context_tokens) X(budget.budget_limit) \
    X(budget.thinking_tokens) X(budget.cache_read_input_tokens) X(budget.provider_input_tokens) \
    X(budget.used_tokens) X(budget.cost_micros) X(budget.reserved_micros) X(budget.limit_micros)
/* clang-format on */

static struct call some_calls[] = {
    {.id = {"c1", 2}, .name = {"read", 4}, .args = {"{\"path\":\"a\"}", 12}, .effect = EFFECT_READ},
    {.id = {"c2", 2}, .name = {"write", 5}, .args = {"not JSON \"", 10}, .effect = EFFECT_UNSAFE},
    {.id = {"c3", 2}, .name = {"", 0}, .args = {"", 0}, .effect = EFFECT_UNKNOWN_TOOL},
};

static struct fact everything(enum fact_kind kind)
{
    return (struct fact){.kind = kind,
                         .run = 7,
                         .round = 3,
                         .gen = 2,
                         .id = STR("the id"),
                         .discarded = STR("the void one"),
                         .text = STR("line\n\"two\" \xc3\xa9 \xf0\x9f\x8c\xbe"),
                         .reasoning = STR("because"),
                         .title = STR("A title"),
                         .system = STR("You are."),
                         .provider = STR("acme"),
                         .model = STR("m-1"),
                         .effort = STR("high"),
                         .workspace = STR("/w"),
                         .parent = STR("up"),
                         .root = STR("top"),
                         .source = STR("old"),
                         .last = STR("m9"),
                         .key = STR("key-1"),
                         .call_id = STR("c1"),
                         .tool = STR("read"),
                         .args = STR("{}"),
                         .by = STR("somebody"),
                         .reason = STR("because so"),
                         .options = STR("[\"a\"]"),
                         .fallback = STR("a"),
                         .calls = {some_calls, ARRAY_LEN(some_calls)},
                         .usage = {.prompt_tokens = 11,
                                   .completion_tokens = 12,
                                   .reasoning_tokens = 13,
                                   .cached_tokens = 14,
                                   .reported = true},
                         .budget = {.system_tokens = 21,
                                    .summary_tokens = 22,
                                    .window_tokens = 23,
                                    .total_tokens = 24,
                                    .max_context_tokens = 25,
                                    .budget_limit = 26,
                                    .thinking_tokens = 27,
                                    .cache_read_input_tokens = 28,
                                    .provider_input_tokens = 29,
                                    .used_tokens = 30,
                                    .cost_micros = 34,
                                    .reserved_micros = 35,
                                    .limit_micros = 36},
                         .limits = {.max_tokens = 31,
                                    .max_cost = 37,
                                    .max_ms = 38,
                                    .max_rounds = 32,
                                    .max_calls = 33,
                                    .max_children = 62,
                                    .unpriced = true},
                         .price = {.input = 61, .output = 62, .cached = 63, .known = true},
                         .nonce = 0xfedcba9876543210u,
                         .due = 41,
                         .tokens = 42,
                         .cost = 48,
                         .ms = 61,
                         .limit = 43,
                         .actual = 44,
                         .bytes = -45,
                         .written_at = 46,
                         .of_seq = 47,
                         .last_seq = 49,
                         .call = 51,
                         .admitted = 52,
                         .depth = 53,
                         .rounds = 54,
                         .place = 55,
                         .upto = 56,
                         .removed = 57,
                         .origin = ORIGIN_SPAWN,
                         .end = END_ERROR,
                         .failure = FAILURE_RATE_LIMIT,
                         .outcome = OUTCOME_TIMEOUT,
                         .stop = STOP_LENGTH,
                         .how = CLOSING_EXPIRED,
                         .role = ROLE_TOOL,
                         .allow_custom = true,
                         .later = true,
                         .pending = true,
                         .unattended = true,
                         .interrupted = true,
                         .repaired = true,
                         .closing = true,
                         .retry = true,
                         .charged = true,
                         .set_title = true,
                         .set_pinned = true,
                         .set_model = true,
                         .set_effort = true,
                         .set_limits = true,
                         .pinned = true};
}

#define OF_RUN "\"run\":7,\"round\":3,\"gen\":2,"
#define TEXT "\"text\":\"line\\n\\\"two\\\" \xc3\xa9 \xf0\x9f\x8c\xbe\""
#define USAGE                                                                                                          \
    "\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":12,\"reasoning_tokens\":13,\"cached_tokens\":14,"           \
    "\"reported\":true}"
#define LIMITS                                                                                                         \
    "\"limits\":{\"max_tokens\":31,\"max_cost\":37,\"max_ms\":38,\"max_rounds\":32,\"max_calls\":33,\"max_children\":" \
    "62,"                                                                                                              \
    "\"unpriced\":true}"
#define CALLS                                                                                                          \
    "\"calls\":[{\"id\":\"c1\",\"name\":\"read\",\"args\":\"{\\\"path\\\":\\\"a\\\"}\",\"effect\":\"read\"},"          \
    "{\"id\":\"c2\",\"name\":\"write\",\"args\":\"not JSON \\\"\",\"effect\":\"unsafe\"},{\"id\":\"c3\"}]"

#define MESSAGE                                                                                                        \
    "\"id\":\"the id\",\"place\":55,\"role\":\"tool\"," TEXT "," CALLS ",\"call_id\":\"c1\",\"tool\":\"read\","        \
    "\"outcome\":\"timeout\",\"written_at\":46"

static const struct {
    enum fact_kind kind;
    const char *body;
} bodies[] = {
    {FACT_SESSION_CREATED,
     "{\"id\":\"the id\",\"nonce\":\"fedcba9876543210\",\"title\":\"A title\",\"system\":\"You are."
     "\",\"provider\":\"acme\",\"model\":\"m-1\",\"effort\":\"high\",\"workspace\":\"/w\","
     "\"parent\":\"up\",\"root\":\"top\",\"depth\":53,\"source\":\"old\",\"of_seq\":47," LIMITS "}"},
    {FACT_SESSION_UPDATED, "{\"set_title\":true,\"title\":\"A title\",\"set_pinned\":true,\"pinned\":true,"
                           "\"set_model\":true,\"provider\":\"acme\",\"model\":\"m-1\",\"set_effort\":true,\"effort\":"
                           "\"high\",\"set_limits\":true," LIMITS "}"},
    {FACT_MESSAGE_POSTED, "{\"id\":\"the id\"," TEXT ",\"key\":\"key-1\",\"later\":true}"},
    {FACT_MESSAGE_WITHDRAWN,
     "{\"id\":\"the id\",\"of_seq\":47,\"bytes\":-45,\"last\":\"m9\",\"last_seq\":49,\"later\":true}"},
    {FACT_MESSAGE_EDITED, "{" MESSAGE ",\"bytes\":-45}"},
    {FACT_MESSAGES_REMOVED, "{\"place\":55,\"upto\":56,\"removed\":57,\"bytes\":-45,\"last\":\"m9\",\"pending\":true,"
                            "\"how\":\"error_retry\"}"},
    {FACT_MESSAGE_IMPORTED, "{" MESSAGE ",\"reasoning\":\"because\",\"interrupted\":true}"},
    {FACT_RUN_STARTED, "{\"run\":7,\"id\":\"the id\",\"origin\":\"spawn\",\"provider\":\"acme\",\"model\":\"m-1\","
                       "\"effort\":\"high\"," LIMITS
                       ",\"unattended\":true,\"price\":{\"input\":61,\"output\":62,\"cached\":63,\"known\":true}}"},
    {FACT_RUN_RECOVERED, "{" OF_RUN "\"discarded\":\"the void one\",\"charged\":true,\"tokens\":42,\"cost\":48}"},
    {FACT_ROUND_STARTED, "{" OF_RUN "\"id\":\"the id\",\"admitted\":52,\"tokens\":42,\"closing\":true,\"cost\":48}"},
    {FACT_MODEL_FAILED, "{" OF_RUN "\"discarded\":\"the void one\",\"failure\":\"rate_limit\"," TEXT
                        ",\"retry\":true,\"due\":41,\"tokens\":42,\"cost\":48," USAGE "}"},
    {FACT_ASSISTANT, "{" OF_RUN "\"id\":\"the id\"," TEXT ",\"reasoning\":\"because\"," CALLS "," USAGE
                     ",\"stop\":\"length\",\"interrupted\":true,\"repaired\":true,\"place\":55,\"cost\":48}"},
    {FACT_BUDGET, "{" OF_RUN "\"budget\":{\"system_tokens\":21,\"summary_tokens\":22,\"window_tokens\":23,"
                  "\"total_tokens\":24,\"max_context_tokens\":25,\"budget_limit\":26,\"thinking_tokens\":27,"
                  "\"cache_read_input_tokens\":28,\"provider_input_tokens\":29,\"used_tokens\":30,\"cost_micros\":34,"
                  "\"reserved_micros\":35,\"limit_micros\":36}}"},
    {FACT_BUDGET_EXCEEDED, "{" OF_RUN "\"tool\":\"read\",\"limit\":43,\"actual\":44,\"cost\":48}"},
    {FACT_CALL_STARTED, "{" OF_RUN "\"call\":51,\"call_id\":\"c1\",\"tool\":\"read\",\"args\":\"{}\"}"},
    {FACT_CALL_ENDED, "{" OF_RUN "\"call\":51,\"call_id\":\"c1\",\"tool\":\"read\",\"outcome\":\"timeout\"," TEXT
                      ",\"id\":\"the id\",\"place\":55}"},
    {FACT_QUESTION_ASKED, "{" OF_RUN "\"id\":\"the id\",\"call\":51,\"call_id\":\"c1\",\"tool\":\"read\"," TEXT
                          ",\"options\":\"[\\\"a\\\"]\",\"allow_custom\":true,\"due\":41,\"fallback\":\"a\"}"},
    {FACT_QUESTION_CLOSED, "{" OF_RUN "\"id\":\"the id\",\"call\":51,\"call_id\":\"c1\",\"tool\":\"read\","
                           "\"how\":\"expired\",\"by\":\"somebody\"," TEXT "}"},
    {FACT_CANCEL_REQUESTED, "{\"run\":7,\"by\":\"somebody\"}"},
    {FACT_RUN_QUEUED, "{\"run\":7,\"origin\":\"spawn\",\"provider\":\"acme\",\"model\":\"m-1\",\"effort\":\"high\","
                      "" LIMITS ",\"unattended\":true}"},
    {FACT_RUN_ENDED, "{\"run\":7,\"id\":\"the id\",\"end\":\"error\",\"failure\":\"rate_limit\"," TEXT
                     ",\"by\":\"somebody\",\"reason\":\"because so\"," USAGE ",\"rounds\":54,\"cost\":48,\"ms\":61}"},
};
_Static_assert(ARRAY_LEN(bodies) == FACT_KIND_COUNT - 1, "one row per kind");
_Static_assert(sizeof(struct fact) == 784, "a new field: give it a value in everything() and a name in the lists");

static void check_calls(const struct record_list *a, const struct record_list *b)
{
    const struct call *x = a->items, *y = b->items;

    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_true(str_eq(x[i].id, y[i].id) && str_eq(x[i].name, y[i].name) && str_eq(x[i].args, y[i].args));
        assert_int_equal(x[i].effect, y[i].effect);
    }
}

static void check_same(const struct fact *a, const struct fact *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_true(a->seq == b->seq && a->epoch == b->epoch && a->at == b->at);
#define X(member) assert_true(str_eq(a->member, b->member));
    TEXTS(X)
#undef X
#define X(member) assert_true(a->member == b->member);
    NUMBERS(X)
#undef X
    check_calls(&a->calls, &b->calls);
}

/* What a kind does not store stays as the reader had it: zero here. Everything else has come back as it was. */
static void check_whole_or_absent(const struct fact *f)
{
    struct fact all = everything(f->kind);

#define X(member) assert_true(f->member.n == 0 || str_eq(f->member, all.member));
    TEXTS(X)
#undef X
#define X(member) assert_true(f->member == 0 || f->member == all.member);
    NUMBERS(X)
#undef X
    if (f->calls.count > 0)
        check_calls(&f->calls, &all.calls);
}

static struct fact read_whole(enum fact_kind kind, const char *body, struct arena *a)
{
    struct fact f = {.seq = 3, .epoch = 4, .at = 5};
    struct err err = {.code = ERR_OK};

    if (fact_read(kind, str_of(body), a, &f, &err) != 0)
        fail_msg("%s: %s", body, err.text);
    assert_int_equal(f.kind, kind);
    assert_true(f.seq == 3 && f.epoch == 4 && f.at == 5);
    return f;
}

static void check_text(const struct fact *f, const char *body)
{
    CLEANUP(buf_done) struct buf written = BUF_INIT;

    fact_write(f, &written);
    assert_string_equal(written.p, body);
}

static void every_kind_is_written_whole_and_read_back(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct fact all = everything(bodies[i].kind), read;
        struct arena a;

        arena_init(&a);
        check_text(&all, bodies[i].body);
        read = read_whole(bodies[i].kind, bodies[i].body, &a);
        check_whole_or_absent(&read);
        check_text(&read, bodies[i].body);
        arena_done(&a);
    }
}

static void an_empty_fact_is_an_empty_object(void **state UNUSED)
{
    for (int kind = FACT_UNKNOWN + 1; kind < FACT_KIND_COUNT; kind++) {
        const char *body = kind == FACT_SESSION_CREATED ? "{\"nonce\":\"0000000000000000\"}" : "{}";
        struct fact f = {.seq = 3, .epoch = 4, .at = 5, .kind = (enum fact_kind)kind}, read;
        struct arena a;

        arena_init(&a);
        check_text(&f, body);
        read = read_whole((enum fact_kind)kind, body, &a);
        check_same(&read, &f);
        arena_done(&a);
    }
}

static void fields_of_a_newer_version_are_passed_over(void **state UNUSED)
{
    static const char extra[] = "{\"someday\":{\"a\":[1,null,{}]},\"_\":1.5,";

    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        CLEANUP(buf_done) struct buf body = BUF_INIT;
        struct fact read;
        struct arena a;

        arena_init(&a);
        buf_add_str(&body, STR(extra));
        buf_add_str(&body, str_of(bodies[i].body + 1));
        read = read_whole(bodies[i].kind, body.p, &a);
        check_text(&read, bodies[i].body);
        arena_done(&a);
    }
}

static void a_nonce_keeps_all_its_bits(void **state UNUSED)
{
    static const uint64_t nonces[] = {0, 1, 0x8000000000000000u, INT64_MAX, UINT64_MAX, 0x0123456789abcdefu};

    for (size_t i = 0; i < ARRAY_LEN(nonces); i++) {
        struct fact f = {.kind = FACT_SESSION_CREATED, .nonce = nonces[i], .key = STR("not stored here")}, read = {0};
        CLEANUP(buf_done) struct buf body = BUF_INIT;
        struct arena a;

        arena_init(&a);
        fact_write(&f, &body);
        assert_int_equal(fact_read(FACT_SESSION_CREATED, buf_str(&body), &a, &read, NULL), 0);
        assert_true(read.nonce == nonces[i]);
        assert_int_equal(read.key.n, 0);
        arena_done(&a);
    }
}

static void numbers_at_their_ends_survive(void **state UNUSED)
{
    struct fact f = {.kind = FACT_MODEL_FAILED, .run = UINT32_MAX, .due = INT64_MIN, .tokens = INT64_MAX}, read = {0};
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    struct arena a;

    arena_init(&a);
    fact_write(&f, &body);
    assert_int_equal(fact_read(FACT_MODEL_FAILED, buf_str(&body), &a, &read, NULL), 0);
    assert_true(read.run == UINT32_MAX && read.due == INT64_MIN && read.tokens == INT64_MAX);
    arena_done(&a);
}

/* Words are stored, not numbers: their order in the tables is free. */
static void check_words(const char *member, enum fact_kind kind, size_t offset, const char *const *names)
{
    for (int i = 1; names[i] != NULL; i++) {
        CLEANUP(buf_done) struct buf expected = BUF_INIT;
        struct fact f = {.kind = kind}, read = {0};
        struct arena a;
        int back;

        arena_init(&a);
        memcpy((char *)&f + offset, &i, sizeof(i));
        buf_addf(&expected, "{\"%s\":\"%s\"}", member, names[i]);
        check_text(&f, expected.p);
        assert_int_equal(fact_read(kind, buf_str(&expected), &a, &read, NULL), 0);
        memcpy(&back, (char *)&read + offset, sizeof(back));
        assert_int_equal(back, i);
        arena_done(&a);
    }
}

static void every_word_of_the_tables_is_stored_by_name(void **state UNUSED)
{
    check_words("origin", FACT_RUN_STARTED, offsetof(struct fact, origin), run_origin_names);
    check_words("end", FACT_RUN_ENDED, offsetof(struct fact, end), run_end_names);
    check_words("failure", FACT_RUN_ENDED, offsetof(struct fact, failure), failure_names);
    check_words("failure", FACT_MODEL_FAILED, offsetof(struct fact, failure), failure_names);
    check_words("outcome", FACT_CALL_ENDED, offsetof(struct fact, outcome), call_outcome_names);
    check_words("stop", FACT_ASSISTANT, offsetof(struct fact, stop), stop_reason_names);
}

static const struct {
    enum fact_kind kind;
    const char *body, *error;
} broken[] = {
    {FACT_ASSISTANT, "", NULL},
    {FACT_ASSISTANT, "{\"text\":\"cut", NULL},
    {FACT_ASSISTANT, "{\"text\":\"\xff\"}", NULL},
    {FACT_ASSISTANT, "{\"text\":\"a\",\"text\":\"b\"}", NULL},
    {FACT_ASSISTANT, "[]", "assistant: expected an object"},
    {FACT_ASSISTANT, "null", "assistant: expected an object"},
    {FACT_ASSISTANT, "{\"text\":null}", "assistant: text: expected a string"},
    {FACT_ASSISTANT, "{\"calls\":{}}", "assistant: calls: expected an array"},
    {FACT_ASSISTANT, "{\"calls\":[{},{\"id\":1}]}", "assistant: calls[1].id: expected a string"},
    {FACT_ASSISTANT, "{\"calls\":[{\"effect\":\"magic\"}]}",
     "assistant: calls[0].effect: expected one of \"unknown_tool\", \"read\", \"keyed\", \"ask\", \"unsafe\""},
    {FACT_ASSISTANT, "{\"usage\":{\"reported\":1}}", "assistant: usage.reported: expected true or false"},
    {FACT_ASSISTANT, "{\"stop\":\"tired\"}",
     "assistant: stop: expected one of \"stop\", \"tool_calls\", \"length\", \"content_filter\""},
    {FACT_RUN_STARTED, "{\"limits\":{\"max_rounds\":-1}}", "run_started: limits.max_rounds: must be at least 0"},
    {FACT_RUN_STARTED, "{\"run\":4294967296}", "run_started: run: must be at most 4294967295"},
    {FACT_RUN_STARTED, "{\"limits\":[]}", "run_started: limits: expected an object"},
    {FACT_BUDGET, "{\"budget\":{\"used_tokens\":1.5}}", "budget_fact: budget.used_tokens: expected an integer"},
    {FACT_CALL_ENDED, "{\"place\":\"3\"}", "call_ended: place: expected an integer"},
    {FACT_SESSION_CREATED, "{}", "session_created: nonce: expected 16 hexadecimal digits"},
    {FACT_SESSION_CREATED, "{\"nonce\":\"fedcba987654321\"}", "session_created: nonce: expected 16 hexadecimal digits"},
    {FACT_SESSION_CREATED, "{\"nonce\":\"fedcba98765432100\"}",
     "session_created: nonce: expected 16 hexadecimal digits"},
    {FACT_SESSION_CREATED, "{\"nonce\":\"FEDCBA9876543210\"}",
     "session_created: nonce: expected 16 hexadecimal digits"},
    {FACT_SESSION_CREATED, "{\"nonce\":1}", "session_created: nonce: expected a string"},
};

static void a_broken_body_is_refused_with_its_path(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct fact before = everything(FACT_BUDGET), f = before;
        struct err err = {.code = ERR_OK};
        struct arena a;

        arena_init(&a);
        assert_int_equal(fact_read(broken[i].kind, str_of(broken[i].body), &a, &f, &err), -ERR_BAD_REQUEST);
        assert_int_equal(err.code, ERR_BAD_REQUEST);
        if (broken[i].error != NULL)
            assert_string_equal(err.text, broken[i].error);
        check_same(&f, &before); /* untouched on failure */
        arena_done(&a);
    }
}

static void an_unknown_kind_is_kept_whatever_its_body(void **state UNUSED)
{
    struct fact f = {.seq = 9, .epoch = 8, .at = 7};
    struct arena a;

    arena_init(&a);
    assert_int_equal(fact_kind_find(STR("question_answered")), FACT_UNKNOWN);
    assert_int_equal(fact_kind_find(STR_NULL), FACT_UNKNOWN);
    assert_int_equal(fact_kind_find(STR("run_started ")), FACT_UNKNOWN);
    assert_int_equal(fact_read(FACT_UNKNOWN, STR("\xff not JSON"), &a, &f, NULL), 0);
    assert_int_equal(f.kind, FACT_UNKNOWN);
    assert_true(f.seq == 9 && f.epoch == 8 && f.at == 7);
    assert_int_equal(fact_wire_class(FACT_UNKNOWN), FACT_WIRE_HIDDEN);
    arena_done(&a);
}

static void every_kind_has_its_name_and_class(void **state UNUSED)
{
    static const struct {
        const char *name;
        enum fact_wire wire;
    } kinds[] = {
        {"session_created", FACT_WIRE_HIDDEN},  {"session_updated", FACT_WIRE_LATEST},
        {"message_posted", FACT_WIRE_FACT},     {"message_withdrawn", FACT_WIRE_HIDDEN},
        {"message_edited", FACT_WIRE_FACT},     {"messages_removed", FACT_WIRE_FACT},
        {"message_imported", FACT_WIRE_HIDDEN}, {"run_started", FACT_WIRE_FACT},
        {"run_recovered", FACT_WIRE_FACT},      {"round_started", FACT_WIRE_LATEST},
        {"model_failed", FACT_WIRE_FACT},       {"assistant", FACT_WIRE_FACT},
        {"budget", FACT_WIRE_LATEST},           {"budget_exceeded", FACT_WIRE_FACT},
        {"call_started", FACT_WIRE_FACT},       {"call_ended", FACT_WIRE_FACT},
        {"question_asked", FACT_WIRE_FACT},     {"question_closed", FACT_WIRE_FACT},
        {"cancel_requested", FACT_WIRE_HIDDEN}, {"run_queued", FACT_WIRE_HIDDEN},
        {"run_ended", FACT_WIRE_FACT},
    };

    assert_int_equal(ARRAY_LEN(kinds), FACT_KIND_COUNT - 1);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        enum fact_kind kind = fact_kind_find(str_of(kinds[i].name));

        assert_int_equal(kind, i + 1);
        assert_string_equal(fact_kind_name(kind), kinds[i].name);
        assert_int_equal(fact_wire_class(kind), kinds[i].wire);
    }
}

/* ---- blocks ---- */

/* On the heap and freed after the copy, so that a sanitizer sees a text that is still shared. */
static struct str on_heap(struct str s)
{
    return s.n == 0 ? s : (struct str){mem_strndup(s.p, s.n), s.n};
}

static void drop(struct str s)
{
    if (s.n > 0)
        mem_free((void *)(uintptr_t)s.p);
}

static struct fact fact_on_heap(const struct fact *f)
{
    struct fact copy = *f;
    struct call *calls = mem_alloc(f->calls.count * sizeof(*calls) + 1);

#define X(member) copy.member = on_heap(f->member);
    TEXTS(X)
#undef X
    if (f->calls.count > 0)
        memcpy(calls, f->calls.items, f->calls.count * sizeof(*calls));
    for (size_t i = 0; i < f->calls.count; i++)
        calls[i] = (struct call){on_heap(calls[i].id), on_heap(calls[i].name), on_heap(calls[i].args), calls[i].effect};
    copy.calls.items = calls;
    return copy;
}

static void free_fact(struct fact *f)
{
    struct call *calls = f->calls.items;

#define X(member) drop(f->member);
    TEXTS(X)
#undef X
    for (size_t i = 0; i < f->calls.count; i++) {
        drop(calls[i].id);
        drop(calls[i].name);
        drop(calls[i].args);
    }
    mem_free(calls);
}

static void a_block_owns_all_its_text_and_calls(void **state UNUSED)
{
    struct fact expected[] = {everything(FACT_ASSISTANT), {.kind = FACT_BUDGET, .seq = 2}, everything(FACT_CALL_ENDED)};
    struct fact given[ARRAY_LEN(expected)];
    struct facts *block;

    expected[0].seq = 1;
    expected[0].epoch = UINT64_MAX;
    expected[0].at = -1;
    expected[2].calls = (struct record_list){some_calls + 1, 1};
    for (size_t i = 0; i < ARRAY_LEN(given); i++)
        given[i] = fact_on_heap(&expected[i]);
    block = facts_new(given, ARRAY_LEN(given));
    for (size_t i = 0; i < ARRAY_LEN(given); i++)
        free_fact(&given[i]);
    assert_int_equal(block->n, ARRAY_LEN(expected));
    for (size_t i = 0; i < ARRAY_LEN(given); i++)
        check_same(&block->items[i], &expected[i]);
    assert_null(block->items[1].calls.items);
    facts_unref(block);
}

static void a_block_lives_until_its_last_reference(void **state UNUSED)
{
    struct fact f = {.kind = FACT_MESSAGE_POSTED, .seq = 1, .text = STR("hello")};
    struct facts *block = facts_new(&f, 1);

    assert_ptr_equal(facts_ref(block), block);
    facts_unref(block);
    assert_true(str_is(block->items[0].text, "hello"));
    facts_unref(block);
    facts_unref(NULL);
}

static void an_empty_block_is_a_block(void **state UNUSED)
{
    struct facts *block = facts_new(NULL, 0);

    assert_int_equal(block->n, 0);
    facts_unref(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_written_whole_and_read_back),
        cmocka_unit_test(an_empty_fact_is_an_empty_object),
        cmocka_unit_test(fields_of_a_newer_version_are_passed_over),
        cmocka_unit_test(a_nonce_keeps_all_its_bits),
        cmocka_unit_test(numbers_at_their_ends_survive),
        cmocka_unit_test(every_word_of_the_tables_is_stored_by_name),
        cmocka_unit_test(a_broken_body_is_refused_with_its_path),
        cmocka_unit_test(an_unknown_kind_is_kept_whatever_its_body),
        cmocka_unit_test(every_kind_has_its_name_and_class),
        cmocka_unit_test(a_block_owns_all_its_text_and_calls),
        cmocka_unit_test(a_block_lives_until_its_last_reference),
        cmocka_unit_test(an_empty_block_is_a_block),
    };

    return cmocka_run_group_tests_name("fact", tests, NULL, NULL);
}
