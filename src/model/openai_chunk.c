/* SPDX-License-Identifier: MIT */
#include "model/openai_chunk.h"

#include "base/str.h"
#include "model/json_mend.h"

struct reader {
    struct arena *arena;
    struct openai_chunk *out;
    struct openai_piece **end;
};

static struct str text_of(const struct reader *r, const struct json *node)
{
    struct str text = json_text(node);

    return r->out->mended ? json_unmend(text, r->arena) : text;
}

static void add_text(struct reader *r, int channel, const struct json *node)
{
    struct str text = text_of(r, node);
    struct openai_piece *p;

    if (node == NULL || text.n == 0)
        return;
    p = arena_zalloc(r->arena, sizeof(*p));
    *p = (struct openai_piece){.channel = channel, .text = text};
    if (!r->out->mended)
        p->raw = node->raw;
    *r->end = p;
    r->end = &p->next;
}

/* Text, or a list of parts of which those with text count. */
static void read_content(struct reader *r, int channel, const struct json *node)
{
    if (node == NULL || node->type != JSON_ARRAY) {
        add_text(r, channel, node);
        return;
    }
    for (const struct json *part = node->first; part != NULL; part = part->next)
        add_text(r, channel, json_find(part, "text"));
}

/* Arguments are a string by the standard; some servers send the object itself. */
static struct str args_of(const struct reader *r, const struct json *node)
{
    if (node == NULL || node->type != JSON_OBJECT)
        return text_of(r, node);
    return r->out->mended ? json_unmend(node->raw, r->arena) : node->raw;
}

static void read_call(const struct reader *r, const struct json *node, struct call_fragment *out)
{
    const struct json *function = json_find(node, "function"), *index = json_find(node, "index");

    *out = (struct call_fragment){
        .has_index = index != NULL && index->type == JSON_INT,
        .index = json_number(index, 0),
        .id = text_of(r, json_find(node, "id")),
        .name = text_of(r, json_find(function, "name")),
        .args = args_of(r, json_find(function, "arguments")),
    };
}

/* `function_call` is the form from before there could be several. */
static void read_calls(const struct reader *r, const struct json *delta)
{
    const struct json *calls = json_find(delta, "tool_calls"), *single = json_find(delta, "function_call");
    size_t n = calls != NULL && calls->type == JSON_ARRAY ? calls->count : 0;
    struct call_fragment *out;

    if (n == 0 && (single == NULL || single->type != JSON_OBJECT))
        return;
    out = arena_zalloc(r->arena, (n + 1) * sizeof(*out));
    r->out->calls = out;
    for (const struct json *m = n > 0 ? calls->first : NULL; m != NULL; m = m->next)
        read_call(r, m, out++);
    if (n == 0) {
        *out = (struct call_fragment){
            .has_index = true,
            .name = text_of(r, json_find(single, "name")),
            .args = args_of(r, json_find(single, "arguments")),
        };
        n = 1;
    }
    r->out->n_calls = n;
}

/* An unknown reason is a reason all the same: the answer was ended, not cut. */
static void read_finish(struct openai_chunk *out, struct str reason)
{
    static const struct {
        const char *word;
        enum stop_reason stop;
    } reasons[] = {
        {"stop", STOP_END},      {"tool_calls", STOP_CALLS},      {"function_call", STOP_CALLS},
        {"length", STOP_LENGTH}, {"content_filter", STOP_FILTER},
    };

    if (reason.n == 0)
        return;
    if (str_is(reason, "error") || str_is(reason, "insufficient_system_resource")) { /* OpenRouter; DeepSeek */
        out->is_error = true;
        return;
    }
    out->finished = true;
    out->stop = STOP_END;
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (str_is(reason, reasons[i].word))
            out->stop = (int)reasons[i].stop;
}

/* We ask for one choice; servers that send more are heard for the first alone. */
static void read_choices(struct reader *r, const struct json *choices)
{
    const struct json *choice = choices != NULL && choices->type == JSON_ARRAY ? choices->first : NULL;
    const struct json *delta;

    while (choice != NULL && json_number(json_find(choice, "index"), 0) != 0)
        choice = choice->next;
    if (choice == NULL)
        return;
    r->out->has_choice = true;
    delta = json_find(choice, "delta");
    if (delta == NULL || delta->type != JSON_OBJECT)
        delta = json_find(choice, "message"); /* a whole completion */
    read_content(r, DELTA_REASONING, json_find(delta, "reasoning_content"));
    if (r->out->pieces == NULL) /* some servers send both names */
        read_content(r, DELTA_REASONING, json_find(delta, "reasoning"));
    read_content(r, DELTA_TEXT, json_find(delta, "content"));
    read_content(r, DELTA_TEXT, json_find(delta, "refusal"));
    read_calls(r, delta);
    read_finish(r->out, json_text(json_find(choice, "finish_reason")));
}

