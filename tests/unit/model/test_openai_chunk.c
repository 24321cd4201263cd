/* SPDX-License-Identifier: MIT */
#include "base/str.h"
#include "model/openai_chunk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define CHOICE(delta) "{\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":" delta ",\"finish_reason\":null}]}"
#define FINISH(reason) "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" reason "\"}]}"

/* What a chunk says, in one line. */
static void describe(const struct openai_chunk *c, struct buf *out)
{
    for (const struct openai_piece *p = c->pieces; p != NULL; p = p->next)
        buf_addf(out, "%s(" STR_FMT ")", p->channel == DELTA_TEXT ? "text" : "reason", STR_ARG(p->text));
    for (size_t i = 0; i < c->n_calls; i++) {
        const struct call_fragment *f = &c->calls[i];

        buf_addf(out, "call(");
        if (f->has_index)
            buf_addf(out, "%" PRId64, f->index);
        buf_addf(out, "," STR_FMT "," STR_FMT "," STR_FMT ")", STR_ARG(f->id), STR_ARG(f->name), STR_ARG(f->args));
    }
    if (c->finished)
        buf_addf(out, "finish(%s)", stop_reason_names[c->stop]);
    if (c->has_usage)
        buf_addf(out, "usage(%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ")", c->usage.prompt_tokens,
                 c->usage.completion_tokens, c->usage.reasoning_tokens, c->usage.cached_tokens);
    if (c->is_error)
        buf_addf(out, "error(" STR_FMT ")", STR_ARG(c->error.message));
    if (c->replaced)
        buf_addf(out, "replaced");
}

