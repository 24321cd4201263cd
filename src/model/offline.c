/* SPDX-License-Identifier: MIT */
/*
 * The built-in model: no network, no key, deterministic. It plays a script (offline_script.h) for
 * tests and demonstrations, or tells a person who has no provider yet what to do.
 */
#include "base/clock.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/utf8.h"
#include "model/offline_script.h"
#include "model/provider_error.h"
#include "model/stream.h"

#define LATE_MS 1000   /* more than that is not made up for */
#define TURN_DELTAS 64 /* without a delay, so many in one turn of the loop */
#define QUOTE_BYTES 80 /* of the prompt in the plain answer */
#define BYTES_PER_TOKEN 4

struct offline {
    struct arena arena; /* the line and its text */
    bool has_arena, answered;
    struct offline_line line;
    struct offline_pieces reason, say;
    uint64_t id_key; /* of the ids of its calls */
    uint32_t call_index;
    int64_t due; /* mono; when the next piece is */
    size_t prompt_bytes, said_bytes, reason_bytes;
};

static size_t bytes_of(const struct model_request *q)
{
    size_t n = 0;

    for (size_t i = 0; i < q->n_messages; i++)
        n += q->messages[i].text.n;
    return n;
}

/* The head of the newest thing a person said. */
static struct str prompt_head(const struct model_request *q)
{
    struct str text = STR(""), line = STR("");

    for (size_t i = q->n_messages; i > 0 && text.n == 0; i--)
        if (q->messages[i - 1].role == ROLE_USER)
            text = str_trim(q->messages[i - 1].text);
    if (!str_next(&text, '\n', &line))
        return STR("");
    line.n = utf8_floor(line, QUOTE_BYTES);
    return str_trim(line);
}

static void plan_plain_answer(struct offline *o, const struct model_request *q)
{
    struct str head = prompt_head(q);

    o->line.say = arena_strf(
        &o->arena,
        "I am the offline model that is built into culm, an agent server. I cannot think; I am here so that everything "
        "else can be tried before a real model is set up.\n\n"
        "With a real model culm would now send it this conversation%s" STR_FMT "%s, run the tools it asks for, ask you "
        "where it needs your word, and keep every step, so that nothing is lost when the machine goes down.\n\n"
        "To set one up, put its key into the environment of the server and start it again:\n"
        "    OPENAI_API_KEY=KEY\n"
        "Any server that speaks OpenAI's chat completions will do, also one of your own:\n"
        "    OPENAI_BASE_URL=http://localhost:11434 CULM_MODEL=NAME\n"
        "Or describe the provider in the configuration file.\n",
        head.n > 0 ? " (\"" : "", STR_ARG(head), head.n > 0 ? "\")" : "");
}

/* The same transcript gives the same ids, another one gives others. */
static uint64_t key_of(const struct model_request *q)
{
    uint64_t key = q->n_messages;

    for (size_t i = 0; i < q->n_messages; i++)
        key = str_hash(q->messages[i].id, key);
    return key;
}

/* From when the last one was due, not from when the loop came to it: else a busy server would slow the model. */
static void wake_when_due(struct model_stream *s, struct offline *o)
{
    int64_t now = clock_mono_ms();

    o->due += o->line.delay_ms;
    if (o->due < now - LATE_MS)
        o->due = now;
    stream_wake(s, o->due > now ? o->due - now : 0);
}

/* Whether a first delta (or the end) may come, or nothing ever will. */
static void begin(struct model_stream *s)
{
    struct offline *o = stream_state(s);

    o->due = clock_mono_ms();
    if (o->line.hang != HANG_HEADERS)
        wake_when_due(s, o);
}

static void offline_start(struct model_stream *s, const struct model_request *q)
{
    struct offline *o = stream_state(s);
    struct str line;
    size_t number;
    struct err err;

    arena_init(&o->arena);
    o->has_arena = true;
    o->call_index = q->call_index;
    o->prompt_bytes = bytes_of(q);
    o->id_key = key_of(q);
    if (!offline_script_find(q->messages, q->n_messages, q->call_index, &line, &number)) {
        plan_plain_answer(o, q);
    } else if (offline_script_read(arena_str(&o->arena, line), number, &o->arena, &o->line, &err) != 0) {
        stream_fail(s, FAILURE_REQUEST, 0, "%s (docs/offline-model.md lists the fields)", err.text);
        return;
    }
    offline_pieces_init(&o->reason, o->line.reason, 0);
    offline_pieces_init(&o->say, o->line.say, o->line.tokens);
    begin(s);
}

