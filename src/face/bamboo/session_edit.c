/* SPDX-License-Identifier: MIT */
/* PATCH and DELETE of a session. */
#include "base/str.h"
#include "face/bamboo/bamboo.h"
#include "face/bamboo/session_reply.h"
#include "face/bamboo/turn.h"
#include "face/error_body.h"

static void send_stale(struct exchange *x, uint64_t metadata_version)
{
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    exchange_etag(x, metadata_version);
    error_body_begin(&w, STR("The session was changed meanwhile; read it again."), err_wire_name(ERR_PRECONDITION),
                     http_request_id(x->req));
    json_key_str(&w, "session_id", x->id);
    json_key_u64(&w, "current_version", metadata_version);
    json_end_object(&w);
    exchange_send(x, 412, &body);
}

/* ---- what may be changed ---- */

/* False: refused, and the exchange is answered. */
static bool check_preconditions(struct exchange *x, bool has_match)
{
    static const char *const guarded[] = {"permission_mode", "project_id", "workspace_path"};

    for (size_t i = 0; i < ARRAY_LEN(guarded) && !has_match; i++) {
        if (json_find(x->json, guarded[i]) != NULL) {
            exchange_fail(x, ERR_PRECONDITION_REQUIRED, "session: %s: send If-Match with the ETag of the session",
                          guarded[i]);
            return false;
        }
    }
    return true;
}

static bool check_fields(struct exchange *x, const struct patch_request *q)
{
    static const char other_mode[] = "other modes than \"default\" are not supported by this server";
    bool has_mode = request_has(x->json, "permission_mode");
    struct err err = {.code = ERR_OK};

    if (request_has(x->json, "thinking_mode"))
        exchange_fail_as(x, 400, "root_mode_operation_required", "session: thinking_mode: cannot be changed");
    else if (has_mode && request_has(x->json, "bypass_permissions"))
        exchange_fail(x, ERR_BAD_REQUEST, "session: permission_mode and bypass_permissions exclude each other");
    else if (q->unsupported.permission_mode > 1 || q->bypass_permissions)
        exchange_fail(x, ERR_BAD_REQUEST, "session: permission_mode: %s", other_mode);
    else if (request_has(x->json, "workspace_path"))
        exchange_fail(x, ERR_BAD_REQUEST, "session: workspace_path: can only be given when the session is made");
    else if (request_has(x->json, "title") && str_trim(q->title).n == 0)
        exchange_fail(x, ERR_BAD_REQUEST, "session: title: must not be blank");
    else if (request_refused(&q->unsupported, x->json, &err) < 0)
        exchange_fail_err(x, &err);
    else
        return true;
    return false;
}

static bool wants_model(const struct exchange *x)
{
    static const char *const names[] = {"model", "provider", "model_ref"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (request_has(x->json, names[i]))
            return true;
    return false;
}

/* ---- PATCH ---- */

static void on_updated(struct exchange *x, const struct reply *reply)
{
    if (exchange_failed_by(x, reply, x->id))
        return;
    if (reply->kind == REPLY_STALE)
        send_stale(x, reply->metadata_version);
    else if (reply->kind == REPLY_UPDATED)
        session_query(x);
    else
        exchange_fail(x, ERR_INTERNAL, "The session was not changed.");
}

void session_patch(struct exchange *x)
{
    const struct patch_request *q = x->in;
    struct str match = exchange_header(x, "If-Match");
    struct input *in = arena_zalloc(&x->arena, sizeof(*in));

    in->kind = INPUT_UPDATE;
    if (match.p != NULL && !etag_parse(match, &in->if_match)) {
        exchange_fail(x, ERR_BAD_REQUEST, "If-Match: expected one ETag of the session, as in \"7\"");
        return;
    }
    if (!check_preconditions(x, match.p != NULL) || !check_fields(x, q))
        return;
    if (wants_model(x) && !turn_model(x, &q->wish, in))
        return;
    in->session_id = x->id;
    in->set_title = request_has(x->json, "title");
    in->title = str_trim(q->title);
    in->set_pinned = request_has(x->json, "pinned");
    in->pinned = q->pinned;
    in->set_limits = request_has(x->json, "budget");
    in->session_limits = budget_wish_limits(&q->budget);
    if (q->wish.effort != 0 || q->clear_reasoning_effort) {
        in->set_effort = true;
        in->effort = str_of(effort_names[q->clear_reasoning_effort ? 0 : q->wish.effort]);
    }
    exchange_submit(x, x->id, in, on_updated);
}

/* ---- DELETE ---- */

static void on_deleted(struct exchange *x, const struct reply *reply)
{
    if (exchange_failed_by(x, reply, x->id))
        return;
    if (reply->kind == REPLY_DELETED)
        exchange_send_text(x, 200, STR("text/plain"), STR(""));
    else
        exchange_fail(x, ERR_INTERNAL, "The session was not deleted.");
}

void session_delete(struct exchange *x)
{
    struct input in = {.kind = INPUT_DELETE, .session_id = x->id};

    exchange_submit(x, x->id, &in, on_deleted);
}
