/* SPDX-License-Identifier: MIT */
/* What a person causes travels as bytes: between a queue and its session, one day between nodes. */
#include "base/str.h"
#include "session/input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The formatter would break these lists anew each time. */
/* clang-format off */
#define TEXTS(X) \
    X(key) X(fingerprint) X(run_id) X(by) X(session_id) X(title) X(system) X(provider) X(model) X(effort) X(workspace) \
    X(parent) X(root) X(message_id) X(text) X(call_id) X(question_id) X(change.last) X(source) X(sync.last_message_id) X(sync.pending_tool_call_id)
#define NUMBERS(X) \
    X(from.node) X(from.token) X(recall) X(run) X(nonce) X(set_title) X(set_pinned) X(set_model) X(set_effort) X(set_limits) X(pinned) \
    X(if_match) X(execute) X(sync.present) X(sync.message_count) X(sync.has_pending_question) X(limits.max_tokens) \
    X(limits.max_rounds) X(limits.max_calls) X(limits.max_children) X(limits.max_cost) X(limits.max_ms) X(limits.unpriced) X(session_limits.max_cost) X(origin) X(busy) X(unattended) X(call) X(wait_ms) X(dismiss) X(later) X(is_taken) X(stopped_below) \
    X(change.seen) X(change.place) X(change.upto) X(change.removed) X(change.bytes) X(change.pending) X(change.how) \
    X(change.of_seq) X(change.last_seq) X(change.later) X(change.left) X(of_seq) X(depth) X(charged)
/* clang-format on */

static const enum input_kind personal[] = {INPUT_CREATE, INPUT_POST,   INPUT_RESUME,    INPUT_CANCEL,
                                           INPUT_ANSWER, INPUT_UPDATE, INPUT_WITHDRAW,  INPUT_EDIT,
                                           INPUT_REMOVE, INPUT_DELETE, INPUT_RECOVERED, INPUT_TIMER_QUESTION};

static struct call one_call[] = {{.id = {"c1", 2}, .name = {"read", 4}, .args = {"{}", 2}, .effect = EFFECT_READ}};
static struct old_message two_messages[] = {
    {.id = {"old", 3},
     .text = {"said", 4},
     .reasoning = {"why", 3},
     .calls = {one_call, 1},
     .role = ROLE_ASSISTANT,
     .place = 3,
     .written_at = 9,
     .interrupted = true},
    {.id = {"older", 5}, .call_id = {"c1", 2}, .tool = {"read", 4}, .role = ROLE_TOOL, .outcome = OUTCOME_ERROR},
};

static struct input everything(enum input_kind kind)
{
    return (struct input){.kind = kind,
                          .from = {.node = UINT64_MAX, .token = 0x8000000000000001u},
                          .key = STR("key-1"),
                          .fingerprint = STR("f00d"),
                          .recall = true,
                          .run = 7,
                          .run_id = STR("run id"),
                          .by = STR("somebody"),
                          .session_id = STR("s1"),
                          .nonce = 0xfedcba9876543210u,
                          .title = STR("A \"title\"\n"),
                          .system = STR("You are."),
                          .provider = STR("acme"),
                          .model = STR("m-1"),
                          .effort = STR("high"),
                          .workspace = STR("/w"),
                          .parent = STR("above"),
                          .root = STR("top"),
                          .depth = 59,
                          .set_title = true,
                          .set_pinned = true,
                          .set_model = true,
                          .set_effort = true,
                          .set_limits = true,
                          .session_limits = {.max_cost = 17},
                          .pinned = true,
                          .if_match = UINT64_MAX - 1,
                          .message_id = STR("m1"),
                          .text = STR("h\xc3\xa9llo"),
                          .execute = true,
                          .sync = {.present = true,
                                   .message_count = INT32_MAX,
                                   .last_message_id = STR("m0"),
                                   .has_pending_question = true,
                                   .pending_tool_call_id = STR("c1")},
                          .limits = {.max_tokens = INT64_MAX,
                                     .max_cost = 18,
                                     .max_ms = 19,
                                     .max_rounds = UINT32_MAX,
                                     .max_calls = 5,
                                     .max_children = 27,
                                     .unpriced = true},
                          .origin = ORIGIN_SCHEDULE,
                          .busy = BUSY_REJECT,
                          .unattended = true,
                          .call = 4,
                          .wait_ms = 6,
                          .call_id = STR("c2"),
                          .question_id = STR("q1"),
                          .dismiss = true,
                          .later = true,
                          .is_taken = true,
                          .stopped_below = true,
                          .change = {.seen = 11,
                                     .place = 12,
                                     .upto = 13,
                                     .removed = 1,
                                     .bytes = -14,
                                     .last = STR("m8"),
                                     .pending = true,
                                     .how = REMOVAL_RESTORE,
                                     .of_seq = 15,
                                     .last_seq = 14,
                                     .later = true,
                                     .left = 17},
                          .messages = {two_messages, ARRAY_LEN(two_messages)},
                          .source = STR("s0"),
                          .of_seq = 16,
                          .charged = true};
}