static void chunks_say_what_they_should(void **state UNUSED)
{
    static const struct {
        const char *json, *says;
    } table[] = {
        {CHOICE("{\"role\":\"assistant\",\"content\":\"\"}"), ""},
        {CHOICE("{\"content\":\"hi\"}"), "text(hi)"},
        {CHOICE("{\"content\":\"a\\nb\\u00e9\"}"), "text(a\nb\xc3\xa9)"},
        {CHOICE("{\"content\":null,\"reasoning_content\":\"hm\"}"), "reason(hm)"},
        {CHOICE("{\"content\":\"\",\"reasoning\":\"hm\"}"), "reason(hm)"},
        {CHOICE("{\"reasoning_content\":\"hm\",\"reasoning\":\"hm\",\"content\":\"so\"}"), "reason(hm)text(so)"},
        {CHOICE("{\"refusal\":\"no\"}"), "text(no)"},
        {CHOICE("{\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"x\"},{\"text\":\"b\"}]}"),
         "text(a)text(b)"},
        {CHOICE("{\"tool_calls\":[{\"index\":1,\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\","
                "\"arguments\":\"\"}}]}"),
         "call(1,c,f,)"},
        {CHOICE("{\"tool_calls\":[{\"function\":{\"arguments\":\"{\\\"a\"}},{\"index\":0}]}"),
         "call(,,,{\"a)call(0,,,)"},
        {CHOICE("{\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":{\"a\": 1}}}]}"),
         "call(,c,f,{\"a\": 1})"},
        {CHOICE("{\"function_call\":{\"name\":\"f\",\"arguments\":\"{}\"}}"), "call(0,,f,{})"},
        {CHOICE("{\"tool_calls\":null,\"function_call\":null}"), ""},
        {FINISH("stop"), "finish(stop)"},
        {FINISH("length"), "finish(length)"},
        {FINISH("tool_calls"), "finish(tool_calls)"},
        {FINISH("function_call"), "finish(tool_calls)"},
        {FINISH("content_filter"), "finish(content_filter)"},
        {FINISH("eos"), "finish(stop)"},
        {FINISH(""), ""},
        {FINISH("error"), "error()"},
        {"{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"completion_tokens_details\":"
         "{\"reasoning_tokens\":2},\"prompt_tokens_details\":{\"cached_tokens\":1}}}",
         "usage(3,4,2,1)"},
        {"{\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,"
         "\"completion_tokens\":-4,\"prompt_tokens_details\":null}}",
         "text(x)finish(stop)usage(3,0,0,0)"},
        {"{\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"usage\":null}", "text(x)"},
        {"{\"choices\":[],\"usage\":{\"prompt_tokens\":9223372036854775807,\"completion_tokens\":-4}}",
         "usage(0,0,0,0)"},
        {"{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"other\"}},{\"index\":0,\"delta\":{\"content\":\"x\"}}]}",
         "text(x)"},
        {"{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"other\"}}]}", ""},
        {"{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"whole\",\"tool_calls\":[{\"id\":"
         "\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"tool_calls\"}]}",
         "text(whole)call(,c,f,{})finish(tool_calls)"},
        {"{\"error\":{\"message\":\"bad\",\"code\":500}}", "error(bad)"},
        {"{\"error\":null,\"choices\":[]}", ""},
        {"{\"error\":{\"message\":\"up\"},\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"error\"}]}",
         "text(x)error(up)"},
        {CHOICE("{\"content\":\"half \\ud83d\"}"), "text(half \xef\xbf\xbd)replaced"},
        {CHOICE("{\"content\":\"\\ude00 half, whole \\ud83d\\ude00\"}"),
         "text(\xef\xbf\xbd half, whole \xf0\x9f\x98\x80)replaced"},
        {CHOICE("{\"content\":\"raw half \xe2\x82\"}"), "text(raw half \xe2\x82)"},
        {CHOICE("{\"content\":\"\xac and \xf4\x8f\xbf\xbf \xc3\xa9\"}"), "text(\xac and \xf4\x8f\xbf\xbf \xc3\xa9)"},
        {"{}", ""},
        {"{\"choices\":[null]}", ""},
        {"{\"choices\":7,\"usage\":7}", ""},
        {"{\"choices\":[{\"delta\":7,\"message\":[]}]}", ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        CLEANUP(buf_done) struct buf says = BUF_INIT;
        struct openai_chunk chunk;
        struct arena a;

        arena_init(&a);
        assert_int_equal(openai_chunk_parse(&a, str_of(table[i].json), &chunk, NULL), 0);
        describe(&chunk, &says);
        assert_string_equal(says.n == 0 ? "" : says.p, table[i].says);
        arena_done(&a);
    }
}

static void what_is_no_object_is_refused(void **state UNUSED)
{
    static const char *const table[] = {"",    "x", "[]", "7", "{\"a\":", "{\"a\":1,\"a\":2}", "{\"a\":\"\xe2\x82",
                                        "{}{}"};

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct openai_chunk chunk;
        struct err err;
        struct arena a;

        arena_init(&a);
        assert_int_equal(openai_chunk_parse(&a, str_of(table[i]), &chunk, &err), -ERR_BAD_REQUEST);
        arena_done(&a);
    }
}

static bool learn(struct openai_template *t, const char *json)
{
    struct openai_chunk chunk;
    struct arena a;
    int rc;

    arena_init(&a);
    rc = openai_chunk_parse(&a, str_of(json), &chunk, NULL);
    if (rc == 0)
        openai_template_learn(t, str_of(json), &chunk);
    arena_done(&a);
    return rc == 0;
}

static void a_chunk_like_the_last_is_not_parsed_again(void **state UNUSED)
{
    static const struct {
        const char *json, *text; /* NULL: has to be parsed */
    } table[] = {
        {CHOICE("{\"content\":\"x\"}"), "x"},
        {CHOICE("{\"content\":\" world \xc3\xa9\"}"), " world \xc3\xa9"},
        {CHOICE("{\"content\":\"half \xe2\x82\"}"), "half \xe2\x82"},
        {CHOICE("{\"content\":\"\"}"), NULL}, /* says nothing: rare, and the parser knows */
        {CHOICE("{\"content\":\"a\\nb\\\\\\\"c\\t\\/\"}"), "a\nb\\\"c\t/"},
        {CHOICE("{\"content\":\"\\n\"}"), "\n"},
        {CHOICE("{\"content\":\"a\\u00e9\"}"), NULL},
        {CHOICE("{\"content\":\"a\\x\"}"), NULL},
        {CHOICE("{\"content\":\"a\\\"}"), NULL}, /* the quote behind is the text's */
        {CHOICE("{\"content\":\"a\tb\"}"), NULL},
        {CHOICE("{\"content\":\"a\",\"refusal\":\"b\"}"), NULL},
        {CHOICE("{\"reasoning\":\"x\"}"), NULL},
        {FINISH("stop"), NULL},
        {"", NULL},
    };
    CLEANUP(openai_template_done) struct openai_template t = {0};
    struct str text;

    assert_false(openai_template_match(&t, str_of(table[0].json), &text));
    assert_true(learn(&t, CHOICE("{\"content\":\"first\"}")));
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        bool is = openai_template_match(&t, str_of(table[i].json), &text);

        assert_int_equal(is, table[i].text != NULL);
        if (is)
            assert_true(str_is(text, table[i].text));
    }
}

