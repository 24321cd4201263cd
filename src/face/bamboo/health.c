/* SPDX-License-Identifier: MIT */
/* What needs no session: is the server there, is it ready, what is it. */
#include "base/str.h"
#include "face/bamboo/bamboo.h"

void health_get(struct exchange *x)
{
    exchange_send_text(x, 200, STR("text/plain; charset=utf-8"), STR("OK"));
}

static void send_ok(struct exchange *x)
{
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    json_begin_object(&w);
    json_key_str(&w, "status", STR("ok"));
    json_key_text(&w, "version", x->face->o.version);
    json_end_object(&w);
    exchange_send(x, 200, &body);
}

void healthz_get(struct exchange *x)
{
    send_ok(x);
}

void readyz_get(struct exchange *x)
{
    const struct face_options *o = &x->face->o;
    struct err err = {.code = ERR_UNAVAILABLE, .text = "The server is not ready."};

    if (o->ready == NULL || o->ready(o->arg, &err)) {
        send_ok(x);
        return;
    }
    err.code = ERR_UNAVAILABLE; /* whatever is in the way */
    exchange_fail_err(x, &err);
}

static void write_auth(const struct exchange *x, struct json_writer *w)
{
    static const char *const states[] = {
        [DOOR_NONE] = "unauthenticated", [DOOR_BYPASS] = "local_bypass", [DOOR_TOKEN] = "authenticated"};

    json_key(w, "auth");
    json_begin_object(w);
    json_key_str(w, "policy", x->face->o.open_loopback ? STR("open") : STR("credential_required"));
    json_key_text(w, "request_state", states[x->credential]);
    json_key_bool(w, "password_enabled", false);
    json_key_bool(w, "device_auth_enabled", false);
    json_end_object(w);
}

void bootstrap_get(struct exchange *x)
{
    static const char *const capabilities[] = {
        "culm.auth.bearer_token.v1", "culm.events.cursor.v1", "culm.facts.pages.v1",
        "culm.chat.execute.v1",      "culm.runs.v1",          "culm.requests.keys.v1"};
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    json_begin_object(&w);
    json_key_i64(&w, "schema_version", 1);
    json_key(&w, "server");
    json_begin_object(&w);
    json_key_str(&w, "product", STR("culm"));
    json_key_text(&w, "version", x->face->o.version);
    json_end_object(&w);
    json_key(&w, "api");
    json_begin_object(&w);
    json_key_str(&w, "name", STR("bamboo.agent"));
    json_key_str(&w, "canonical_base_path", STR("/api/v1"));
    json_key_i64(&w, "min_version", 1);
    json_key_i64(&w, "max_version", 1);
    json_end_object(&w);
    json_key(&w, "capabilities");
    json_begin_array(&w);
    for (size_t i = 0; i < ARRAY_LEN(capabilities); i++)
        json_put_str(&w, str_of(capabilities[i]));
    json_end_array(&w);
    write_auth(x, &w);
    json_end_object(&w);
    http_reply_header(x->req, "Vary", "Cookie, Authorization, X-Device-Id");
    exchange_send(x, 200, &body);
}