/* `%s` is the kind. */
static const char whole[] =
    "{\"v\":2,\"kind\":\"%s\",\"node\":-1,\"token\":-9223372036854775807,\"key\":\"key-1\","
    "\"fingerprint\":\"f00d\",\"recall\":true,\"run\":7,"
    "\"run_id\":\"run id\",\"by\":\"somebody\",\"session_id\":\"s1\",\"nonce\":-81985529216486896,"
    "\"title\":\"A \\\"title\\\"\\n\",\"system\":\"You are.\",\"provider\":\"acme\",\"model\":\"m-1\","
    "\"effort\":\"high\",\"workspace\":\"/w\",\"parent\":\"above\",\"root\":\"top\",\"depth\":59,"
    "\"set_title\":true,\"set_pinned\":true,\"set_model\":true,\"set_effort\":true,\"set_limits\":true,\"session_"
    "limits\":{\"max_cost\":17},"
    "\"pinned\":true,\"if_match\":-2,\"message_id\":\"m1\",\"text\":\"h\xc3\xa9llo\",\"execute\":true,"
    "\"has_sync\":true,\"sync\":{\"client_message_count\":2147483647,\"client_last_message_id\":\"m0\","
    "\"client_has_pending_question\":true,\"client_pending_question_tool_call_id\":\"c1\"},"
    "\"limits\":{\"max_tokens\":9223372036854775807,\"max_cost\":18,\"max_ms\":19,\"max_rounds\":4294967295,"
    "\"max_calls\":5,\"max_children\":27,\"unpriced\":true},"
    "\"origin\":\"schedule\",\"busy\":\"reject\",\"unattended\":true,\"call\":4,\"wait_ms\":6,\"call_id\":\"c2\","
    "\"question_id\":\"q1\",\"dismiss\":true,\"later\":true,\"is_taken\":true,\"stopped_below\":true,\"change\":{"
    "\"seen\":11,\"place\":12,"
    "\"upto\":13,"
    "\"removed\":1,\"bytes\":-14,\"last\":\"m8\",\"pending\":true,\"how\":\"restore\",\"of_seq\":15,\"last_seq\":14,"
    "\"later\":true,"
    "\"left\":17},"
    "\"messages\":[{\"id\":\"old\",\"text\":\"said\",\"reasoning\":\"why\",\"calls\":[{\"id\":\"c1\",\"name\":\"read\","
    "\"args\":\"{}\",\"effect\":\"read\"}],\"role\":\"assistant\",\"place\":3,\"written_at\":9,\"interrupted\":true},"
    "{\"id\":\"older\",\"call_id\":\"c1\",\"tool\":\"read\",\"role\":\"tool\",\"outcome\":\"error\"}],"
    "\"source\":\"s0\",\"of_seq\":16,\"charged\":true}";

static struct input read_whole(struct str bytes, struct arena *a)
{
    struct err err = {.code = ERR_OK};
    struct input in;

    memset(&in, 0xa5, sizeof(in)); /* nothing of what was there before remains */
    if (input_read(bytes, a, &in, &err) != 0)
        fail_msg(STR_FMT ": %s", STR_ARG(bytes), err.text);
    return in;
}

static void check_same(const struct input *a, const struct input *b)
{
    assert_int_equal(a->kind, b->kind);
#define X(member) assert_true(str_eq(a->member, b->member));
    TEXTS(X)
#undef X
#define X(member) assert_true(a->member == b->member);
    NUMBERS(X)
#undef X
    assert_int_equal(a->messages.count, b->messages.count); /* their members: in the text that was written */
}

static void every_personal_input_is_written_whole_and_read_back(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(personal); i++) {
        CLEANUP(buf_done) struct buf expected = BUF_INIT, written = BUF_INIT;
        struct input in = everything(personal[i]), read;
        struct arena a;

        arena_init(&a);
        buf_addf(&expected, whole, input_kind_name(personal[i]));
        input_write(&in, &written);
        assert_string_equal(written.p, expected.p);
        read = read_whole(buf_str(&written), &a);
        check_same(&read, &in);
        arena_done(&a);
    }
}