static void only_chunks_with_nothing_but_a_text_are_learned(void **state UNUSED)
{
    static const char *const table[] = {
        CHOICE("{\"content\":\"a\",\"reasoning\":\"b\"}"),
        CHOICE("{\"content\":\"a\",\"tool_calls\":[{\"index\":0}]}"),
        CHOICE("{\"content\":\"\"}"),
        FINISH("stop"),
        "{\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}",
        "{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{}}",
        "{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"error\":{}}",
        CHOICE("{\"content\":\"half \xe2\x82\"}"),
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        CLEANUP(openai_template_done) struct openai_template t = {0};
        struct str text;

        assert_true(learn(&t, table[i]));
        assert_false(openai_template_match(&t, str_of(table[i]), &text));
    }
}

/* index (-1: none), id, name, args; then the calls as name:id:args, "?" for an id of ours */
struct merge_case {
    struct {
        int index;
        const char *id, *name, *args;
    } fragments[4];
    const char *calls;
};

static void fragments_are_merged(void **state UNUSED)
{
    static const struct merge_case table[] = {
        {{{0, "a", "f", ""}, {0, "", "", "{\"x\""}, {0, "", "", ":1}"}}, "f:a:{\"x\":1}|"},
        {{{0, "a", "f", "{"}, {1, "b", "g", "["}, {0, "", "", "}"}, {1, "", "", "]"}}, "f:a:{}|g:b:[]|"},
        {{{-1, "a", "f", "{}"}, {-1, "b", "g", "{}"}}, "f:a:{}|g:b:{}|"},
        {{{-1, "a", "f", "{"}, {-1, "b", "g", "{"}, {-1, "a", "", "}"}, {-1, "b", "", "}"}}, "f:a:{}|g:b:{}|"},
        {{{-1, "a", "f", "{"}, {-1, "", "", "}"}}, "f:a:{}|"},
        {{{-1, "", "f", "{}"}, {-1, "", "g", "{}"}}, "f:?:{}|g:?:{}|"},
        {{{0, "a", "f", "{"}, {0, "a", "f", "}"}}, "f:a:{}|"}, /* name and id given again */
        {{{0, "a", "read_", "{"}, {0, "", "file", "}"}}, "read_file:a:{}|"},
        {{{0, "a", "f", "{}"}, {0, "b", "g", "{}"}}, "f:a:{}|g:b:{}|"}, /* the index does not count */
        {{{0, "a", "f", "{}"}, {1, "a", "g", "{}"}}, "f:a:{}|g:?:{}|"}, /* the id is not one */
        {{{0, "a", "", "{}"}, {1, "b", "g", "{}"}}, "g:b:{}|"},         /* no name */
        {{{0, "a", "f", ""}}, "f:a:{}|"},
        {{{0, "a", "f", "half \xe2\x82"}, {0, "", "", "\xac"}}, "f:a:half \xe2\x82\xac|"},
        {{{0, "a", "f", "half \xe2\x82"}}, "f:a:half \xef\xbf\xbd|"},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        CLEANUP(call_merge_done) struct call_merge m = {0};
        CLEANUP(buf_done) struct buf seen = BUF_INIT;
        struct record_list list;
        bool repaired = false;
        struct arena a;

        arena_init(&a);
        for (size_t k = 0; k < 4 && table[i].fragments[k].id != NULL; k++) {
            struct call_fragment f = {
                .has_index = table[i].fragments[k].index >= 0,
                .index = table[i].fragments[k].index,
                .id = str_of(table[i].fragments[k].id),
                .name = str_of(table[i].fragments[k].name),
                .args = str_of(table[i].fragments[k].args),
            };

            call_merge_add(&m, &f);
        }
        list = call_merge_take(&m, &a, &repaired);
        for (size_t k = 0; k < list.count; k++) {
            const struct call *c = (const struct call *)list.items + k;

            buf_addf(&seen, STR_FMT ":%.*s:" STR_FMT "|", STR_ARG(c->name), c->id.n == 36 ? 1 : (int)c->id.n,
                     c->id.n == 36 ? "?" : c->id.p, STR_ARG(c->args));
        }
        assert_string_equal(seen.p, table[i].calls);
        arena_done(&a);
    }
}

