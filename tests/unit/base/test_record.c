/* SPDX-License-Identifier: MIT */
#include "base/record.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum mood { MOOD_CALM, MOOD_GLAD, MOOD_CROSS };
static const char *const moods[] = {"calm", "glad", "cross", NULL};

struct message {
    struct str role, content;
    struct str extra;
};

struct options {
    bool deep;
    uint32_t tries;
};

struct request {
    struct str session;
    struct str note;
    int mood;
    int64_t offset;
    uint64_t limit;
    uint32_t small;
    bool stream;
    struct options options;
    struct record_list messages;
};

static const struct record_field message_fields[] = {
    {.name = "role", .type = RECORD_STR, .flags = RECORD_REQUIRED, .offset = offsetof(struct message, role)},
    {.name = "content",
     .type = RECORD_STR,
     .flags = RECORD_ALWAYS,
     .offset = offsetof(struct message, content),
     .max = 8},
    {.name = "extra", .type = RECORD_RAW, .offset = offsetof(struct message, extra)},
};
static const struct record message_record = {"message", sizeof(struct message), message_fields,
                                             ARRAY_LEN(message_fields)};

static const struct record_field options_fields[] = {
    {.name = "deep", .type = RECORD_BOOL, .offset = offsetof(struct options, deep)},
    {.name = "tries", .type = RECORD_U32, .offset = offsetof(struct options, tries), .min = 1, .max = 9},
};
static const struct record options_record = {"options", sizeof(struct options), options_fields,
                                             ARRAY_LEN(options_fields)};

static const struct record_field request_fields[] = {
    {.name = "session", .type = RECORD_STR, .flags = RECORD_STRICT, .offset = offsetof(struct request, session)},
    {.name = "note", .type = RECORD_STR, .flags = RECORD_NULLABLE, .offset = offsetof(struct request, note)},
    {.name = "mood", .type = RECORD_ENUM, .offset = offsetof(struct request, mood), .names = moods},
    {.name = "offset", .type = RECORD_I64, .offset = offsetof(struct request, offset)},
    {.name = "limit", .type = RECORD_U64, .offset = offsetof(struct request, limit)},
    {.name = "small", .type = RECORD_U32, .offset = offsetof(struct request, small)},
    {.name = "stream", .type = RECORD_BOOL, .offset = offsetof(struct request, stream)},
    {.name = "options", .type = RECORD_OBJECT, .offset = offsetof(struct request, options), .of = &options_record},
    {.name = "messages",
     .type = RECORD_LIST,
     .offset = offsetof(struct request, messages),
     .of = &message_record,
     .max = 3},
};
static const struct record request_record = {"chat request", sizeof(struct request), request_fields,
                                             ARRAY_LEN(request_fields)};

static int read_request(struct arena *a, const char *text, struct request *out, struct err *err)
{
    struct json *root;

    assert_int_equal(json_parse(a, str_of(text), &root, NULL), 0);
    return record_read(&request_record, root, a, out, err);
}

static const char full[] =
    "{\"session\":\"s-1\",\"note\":\"n\",\"mood\":\"cross\",\"offset\":-9223372036854775808,"
    "\"limit\":9223372036854775807,\"small\":4294967295,\"stream\":true,"
    "\"options\":{\"deep\":true,\"tries\":9},\"messages\":[{\"role\":\"user\",\"content\":\"hi\","
    "\"extra\":{\"x\":[1, 2]}},{\"role\":\"model\",\"content\":\"\"}]}";

static void every_type_is_read(void **state UNUSED)
{
    struct request r = {.small = 1};
    const struct message *m;
    struct arena a;

    arena_init(&a);
    assert_int_equal(read_request(&a, full, &r, NULL), 0);
    assert_true(str_is(r.session, "s-1"));
    assert_true(str_is(r.note, "n"));
    assert_int_equal(r.mood, MOOD_CROSS);
    assert_true(r.offset == INT64_MIN);
    assert_true(r.limit == INT64_MAX);
    assert_int_equal(r.small, UINT32_MAX);
    assert_true(r.stream);
    assert_true(r.options.deep);
    assert_int_equal(r.options.tries, 9);
    assert_int_equal(r.messages.count, 2);
    m = r.messages.items;
    assert_true(str_is(m[0].content, "hi"));
    assert_true(str_is(m[0].extra, "{\"x\":[1, 2]}"));
    assert_true(str_is(m[1].role, "model"));
    assert_null(m[1].extra.p);
    arena_done(&a);
}

static void what_is_read_is_written_again(void **state UNUSED)
{
    CLEANUP(buf_done) struct buf out = BUF_INIT;
    struct json_writer w = JSON_WRITER(&out);
    struct request r = {.small = 0};
    struct arena a;

    arena_init(&a);
    assert_int_equal(read_request(&a, full, &r, NULL), 0);
    json_begin_object(&w);
    record_write(&request_record, &r, &w);
    json_end_object(&w);
    assert_string_equal(out.p, full);
    arena_done(&a);
}

