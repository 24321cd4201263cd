/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "model/outcome.h"

static struct model_registry *make_registry(struct loop *l)
{
    static const char *const openai_models[] = {"gpt-5", "gpt-5-mini", "o9/preview", NULL};
    static const char *const local_models[] = {"qwen3", "gpt-5", NULL};
    static const struct model_provider providers[] = {
        {.name = "openai", .driver = "openai", .api_key = "k", .models = openai_models},
        {.name = "local", .driver = "openai", .base_url = "http://localhost:1234", .models = local_models},
        {.name = "router", .driver = "openai", .base_url = "https://openrouter.ai/api/v1"},
        {.name = "offline", .driver = "offline"},
    };
    struct model_registry *r;

    assert_int_equal(model_registry_new(l, NULL, &r, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(providers); i++)
        assert_int_equal(model_registry_add(r, &providers[i], NULL), 0);
    return r;
}

struct resolve_case {
    const char *provider, *ref, *means; /* "provider model", or the error */
};

static void check(const struct model_registry *r, const struct resolve_case *c)
{
    CLEANUP(buf_done) struct buf got = BUF_INIT;
    struct str provider, model;
    struct err err = {0};

    if (model_resolve(r, str_of(c->provider), str_of(c->ref), &provider, &model, &err) == 0)
        buf_addf(&got, STR_FMT " " STR_FMT, STR_ARG(provider), STR_ARG(model));
    else
        buf_add_str(&got, str_of(err.text));
    assert_string_equal(got.p, c->means);
}

static void references_are_resolved(void **state UNUSED)
{
    static const struct resolve_case table[] = {
        {"", "", "openai gpt-5"},
        {"", "default", "openai gpt-5"},
        {"", "unknown", "openai gpt-5"},
        {"", "gpt-5-mini", "openai gpt-5-mini"},
        {"", "o9/preview", "openai o9/preview"}, /* the left part names nobody */
        {"", "local/qwen3", "local qwen3"},
        {"", "local/", "local qwen3"},
        {"", "local/default", "local qwen3"},
        {"", "router/meta/llama:free", "router meta/llama:free"}, /* lists none: has every model */
        {"", "offline/offline", "offline offline"},
        {"local", "", "local qwen3"},
        {"local", "gpt-5", "local gpt-5"},
        {"router", "openai/gpt-5", "router openai/gpt-5"}, /* not split where the provider is given */
        {"router", "default", "provider router lists no models: name one as router/MODEL, or set CULM_MODEL"},
        {"", "gpt5", "unknown model \"gpt5\"; did you mean openai/gpt-5, local/gpt-5 or local/qwen3?"},
        {"", "qwen3", "unknown model \"qwen3\"; did you mean local/qwen3, openai/gpt-5 or local/gpt-5?"},
        {"", "locl/qwen3", "unknown model \"locl/qwen3\"; did you mean local/qwen3, local/gpt-5 or offline/offline?"},
        {"", "offline/x", "unknown model \"offline/x\"; did you mean offline/offline?"},
        {"lokal", "x", "unknown provider \"lokal\"; did you mean local, openai or router?"},
        {"local", "nope", "unknown model \"nope\"; did you mean local/qwen3 or local/gpt-5?"},
    };
    struct loop *l;
    struct model_registry *r;

    assert_int_equal(loop_new(&l, NULL), 0);
    r = make_registry(l);
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        check(r, &table[i]);
    model_registry_free(r);
    loop_free(l);
}

static void the_default_can_be_set(void **state UNUSED)
{
    static const struct {
        const char *provider, *model;
        struct resolve_case c;
    } table[] = {
        {"local", NULL, {"", "", "local qwen3"}},
        {"local", "special", {"", "default", "local special"}},
        {"local", "special", {"", "special", "local special"}}, /* the operator knows it, whatever the list says */
        {"local", "special", {"openai", "", "openai gpt-5"}},
        {NULL, "o4", {"", "", "openai o4"}},
        {"router", "meta/llama", {"", "", "router meta/llama"}},
        {"gone", NULL, {"", "", "no provider is configured for the default model"}},
        {"gone", NULL, {"", "local/qwen3", "local qwen3"}},
    };
    struct loop *l;
    struct model_registry *r;

    assert_int_equal(loop_new(&l, NULL), 0);
    r = make_registry(l);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        model_registry_set_default(r, table[i].provider, table[i].model);
        check(r, &table[i].c);
    }
    model_registry_free(r);
    loop_free(l);
}

static void a_long_reference_is_refused(void **state UNUSED)
{
    char ref[1000];
    struct resolve_case c = {"", ref, "a model reference has at most 256 bytes"};
    struct loop *l;
    struct model_registry *r;

    memset(ref, 'x', sizeof(ref) - 1);
    ref[sizeof(ref) - 1] = '\0';
    assert_int_equal(loop_new(&l, NULL), 0);
    r = make_registry(l);
    check(r, &c);
    model_registry_free(r);
    loop_free(l);
}

static void wrong_providers_are_refused(void **state UNUSED)
{
    static const struct {
        struct model_provider p;
        const char *why; /* NULL: right */
    } table[] = {
        {{.name = "a", .driver = "openai"}, NULL},
        {{.name = "a", .driver = "openai", .base_url = "http://[::1]:80/v1/"}, NULL},
        {{.name = "a", .driver = "offline", .base_url = "ignored"}, NULL},
        {{.name = "a", .driver = "magic"}, "provider a: unknown driver; there are \"openai\" and \"offline\""},
        {{.name = "a"}, "provider a: unknown driver; there are \"openai\" and \"offline\""},
        {{.name = "a/b", .driver = "openai"}, "the name of a provider must be 1 to 128 of A-Za-z0-9._:-"},
        {{.name = NULL, .driver = "openai"}, "the name of a provider must be 1 to 128 of A-Za-z0-9._:-"},
        {{.name = "a", .driver = "openai", .base_url = "ftp://x"},
         "provider a: the base URL must be http://host/... or https://host/..."},
        {{.name = "a", .driver = "openai", .base_url = "localhost:80"},
         "provider a: the base URL must be http://host/... or https://host/..."},
        {{.name = "a", .driver = "openai", .base_url = "http:///v1"},
         "provider a: the base URL must be http://host/... or https://host/..."},
        {{.name = "a", .driver = "openai", .base_url = "http://x\r\ny"},
         "provider a: the base URL must be http://host/... or https://host/..."},
        {{.name = "a", .driver = "openai", .base_url = "http://x/v1?a=b"},
         "provider a: the base URL must not hold a query, fragment or user"},
        {{.name = "a", .driver = "openai", .base_url = "http://u:p@x/v1"},
         "provider a: the base URL must not hold a query, fragment or user"},
        {{.name = "a", .driver = "openai", .api_key = "k\r\nX-Evil: 1"},
         "provider a: the API key holds blanks or control characters"},
    };
    struct loop *l;
    struct model_registry *r;

    assert_int_equal(loop_new(&l, NULL), 0);
    assert_int_equal(model_registry_new(l, NULL, &r, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct err err = {0};

        assert_int_equal(model_registry_add(r, &table[i].p, &err), table[i].why == NULL ? 0 : -ERR_BAD_REQUEST);
        assert_string_equal(err.text, table[i].why == NULL ? "" : table[i].why);
    }
    model_registry_free(r);
    loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_are_resolved),
        cmocka_unit_test(the_default_can_be_set),
        cmocka_unit_test(a_long_reference_is_refused),
        cmocka_unit_test(wrong_providers_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