static void an_empty_input_has_a_version_and_a_kind(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(personal); i++) {
        CLEANUP(buf_done) struct buf expected = BUF_INIT, written = BUF_INIT;
        struct input in = {.kind = personal[i]}, read;
        struct arena a;

        arena_init(&a);
        buf_addf(&expected, "{\"v\":2,\"kind\":\"%s\"}", input_kind_name(personal[i]));
        input_write(&in, &written);
        assert_string_equal(written.p, expected.p);
        read = read_whole(buf_str(&written), &a);
        check_same(&read, &in);
        arena_done(&a);
    }
}

/* The engine sets the time anew, and the keys of late inputs have no meaning after a queue. */
static void time_and_keys_of_the_world_do_not_travel(void **state UNUSED)
{
    struct input in = {.kind = INPUT_POST,
                       .now = 5,
                       .round = 1,
                       .gen = 2,
                       .set_by = 4,
                       .channel = 1,
                       .outcome = OUTCOME_DENIED,
                       .failure = FAILURE_CUT,
                       .stop = STOP_LENGTH};
    CLEANUP(buf_done) struct buf written = BUF_INIT;

    input_write(&in, &written);
    assert_string_equal(written.p, "{\"v\":2,\"kind\":\"post\"}");
}

static void people_and_deadlines_cause_twelve_kinds_and_no_other(void **state UNUSED)
{
    size_t n = 0;

    for (int kind = 0; kind < INPUT_KIND_COUNT; kind++)
        n += input_is_personal((enum input_kind)kind);
    assert_int_equal(n, ARRAY_LEN(personal));
    for (size_t i = 0; i < ARRAY_LEN(personal); i++)
        assert_true(input_is_personal(personal[i]));
}

static const struct {
    const char *bytes;
    enum err_code code;
    const char *error;
} broken[] = {
    {"", ERR_BAD_REQUEST, NULL},
    {"{\"v\":2,\"kind\":\"post\"", ERR_BAD_REQUEST, NULL},
    {"{}", ERR_VERSION, "input: version is not 2"},
    {"null", ERR_VERSION, "input: version is not 2"},
    {"[]", ERR_VERSION, "input: version is not 2"},
    {"{\"kind\":\"post\"}", ERR_VERSION, "input: version is not 2"},
    {"{\"v\":0,\"kind\":\"post\"}", ERR_VERSION, "input: version is not 2"},
    {"{\"v\":1,\"kind\":\"post\"}", ERR_VERSION, "input: version is not 2"},
    {"{\"v\":\"1\",\"kind\":\"post\"}", ERR_VERSION, "input: version is not 2"},
    {"{\"v\":1.0,\"kind\":\"post\"}", ERR_VERSION, "input: version is not 2"},
    {"{\"v\":2}", ERR_BAD_REQUEST, "input: kind: is missing"},
    {"{\"v\":2,\"kind\":\"pray\"}", ERR_BAD_REQUEST, NULL},
    {"{\"v\":2,\"kind\":\"delta\"}", ERR_BAD_REQUEST, "input: kind delta does not travel"},
    {"{\"v\":2,\"kind\":\"model_done\"}", ERR_BAD_REQUEST, "input: kind model_done does not travel"},
    {"{\"v\":2,\"kind\":\"model_failed\"}", ERR_BAD_REQUEST, "input: kind model_failed does not travel"},
    {"{\"v\":2,\"kind\":\"tool_done\"}", ERR_BAD_REQUEST, "input: kind tool_done does not travel"},
    {"{\"v\":2,\"kind\":\"timer_retry\"}", ERR_BAD_REQUEST, "input: kind timer_retry does not travel"},
    {"{\"v\":2,\"kind\":\"timer_call\"}", ERR_BAD_REQUEST, "input: kind timer_call does not travel"},
    {"{\"v\":2,\"kind\":\"timer_cancel\"}", ERR_BAD_REQUEST, "input: kind timer_cancel does not travel"},
    {"{\"v\":2,\"kind\":\"post\",\"text\":7}", ERR_BAD_REQUEST, "input: text: expected a string"},
    {"{\"v\":2,\"kind\":\"post\",\"limits\":{\"max_calls\":-1}}", ERR_BAD_REQUEST,
     "input: limits.max_calls: must be at least 0"},
    {"{\"v\":2,\"kind\":\"resume\",\"origin\":\"moon\"}", ERR_BAD_REQUEST,
     "input: origin: expected one of \"http\", \"answer\", \"spawn\", \"schedule\", \"stop\""},
};