#define TOKENS_MOST (INT64_C(1) << 40) /* what is above it is no count */

static int64_t tokens(const struct json *object, const char *key)
{
    int64_t n = json_number(json_find(object, key), 0);

    return n < 0 || n > TOKENS_MOST ? 0 : n;
}

static void read_usage(struct openai_chunk *out, const struct json *usage)
{
    if (usage == NULL || usage->type != JSON_OBJECT)
        return;
    out->has_usage = true;
    out->usage = (struct usage){
        .prompt_tokens = tokens(usage, "prompt_tokens"),
        .completion_tokens = tokens(usage, "completion_tokens"),
        .reasoning_tokens = tokens(json_find(usage, "completion_tokens_details"), "reasoning_tokens"),
        .cached_tokens = tokens(json_find(usage, "prompt_tokens_details"), "cached_tokens"),
        .reported = true,
    };
}

static int parse(struct arena *a, struct str data, struct openai_chunk *out, struct json **root, struct err *err)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    int rc = json_parse(a, data, root, err);

    if (rc != -ERR_BAD_REQUEST)
        return rc;
    out->replaced = json_mend(data, &text);
    if (str_eq(buf_str(&text), data))
        return rc; /* there was nothing to mend: it is no JSON */
    out->mended = true;
    return json_parse(a, arena_str(a, buf_str(&text)), root, err);
}

int openai_chunk_parse(struct arena *a, struct str data, struct openai_chunk *out, struct err *err)
{
    struct openai_chunk chunk = {0};
    struct reader r = {.arena = a, .out = &chunk, .end = &chunk.pieces};
    struct json *root;
    int rc = parse(a, data, &chunk, &root, err);

    if (rc != 0)
        return rc;
    if (root->type != JSON_OBJECT)
        return err_set(err, ERR_BAD_REQUEST, "expected an object");
    if (provider_error_find(root, &chunk.error)) {
        chunk.is_error = true;
        chunk.error.message = chunk.mended ? json_unmend(chunk.error.message, a) : chunk.error.message;
    }
    read_choices(&r, json_find(root, "choices"));
    read_usage(&chunk, json_find(root, "usage"));
    *out = chunk;
    return 0;
}

void openai_template_done(struct openai_template *t)
{
    buf_done(&t->around);
    buf_done(&t->text);
}

void openai_template_learn(struct openai_template *t, struct str data, const struct openai_chunk *chunk)
{
    const struct openai_piece *p = chunk->pieces;
    size_t behind;

    if (p == NULL || p->next != NULL || p->raw.n < 2 || chunk->n_calls > 0 || chunk->finished || chunk->has_usage ||
        chunk->is_error)
        return; /* the one before may serve on */
    t->before = (size_t)(p->raw.p - data.p) + 1;
    behind = t->before + p->raw.n - 2;
    t->channel = p->channel;
    buf_clear(&t->around);
    buf_add(&t->around, data.p, t->before);
    buf_add(&t->around, data.p + behind, data.n - behind);
}

/* Whether no byte would end a JSON string; *escaped: a backslash is among them. */
static bool is_inside(struct str text, bool *escaped)
{
    *escaped = false;
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if (c < 0x20 || (c == '"' && !*escaped))
            return false;
        *escaped = *escaped || c == '\\';
    }
    return true;
}

/* The escapes that code and lists are full of; the rest is the parser's. False: also where the string ends before. */
static bool unescape(struct str text, struct buf *out)
{
    static const char values[128] = {['n'] = '\n', ['"'] = '"', ['\\'] = '\\', ['t'] = '\t', ['r'] = '\r', ['/'] = '/'};
    size_t run = 0;

    buf_clear(out);
    for (size_t i = 0; i < text.n; i++) {
        unsigned char next;

        if (text.p[i] == '"')
            return false;
        if (text.p[i] != '\\')
            continue;
        next = i + 1 < text.n ? (unsigned char)text.p[i + 1] : 0;
        if (next >= sizeof(values) || values[next] == 0)
            return false;
        buf_add(out, text.p + run, i - run);
        buf_add_char(out, values[next]);
        run = ++i + 1;
    }
    buf_add(out, text.p + run, text.n - run);
    return true;
}

bool openai_template_match(struct openai_template *t, struct str data, struct str *text)
{
    size_t behind = t->around.n - t->before;
    struct str middle;
    bool escaped;

    if (t->before == 0 || data.n <= t->around.n || memcmp(data.p, t->around.p, t->before) != 0 ||
        memcmp(data.p + data.n - behind, t->around.p + t->before, behind) != 0)
        return false;
    middle = (struct str){data.p + t->before, data.n - t->around.n};
    if (!is_inside(middle, &escaped) || (escaped && !unescape(middle, &t->text)))
        return false;
    *text = escaped ? buf_str(&t->text) : middle;
    return true;
}
