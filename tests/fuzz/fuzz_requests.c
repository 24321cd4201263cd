/* SPDX-License-Identifier: MIT */
/*
 * Bodies of requests, every wire type. The first byte picks what they are read as. What is read
 * points into the arena or the input; what is refused has a reason.
 */
#include "base/str.h"
#include "check.h"
#include "face/bamboo/requests.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t touched;

/* Reads every byte, so that a view of freed or foreign memory is seen. */
static void touch(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        touched += (unsigned char)s.p[i];
}

static void read_wish(const struct model_wish *w, const struct json *body, struct arena *a)
{
    struct model_choice choice = {.given = false};
    struct err err = {.code = ERR_OK};

    if (model_wish_read(w, body, a, &choice, &err) < 0) {
        CHECK(err.code == ERR_BAD_REQUEST && err.text[0] != '\0');
        return;
    }
    CHECK(choice.given == (choice.provider.n + choice.ref.n > 0));
    touch(choice.provider);
    touch(choice.ref);
    touch(choice.effort);
}

static void read_unsupported(const struct unsupported *u, const struct json *body)
{
    struct err err = {.code = ERR_OK};

    if (request_refused(u, body, &err) < 0)
        CHECK(err.code != ERR_OK && err.text[0] != '\0');
}

/* Limits are counts, and words index tables. */
static void check_budget(const struct budget_wish *w)
{
    struct run_limits limits = budget_wish_limits(w);

    CHECK(limits.max_tokens >= 0 && limits.max_cost >= 0 && limits.max_ms >= 0);
    CHECK(limits.unpriced == (w->unpriced != 0));
}

static void check_on_busy(int on_busy)
{
    CHECK(str_find_word(busy_names, str_of(busy_names[on_busy])) == on_busy);
}

static void use_chat(const void *in, const struct json *body, struct arena *a)
{
    const struct chat_request *q = in;

    CHECK(request_has(body, "message"));
    touch(q->message);
    touch(q->session_id);
    touch(q->client_sync.last_message_id);
    check_budget(&q->budget);
    check_on_busy(q->on_busy);
    read_wish(&q->wish, body, a);
    read_unsupported(&q->unsupported, body);
}

static void use_execute(const void *in, const struct json *body, struct arena *a)
{
    const struct execute_request *q = in;

    touch(q->client_sync.last_message_id);
    check_budget(&q->budget);
    check_on_busy(q->on_busy);
    read_wish(&q->wish, body, a);
}

static void use_create(const void *in, const struct json *body, struct arena *a)
{
    const struct create_request *q = in;

    touch(q->title);
    touch(q->workspace_path);
    check_budget(&q->budget);
    read_wish(&q->wish, body, a);
    read_unsupported(&q->unsupported, body);
}

static void use_patch(const void *in, const struct json *body, struct arena *a)
{
    const struct patch_request *q = in;

    touch(q->title);
    touch(q->workspace_path);
    check_budget(&q->budget);
    read_wish(&q->wish, body, a);
    read_unsupported(&q->unsupported, body);
}

static void use_respond(const void *in, const struct json *body, struct arena *a)
{
    const struct respond_request *q = in;

    touch(q->response);
    touch(q->expected_tool_call_id);
    touch(q->question_id);
    read_wish(&q->wish, body, a);
}

static void use_guidance(const void *in, const struct json *body, struct arena *a UNUSED)
{
    const struct guidance_request *q = in;

    CHECK(request_has(body, "text") && guidance_names[q->mode] != NULL);
    touch(q->id);
    touch(q->text);
    read_unsupported(&q->unsupported, body);
}

static void use_message(const void *in, const struct json *body, struct arena *a UNUSED)
{
    CHECK(request_has(body, "content"));
    touch(((const struct message_request *)in)->content);
}

/* A mode that must be said is never the one of a request that does not say it, but for the empty word. */
static void use_truncate(const void *in, const struct json *body, struct arena *a UNUSED)
{
    const struct truncate_request *q = in;

    CHECK(request_has(body, "mode") && q->mode >= TRUNCATE_NOT_SAID && q->mode <= TRUNCATE_ERROR_RETRY);
}

static void use_cleanup(const void *in, const struct json *body, struct arena *a UNUSED)
{
    const struct cleanup_request *q = in;

    CHECK(request_has(body, "mode") || cleanup_mode(q->mode) == CLEANUP_NONE);
    touch(q->mode);
}

static void use_restore(const void *in, const struct json *body, struct arena *a UNUSED)
{
    CHECK(request_has(body, "target_message_id"));
    touch(((const struct restore_request *)in)->target_message_id);
}

static void use_fork(const void *in, const struct json *body UNUSED, struct arena *a UNUSED)
{
    touch(((const struct fork_request *)in)->message_id);
}

/* Its struct is its file's own. */
static void use_nothing(const void *in UNUSED, const struct json *body, struct arena *a UNUSED)
{
    CHECK(request_has(body, "default"));
}

static void read_body(uint8_t which, struct str text)
{
    static const struct {
        const struct record *record;
        void (*use)(const void *in, const struct json *body, struct arena *a);
    } rows[] = {
        {&chat_record, use_chat},         {&execute_record, use_execute}, {&create_record, use_create},
        {&patch_record, use_patch},       {&respond_record, use_respond}, {&log_levels_record, use_nothing},
        {&guidance_record, use_guidance}, {&message_record, use_message}, {&truncate_record, use_truncate},
        {&restore_record, use_restore},   {&cleanup_record, use_cleanup}, {&fork_record, use_fork},
    };
    const struct record *r = rows[which % ARRAY_LEN(rows)].record;
    struct err err = {.code = ERR_OK};
    struct json *body = NULL;
    struct arena a;
    void *in;

    arena_init(&a);
    in = arena_zalloc(&a, r->size);
    if (json_parse(&a, text, &body, &err) == 0 && record_read(r, body, &a, in, &err) == 0)
        rows[which % ARRAY_LEN(rows)].use(in, body, &a);
    else
        CHECK(err.code != ERR_OK && err.text[0] != '\0');
    arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text;

    if (size == 0)
        return 0;
    text = (struct str){(const char *)data + 1, size - 1};
    read_body(data[0], text);
    return 0;
}