static void zero_is_left_out_unless_it_is_always_wanted(void **state UNUSED)
{
    static const struct record_field always[] = {
        {.name = "s", .type = RECORD_STR, .flags = RECORD_ALWAYS, .offset = offsetof(struct request, session)},
        {.name = "raw", .type = RECORD_RAW, .flags = RECORD_ALWAYS, .offset = offsetof(struct request, note)},
        {.name = "mood",
         .type = RECORD_ENUM,
         .flags = RECORD_ALWAYS,
         .offset = offsetof(struct request, mood),
         .names = moods},
        {.name = "i", .type = RECORD_I64, .flags = RECORD_ALWAYS, .offset = offsetof(struct request, offset)},
        {.name = "b", .type = RECORD_BOOL, .flags = RECORD_ALWAYS, .offset = offsetof(struct request, stream)},
        {.name = "o",
         .type = RECORD_OBJECT,
         .flags = RECORD_ALWAYS,
         .offset = offsetof(struct request, options),
         .of = &options_record},
        {.name = "l",
         .type = RECORD_LIST,
         .flags = RECORD_ALWAYS,
         .offset = offsetof(struct request, messages),
         .of = &message_record},
    };
    static const struct record always_record = {"always", sizeof(struct request), always, ARRAY_LEN(always)};
    CLEANUP(buf_done) struct buf out = BUF_INIT;
    struct json_writer w = JSON_WRITER(&out);
    const struct request r = {.small = 0};

    json_begin_array(&w);
    json_begin_object(&w);
    record_write(&request_record, &r, &w);
    json_end_object(&w);
    json_begin_object(&w);
    record_write(&always_record, &r, &w);
    json_end_object(&w);
    json_end_array(&w);
    assert_string_equal(out.p,
                        "[{},{\"s\":\"\",\"raw\":null,\"mood\":\"calm\",\"i\":0,\"b\":false,\"o\":{},\"l\":[]}]");
}

static void absent_and_nulled_fields_keep_what_the_struct_had(void **state UNUSED)
{
    struct request r = {.note = STR("kept"), .small = 7, .options = {.deep = true, .tries = 3}};
    struct arena a;

    arena_init(&a);
    assert_int_equal(read_request(&a, "{\"note\":null,\"options\":{\"tries\":4,\"unknown\":1}}", &r, NULL), 0);
    assert_true(str_is(r.note, "kept"));
    assert_int_equal(r.small, 7);
    assert_true(r.options.deep);
    assert_int_equal(r.options.tries, 4);
    assert_null(r.messages.items);
    arena_done(&a);
}

static void an_empty_list_and_an_empty_string_are_taken(void **state UNUSED)
{
    struct request r = {.messages = {.count = 5}};
    struct arena a;

    arena_init(&a);
    assert_int_equal(read_request(&a, "{\"messages\":[],\"note\":\"\"}", &r, NULL), 0);
    assert_int_equal(r.messages.count, 0);
    assert_non_null(r.note.p);
    assert_int_equal(r.note.n, 0);
    arena_done(&a);
}

static void errors_name_the_path_and_leave_the_struct_alone(void **state UNUSED)
{
    static const struct {
        const char *text, *why;
    } table[] = {
        {"[]", "chat request: expected an object"},
        {"{\"session\":1}", "chat request: session: expected a string"},
        {"{\"session\":null}", "chat request: session: expected a string"},
        {"{\"stream\":0}", "chat request: stream: expected true or false"},
        {"{\"offset\":1.5}", "chat request: offset: expected an integer"},
        {"{\"offset\":\"1\"}", "chat request: offset: expected an integer"},
        {"{\"limit\":-1}", "chat request: limit: must be at least 0"},
        {"{\"small\":4294967296}", "chat request: small: must be at most 4294967295"},
        {"{\"options\":{\"tries\":0}}", "chat request: options.tries: must be at least 1"},
        {"{\"options\":{\"tries\":10}}", "chat request: options.tries: must be at most 9"},
        {"{\"options\":[]}", "chat request: options: expected an object"},
        {"{\"mood\":\"sad\"}", "chat request: mood: expected one of \"calm\", \"glad\", \"cross\""},
        {"{\"mood\":2}", "chat request: mood: expected one of \"calm\", \"glad\", \"cross\""},
        {"{\"messages\":{}}", "chat request: messages: expected an array"},
        {"{\"messages\":[1]}", "chat request: messages[0]: expected an object"},
        {"{\"messages\":[{\"role\":\"a\"},{}]}", "chat request: messages[1].role: is missing"},
        {"{\"messages\":[{\"role\":\"a\"},{\"role\":\"b\"},{\"role\":\"c\",\"content\":[]}]}",
         "chat request: messages[2].content: expected a string"},
        {"{\"messages\":[{\"role\":\"a\",\"content\":\"123456789\"}]}",
         "chat request: messages[0].content: longer than 8 bytes"},
        {"{\"messages\":[{},{},{},{}]}", "chat request: messages: more than 3 items"},
        {"{\"mesages\":[]}", "chat request: unknown key \"mesages\"; did you mean \"messages\"?"},
        {"{\"colour\":1}", "chat request: unknown key \"colour\""},
        {"{\"012345678901234567890123456789012345678\xc3\xa9 and so on\":1}",
         "chat request: unknown key \"012345678901234567890123456789012345678...\""},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct request r = {.small = 7}, before = r;
        struct err err = {.code = ERR_OK};
        struct arena a;

        arena_init(&a);
        assert_int_equal(read_request(&a, table[i].text, &r, &err), -ERR_BAD_REQUEST);
        assert_string_equal(err.text, table[i].why);
        assert_memory_equal(&r, &before, sizeof(r));
        arena_done(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(what_is_read_is_written_again),
        cmocka_unit_test(zero_is_left_out_unless_it_is_always_wanted),
        cmocka_unit_test(absent_and_nulled_fields_keep_what_the_struct_had),
        cmocka_unit_test(an_empty_list_and_an_empty_string_are_taken),
        cmocka_unit_test(errors_name_the_path_and_leave_the_struct_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
