/* SPDX-License-Identifier: MIT */
#include "model/openai_request.h"

#include "base/json_write.h"
#include "base/str.h"

static void begin_message(struct json_writer *w, const char *role)
{
    json_begin_object(w);
    json_key_text(w, "role", role);
}

static void write_text(struct json_writer *w, const char *role, struct str text)
{
    begin_message(w, role);
    json_key_str(w, "content", text);
    json_end_object(w);
}

/* The result of a call stands before the next answer of the model. */
static const struct message *find_result(const struct model_request *q, size_t from, struct str call_id)
{
    for (size_t i = from; i < q->n_messages && q->messages[i].role != ROLE_ASSISTANT; i++)
        if (q->messages[i].role == ROLE_TOOL && str_eq(q->messages[i].call_id, call_id))
            return &q->messages[i];
    return NULL;
}

static void write_results(struct json_writer *w, const struct model_request *q, size_t at)
{
    const struct call *calls = q->messages[at].calls.items;

    for (size_t i = 0; i < q->messages[at].calls.count; i++) {
        const struct message *result = find_result(q, at + 1, calls[i].id);

        begin_message(w, "tool");
        json_key_str(w, "tool_call_id", calls[i].id);
        /* The machine ends every call; a provider would refuse the whole transcript over one that is open. */
        json_key_str(w, "content", result != NULL ? result->text : STR("no result was recorded"));
        json_end_object(w);
    }
}

static void write_calls(struct json_writer *w, const struct message *m)
{
    const struct call *calls = m->calls.items;

    json_key(w, "tool_calls");
    json_begin_array(w);
    for (size_t i = 0; i < m->calls.count; i++) {
        json_begin_object(w);
        json_key_str(w, "id", calls[i].id);
        json_key_text(w, "type", "function");
        json_key(w, "function");
        json_begin_object(w);
        json_key_str(w, "name", calls[i].name);
        json_key_str(w, "arguments", calls[i].args); /* a string to the provider, whether it is JSON or not */
        json_end_object(w);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_assistant(struct json_writer *w, const struct model_request *q, size_t at)
{
    const struct message *m = &q->messages[at];
    bool has_calls = m->calls.count > 0 && !m->interrupted; /* of an interrupted answer only the text was kept */

    if (!has_calls && m->text.n == 0)
        return; /* says nothing, and some servers refuse it */
    if (!has_calls) {
        write_text(w, "assistant", m->text);
        return;
    }
    begin_message(w, "assistant");
    json_key(w, "content");
    if (m->text.n > 0)
        json_put_str(w, m->text);
    else
        json_put_null(w);
    write_calls(w, m);
    json_end_object(w);
    write_results(w, q, at);
}

static void write_messages(struct json_writer *w, const struct model_request *q)
{
    json_begin_array(w);
    for (size_t i = 0; i < q->n_messages; i++) {
        const struct message *m = &q->messages[i];

        if (m->role == ROLE_SYSTEM)
            write_text(w, "system", m->text);
        else if (m->role == ROLE_USER)
            write_text(w, "user", m->text);
        else if (m->role == ROLE_ASSISTANT)
            write_assistant(w, q, i);
        /* results were written behind their calls */
    }
    json_end_array(w);
}

static void write_tools(struct json_writer *w, const struct model_request *q)
{
    json_begin_array(w);
    for (size_t i = 0; i < q->n_tools; i++) {
        json_begin_object(w);
        json_key_str(w, "type", STR("function"));
        json_key(w, "function");
        json_begin_object(w);
        json_key_text(w, "name", q->tools[i].name);
        json_key_text(w, "description", q->tools[i].description);
        json_key(w, "parameters");
        json_put_raw(w, str_of(q->tools[i].parameters));
        json_end_object(w);
        json_end_object(w);
    }
    json_end_array(w);
}

void openai_request_write(const struct model_request *q, bool official, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);

    json_begin_object(&w);
    json_key_str(&w, "model", q->model);
    json_key(&w, "messages");
    write_messages(&w, q);
    json_key_bool(&w, "stream", true);
    json_key(&w, "stream_options");
    json_begin_object(&w);
    json_key_bool(&w, "include_usage", true);
    if (official)
        json_key_bool(&w, "include_obfuscation", false);
    json_end_object(&w);
    if (q->n_tools > 0) {
        json_key(&w, "tools");
        write_tools(&w, q);
    }
    if (q->max_output_tokens > 0)
        json_key_i64(&w, official ? "max_completion_tokens" : "max_tokens", q->max_output_tokens);
    if (q->effort.n > 0)
        json_key_str(&w, "reasoning_effort", q->effort);
    json_end_object(&w);
}

/* The authority of "scheme://authority/path", and what follows it. */
static struct str split_url(const char *url, struct str *rest)
{
    struct str s = str_of(url), authority;
    ptrdiff_t slashes = str_find(s, STR("://"));

    authority = str_skip(s, slashes < 0 ? 0 : (size_t)slashes + 3);
    for (size_t i = 0; i < authority.n; i++) {
        if (authority.p[i] == '/') {
            *rest = str_skip(authority, i);
            return (struct str){authority.p, i};
        }
    }
    *rest = STR("");
    return authority;
}

bool openai_is_official(const char *base_url)
{
    struct str rest, host = split_url(base_url, &rest);

    return str_eq_nocase(host, STR("api.openai.com")) || str_eq_nocase(host, STR("api.openai.com:443"));
}

static void add_url(const char *base_url, struct str path_behind, struct buf *out)
{
    struct str url = str_of(base_url), path;

    while (url.n > 0 && url.p[url.n - 1] == '/')
        url.n--;
    split_url(base_url, &path);
    buf_add_str(out, url);
    if (path.n == 0 || str_trim(path).n == 1)
        buf_add_str(out, STR("/v1"));
    buf_add_str(out, path_behind);
}

void openai_url(const char *base_url, struct buf *out)
{
    add_url(base_url, STR("/chat/completions"), out);
}

void openai_models_url(const char *base_url, struct buf *out)
{
    add_url(base_url, STR("/models"), out);
}