/* False: the stream is over. */
static bool call_tool(struct model_stream *s, const struct offline_tool *tool, uint32_t number)
{
    const struct offline *o = stream_state(s);
    char id[ID_TEXT];

    if (tool->name.n == 0)
        return true;
    id_derive(o->id_key, "offline", o->call_index, number, 0, id);
    return stream_call(s, &(struct call_fragment){
                              .has_index = true,
                              .index = number,
                              .id = str_of(id),
                              .name = tool->name,
                              .args = tool->args,
                          });
}

static bool call_tools(struct model_stream *s)
{
    const struct offline *o = stream_state(s);
    const struct offline_tool *tools = o->line.tools.items;

    if (!call_tool(s, &o->line.tool, 0))
        return false;
    for (uint32_t i = 0; i < o->line.tools.count; i++)
        if (!call_tool(s, &tools[i], i + 1))
            return false;
    return true;
}

static void count(struct model_stream *s)
{
    const struct offline *o = stream_state(s);
    struct usage usage = o->line.usage;

    if (usage.prompt_tokens == 0)
        usage.prompt_tokens = (int64_t)(o->prompt_bytes / BYTES_PER_TOKEN);
    if (usage.completion_tokens == 0)
        usage.completion_tokens = (int64_t)((o->said_bytes + o->reason_bytes) / BYTES_PER_TOKEN);
    if (usage.reasoning_tokens == 0)
        usage.reasoning_tokens = (int64_t)(o->reason_bytes / BYTES_PER_TOKEN);
    stream_usage(s, &usage);
}

static void end(struct model_stream *s)
{
    const struct offline *o = stream_state(s);
    struct provider_error e = {.status = (int)o->line.error.status};

    if (e.status != 0) {
        stream_fail(s, provider_error_failure(&e), o->line.error.retry_after * 1000, "HTTP %d by its script (%s)",
                    e.status, provider_error_remedy(&e));
    } else if (o->line.hang == HANG_CHUNK) {
        return; /* the idle timer or a cancel ends it */
    } else if (o->line.cut) {
        stream_fail(s, FAILURE_CUT, 0, "the answer was cut by its script");
    } else if (call_tools(s)) {
        count(s);
        stream_done(s);
    }
}

/* Signs of life and nothing else, as keep-alive comments are. */
static bool hangs_before_content(struct model_stream *s)
{
    const struct offline *o = stream_state(s);
    int64_t third = stream_timers(s)->idle_ms / 3;

    if (o->line.hang == HANG_CONTENT)
        stream_wake(s, third > 0 ? third : 1);
    return o->line.hang == HANG_CONTENT;
}

static void offline_wake(struct model_stream *s)
{
    struct offline *o = stream_state(s);
    int most = o->line.delay_ms > 0 ? 1 : TURN_DELTAS;
    struct str piece;

    stream_activity(s);
    if (hangs_before_content(s))
        return;
    for (int i = 0; i < most; i++) {
        enum delta_channel channel = DELTA_REASONING;

        if (!offline_pieces_next(&o->reason, &piece)) {
            channel = DELTA_TEXT;
            if (!offline_pieces_next(&o->say, &piece)) {
                end(s);
                return;
            }
        }
        *(channel == DELTA_TEXT ? &o->said_bytes : &o->reason_bytes) += piece.n;
        if (!stream_delta(s, channel, piece))
            return;
    }
    wake_when_due(s, o);
}

static void offline_stop(struct model_stream *s UNUSED)
{
}

static void offline_release(struct model_stream *s)
{
    struct offline *o = stream_state(s);

    if (o->has_arena)
        arena_done(&o->arena);
}

static const char *const offline_models[] = {"offline", NULL};

const struct model_driver offline_driver = {
    .name = "offline",
    .models = offline_models,
    .state_size = sizeof(struct offline),
    .start = offline_start,
    .wake = offline_wake,
    .stop = offline_stop,
    .release = offline_release,
};
