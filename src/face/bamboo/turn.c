/* SPDX-License-Identifier: MIT */
#include "face/bamboo/turn.h"

#include "base/str.h"
#include "face/error_body.h"

#include <sodium.h>

bool turn_model(struct exchange *x, const struct model_wish *wish, struct input *in)
{
    struct model_choice choice = {.given = false};
    struct err err = {.code = ERR_OK};
    const struct face_options *o = &x->face->o;

    if (model_wish_read(wish, x->json, &x->arena, &choice, &err) < 0) {
        exchange_fail_err(x, &err);
        return false;
    }
    if (o->resolve_model(o->arg, choice.provider, choice.ref, &in->provider, &in->model, &err) < 0 && choice.given &&
        !exchange_refuse(x, err_http_status(err.code), err_wire_name(err.code), err.text))
        return false;
    in->effort = choice.effort.n > 0 ? choice.effort : arena_str(&x->arena, str_of(x->face->effort));
    in->set_model = choice.given;
    in->set_effort = choice.effort.n > 0;
    return true;
}

bool turn_session(struct exchange *x, const struct unsupported *u, struct str workspace, struct str system_prompt,
                  struct str enhance_prompt, struct input *in)
{
    struct err err = {.code = ERR_OK};

    if (request_refused(u, x->json, &err) < 0) {
        exchange_fail_err(x, &err);
        return false;
    }
    if (workspace.n > 0 && workspace_check(workspace, &x->arena, &err) < 0 &&
        !exchange_refuse(x, err_http_status(err.code), "workspace_invalid", err.text))
        return false;
    in->workspace = workspace;
    in->nonce = id_random_u64();
    in->system = str_trim(system_prompt).n > 0 ? system_prompt : str_of(x->face->o.default_system_prompt);
    if (str_trim(enhance_prompt).n > 0) {
        struct str gap = in->system.n > 0 ? STR("\n\n") : STR("");
        size_t n = in->system.n + gap.n + enhance_prompt.n;
        char *both = arena_alloc(&x->arena, n);

        if (in->system.n > 0)
            memcpy(both, in->system.p, in->system.n);
        memcpy(both + in->system.n, gap.p, gap.n);
        memcpy(both + in->system.n + gap.n, enhance_prompt.p, enhance_prompt.n);
        in->system = (struct str){both, n};
    }
    return true;
}

struct str turn_session_id(struct exchange *x, struct str of_session)
{
    struct str key = x->key;
    char id[ID_TEXT];

    if (key.n == 0) {
        id_random(id);
    } else {
        struct {
            uint64_t key;
            uint32_t a, b, c;
        } h;
        uint8_t raw[sizeof(h)];
        crypto_generichash_state all;

        crypto_generichash_init(&all, NULL, 0, sizeof(raw));
        crypto_generichash_update(&all, (const uint8_t *)key.p, key.n);
        if (of_session.n > 0) {
            crypto_generichash_update(&all, (const uint8_t *)"\n", 1); /* no key has it */
            crypto_generichash_update(&all, (const uint8_t *)of_session.p, of_session.n);
        }
        crypto_generichash_final(&all, raw, sizeof(raw));
        memcpy(&h, raw, sizeof(h));
        id_derive(h.key, "session", h.a, h.b, h.c, id);
    }
    return arena_str(&x->arena, str_of(id));
}

bool turn_id(struct exchange *x, const char *what, const char *name, struct str *id)
{
    *id = str_trim(*id);
    if (id->n == 0 || id_is_valid(*id))
        return true;
    exchange_fail(x, ERR_BAD_REQUEST, "%s: %s: 1 to %d characters of A-Za-z0-9._:- and neither \".\" nor \"..\"", what,
                  name, ID_MAX);
    return false;
}

void turn_say_taken(struct exchange *x, const char *where, struct str session_id, struct str message_id)
{
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);
    struct str text = arena_strf(&x->arena,
                                 "%s: a message of this session has this id already, and nothing was done. Where this "
                                 "request was sent before, it has arrived; else choose another id, or leave it out.",
                                 where);

    error_body_begin(&w, text, err_wire_name(ERR_CONFLICT), exchange_request_name(x));
    json_key_str(&w, "session_id", session_id);
    json_key_str(&w, "message_id", message_id);
    json_end_object(&w);
    exchange_send(x, 409, &body);
}

struct str turn_events_url(struct exchange *x, struct str session_id)
{
    return arena_strf(&x->arena, "/api/v1/events/" STR_FMT, STR_ARG(session_id));
}

static int64_t smaller(int64_t asked, int64_t allowed)
{
    if (asked == 0 || allowed == 0)
        return asked == 0 ? allowed : asked;
    return asked < allowed ? asked : allowed;
}

struct run_limits turn_limits(const struct exchange *x, const struct budget_wish *wish)
{
    const struct run_limits *asked = &wish->limits, *allowed = &x->face->o.limits;

    return (struct run_limits){
        .max_tokens = smaller(asked->max_tokens, allowed->max_tokens),
        .max_cost = smaller(asked->max_cost, allowed->max_cost),
        .max_ms = smaller(asked->max_ms, allowed->max_ms),
        .max_rounds = (uint32_t)smaller(asked->max_rounds, allowed->max_rounds),
        .max_calls = (uint32_t)smaller(asked->max_calls, allowed->max_calls),
        .max_children = asked->max_children,
        .unpriced = wish->unpriced != 0,
    };
}

void turn_write_sync(struct json_writer *w, const struct reply *reply, bool is_running)
{
    json_key(w, "sync");
    json_begin_object(w);
    json_key_bool(w, "need_sync", reply->sync_reason != NULL);
    if (reply->sync_reason != NULL)
        json_key_text(w, "reason", reply->sync_reason);
    json_key_u64(w, "server_message_count", reply->message_count);
    if (reply->last_message_id[0] != '\0')
        json_key_text(w, "server_last_message_id", reply->last_message_id);
    json_key_bool(w, "has_pending_question", reply->has_question);
    if (reply->has_question)
        json_key_text(w, "pending_question_tool_call_id", reply->pending_call_id);
    json_key_bool(w, "has_pending_user_message", reply->has_pending_message && !is_running);
    json_end_object(w);
}