static void an_id_of_the_transcript_is_not_given_again(void **state UNUSED)
{
    CLEANUP(call_merge_done) struct call_merge m = {0};
    struct call_fragment known = {.has_index = true, .id = STR("call_1"), .name = STR("f")},
                         other = {.has_index = true, .index = 1, .id = STR("call_2"), .name = STR("f")};
    const struct call *calls;
    bool repaired = false;
    struct arena a;

    arena_init(&a);
    call_merge_know(&m, STR("call_0"));
    call_merge_know(&m, STR("call_1"));
    call_merge_add(&m, &known);
    call_merge_add(&m, &other);
    calls = call_merge_take(&m, &a, &repaired).items;
    assert_int_equal(calls[0].id.n, 36);
    assert_true(str_is(calls[1].id, "call_2"));
    arena_done(&a);
}

static void a_cut_call_is_known_and_dropped(void **state UNUSED)
{
    static const struct {
        const char *args;
        bool whole;
        size_t left;
    } table[] = {{"{\"a\":1}", true, 2}, {"{\"a\":", false, 1}, {"", true, 1}};

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        CLEANUP(call_merge_done) struct call_merge m = {0};
        struct call_fragment one = {.id = STR("a"), .name = STR("f"), .args = STR("{}")};
        struct call_fragment two = {.id = STR("b"), .name = STR("g"), .args = str_of(table[i].args)};

        call_merge_add(&m, &one);
        call_merge_add(&m, &two);
        assert_int_equal(call_merge_is_whole(&m), table[i].whole);
        call_merge_drop_cut(&m);
        assert_int_equal(m.n, table[i].left);
    }
}

/* With and without an index; each call comes in two fragments, the second of which says nothing of whose it is. */
static void of_too_many_calls_the_first_are_kept(void **state UNUSED)
{
    for (int with_index = 0; with_index < 2; with_index++) {
        CLEANUP(call_merge_done) struct call_merge m = {0};
        const struct call *calls;
        bool repaired = false;
        struct arena a;

        for (int64_t i = 0; i < LIMIT_CALLS_PER_ROUND + 2; i++) {
            char id[ID_TEXT];
            struct call_fragment begin = {
                .has_index = with_index != 0, .index = i, .name = STR("f"), .args = STR("{\"n\":")};
            const struct call_fragment end = {.has_index = with_index != 0, .index = i, .args = STR("1}")};

            snprintf(id, sizeof(id), "id-%" PRId64, i);
            begin.id = str_of(id);
            call_merge_add(&m, &begin);
            call_merge_add(&m, &end);
        }
        arena_init(&a);
        assert_true(call_merge_is_whole(&m));
        call_merge_drop_cut(&m);
        assert_int_equal(call_merge_take(&m, &a, &repaired).count, LIMIT_CALLS_PER_ROUND);
        assert_true(repaired);
        calls = call_merge_take(&m, &a, &repaired).items;
        assert_true(str_is(calls[LIMIT_CALLS_PER_ROUND - 1].args, "{\"n\":1}"));
        arena_done(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_say_what_they_should),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(a_chunk_like_the_last_is_not_parsed_again),
        cmocka_unit_test(only_chunks_with_nothing_but_a_text_are_learned),
        cmocka_unit_test(fragments_are_merged),
        cmocka_unit_test(an_id_of_the_transcript_is_not_given_again),
        cmocka_unit_test(a_cut_call_is_known_and_dropped),
        cmocka_unit_test(of_too_many_calls_the_first_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