static void broken_inputs_and_those_of_other_versions_are_refused(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct input before = everything(INPUT_UPDATE), in = before;
        struct err err = {.code = ERR_OK};
        struct arena a;

        arena_init(&a);
        assert_int_equal(input_read(str_of(broken[i].bytes), &a, &in, &err), -(int)broken[i].code);
        assert_int_equal(err.code, broken[i].code);
        if (broken[i].error != NULL)
            assert_string_equal(err.text, broken[i].error);
        check_same(&in, &before); /* untouched on failure */
        arena_done(&a);
    }
}

static void fields_of_a_newer_writer_are_passed_over(void **state UNUSED)
{
    struct input in;
    struct arena a;

    arena_init(&a);
    in = read_whole(STR("{\"v\":2,\"someday\":[{}],\"kind\":\"post\",\"text\":\"a\"}"), &a);
    assert_true(in.kind == INPUT_POST && str_is(in.text, "a"));
    arena_done(&a);
}

/* ---- client_sync, as it stands in the body of a request ---- */

static const struct {
    const char *body, *error;
    struct client_sync sync;
} syncs[] = {
    {"{\"client_message_count\":0}", NULL, {0}},
    {"{\"client_message_count\":3,\"client_last_message_id\":\"m\"}",
     NULL,
     {.message_count = 3, .last_message_id = {"m", 1}}},
    {"{\"client_message_count\":3,\"client_last_message_id\":null,\"client_has_pending_question\":null,"
     "\"client_pending_question_tool_call_id\":null}",
     NULL,
     {.message_count = 3}},
    {"{\"client_message_count\":1,\"client_has_pending_question\":true,"
     "\"client_pending_question_tool_call_id\":\"c\",\"client_mood\":1}",
     NULL,
     {.message_count = 1, .has_pending_question = true, .pending_tool_call_id = {"c", 1}}},
    {"{}", "client_sync: client_message_count: is missing", {0}},
    {"{\"client_message_count\":null}", "client_sync: client_message_count: expected an integer", {0}},
    {"{\"client_message_count\":-1}", "client_sync: client_message_count: must be at least 0", {0}},
    {"{\"client_message_count\":2147483648}", "client_sync: client_message_count: must be at most 2147483647", {0}},
    {"{\"client_message_count\":1,\"client_has_pending_question\":\"no\"}",
     "client_sync: client_has_pending_question: expected true or false",
     {0}},
};

static void a_clients_view_is_read_as_bamboo_sends_it(void **state UNUSED)
{
    for (size_t i = 0; i < ARRAY_LEN(syncs); i++) {
        const struct client_sync *want = &syncs[i].sync;
        struct client_sync sync = {0};
        struct err err = {.code = ERR_OK};
        struct json *node;
        struct arena a;
        int rc;

        arena_init(&a);
        assert_int_equal(json_parse(&a, str_of(syncs[i].body), &node, NULL), 0);
        rc = record_read(&client_sync_record, node, &a, &sync, &err);
        assert_int_equal(rc, syncs[i].error == NULL ? 0 : -ERR_BAD_REQUEST);
        if (syncs[i].error != NULL)
            assert_string_equal(err.text, syncs[i].error);
        assert_int_equal(sync.message_count, want->message_count);
        assert_true(str_eq(sync.last_message_id, want->last_message_id));
        assert_int_equal(sync.has_pending_question, want->has_pending_question);
        assert_true(str_eq(sync.pending_tool_call_id, want->pending_tool_call_id));
        arena_done(&a);
    }
}

static void an_empty_view_that_was_given_stays_given(void **state UNUSED)
{
    struct input in = {.kind = INPUT_RESUME, .sync = {.present = true}}, read;
    CLEANUP(buf_done) struct buf written = BUF_INIT;
    struct arena a;

    arena_init(&a);
    input_write(&in, &written);
    read = read_whole(buf_str(&written), &a);
    assert_true(read.sync.present);
    assert_int_equal(read.sync.message_count, 0);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_personal_input_is_written_whole_and_read_back),
        cmocka_unit_test(an_empty_input_has_a_version_and_a_kind),
        cmocka_unit_test(time_and_keys_of_the_world_do_not_travel),
        cmocka_unit_test(people_and_deadlines_cause_twelve_kinds_and_no_other),
        cmocka_unit_test(broken_inputs_and_those_of_other_versions_are_refused),
        cmocka_unit_test(fields_of_a_newer_writer_are_passed_over),
        cmocka_unit_test(a_clients_view_is_read_as_bamboo_sends_it),
        cmocka_unit_test(an_empty_view_that_was_given_stays_given),
    };

    return cmocka_run_group_tests_name("input", tests, NULL, NULL);
}
