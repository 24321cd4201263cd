/* SPDX-License-Identifier: MIT */
/* Changes of the transcript: a message edited or deleted, the end cut off. The log keeps what was there before. */
#include "base/str.h"
#include "face/bamboo/bamboo.h"
#include "face/bamboo/change.h"
#include "face/bamboo/transcript.h"
#include "face/bamboo/turn.h"

/* ---- what is left ---- */

/* Something that the model has not answered. */
static bool waits_for_model(const struct message *m)
{
    return m->role == ROLE_USER || m->role == ROLE_TOOL;
}

/* Thoughts of an answer that was cut before its first word: no model is shown them. */
static bool says_nothing(const struct message *m)
{
    return m->role == ROLE_ASSISTANT && m->interrupted && m->bytes == 0;
}

/* Whether a run has something to do with what is left without messages `first` up to, not including, `end`. */
static bool leaves_work(const struct answer *a, size_t first, size_t end)
{
    for (size_t i = a->n; i > 0; i--)
        if ((i <= first || i > end) && !says_nothing(&a->messages[i - 1]))
            return waits_for_model(&a->messages[i - 1]);
    return false;
}

/* Messages `first` up to, not including, `end` go away; the ones behind them keep their places. */
static void remove_messages(struct exchange *x, const struct answer *a, size_t first, size_t end, enum removal how)
{
    struct input in = {.kind = INPUT_REMOVE};
    struct change *c = &in.change;
    const struct message *last = NULL;

    c->how = how;
    c->removed = (uint32_t)(end - first);
    c->place = first < a->n ? a->messages[first].place : first > 0 ? a->messages[first - 1].place + 1 : 0;
    c->upto = end > first ? a->messages[end - 1].place + 1 : c->place;
    for (size_t i = first; i < end; i++)
        c->bytes += a->messages[i].bytes;
    if (end < a->n)
        last = &a->messages[a->n - 1];
    else if (first > 0)
        last = &a->messages[first - 1];
    c->last = last == NULL ? STR_NULL : last->id;
    c->pending = leaves_work(a, first, end);
    change_submit(x, a, &in);
}

/* All of the transcript, without its texts. */
static void look_at_all(struct exchange *x, answer_fn *decide, change_fn *done)
{
    struct query q = {
        .kind = QUERY_MESSAGES, .session_id = x->id, .limit = UINT32_MAX, .without_runs = true, .without_texts = true};

    change_begin(x, &q, decide, done);
}

/* What was changed is one message of the path, or the transcript; an edit removes nothing, and does not speak of it. */
static void send_changed(struct exchange *x, uint32_t removed, uint32_t left)
{
    bool is_one = x->part_id.n > 0;
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    json_begin_object(&w);
    json_key_bool(&w, "success", true);
    json_key_str(&w, "session_id", x->id);
    if (is_one)
        json_key_str(&w, "message_id", x->part_id);
    if (!is_one || removed > 0)
        json_key_u64(&w, "messages_removed", removed);
    json_key_u64(&w, "message_count", left);
    json_end_object(&w);
    exchange_send(x, 200, &body);
}

/* ---- one message ---- */

/* False: there is no such message, or it is none that people may change; answered. */
static bool check_role(struct exchange *x, const struct message *m)
{
    if (m == NULL)
        change_no_message(x, x->part_id);
    else if (m->role == ROLE_SYSTEM)
        change_refuse(x, ERR_BAD_REQUEST, "The system message belongs to the session and stays as it is.");
    else if (m->role == ROLE_TOOL)
        change_refuse(
            x, ERR_BAD_REQUEST,
            "The result of a tool belongs to the message that called it: it cannot be changed, and is deleted "
            "with that message.");
    else
        return true;
    return false;
}

static void edit(struct exchange *x, const struct answer *a)
{
    const struct message_request *q = x->in;
    const struct message *m = a->n > 0 ? &a->messages[0] : NULL;
    struct input in = {.kind = INPUT_EDIT};
    struct old_message changed;

    if (!check_role(x, m))
        return;
    if (str_trim(q->content).n == 0 && m->calls.count == 0) {
        change_refuse(x, ERR_BAD_REQUEST, "message: content: must not be empty; DELETE removes a message");
        return;
    }
    /* Reasoning, and that it was cut, said something about the text that goes. */
    changed = (struct old_message){
        .id = m->id, .text = q->content, .calls = m->calls, .role = m->role, .place = m->place, .written_at = m->at};
    in.messages = (struct record_list){.items = &changed, .count = 1};
    in.change.bytes = (int64_t)q->content.n - (int64_t)m->text.n;
    change_submit(x, a, &in);
}

void message_patch(struct exchange *x)
{
    struct query q = {.kind = QUERY_MESSAGES,
                      .session_id = x->id,
                      .after_message = x->part_id,
                      .exactly = true,
                      .without_runs = true};

    change_begin(x, &q, edit, send_changed);
}

static void delete_message(struct exchange *x, const struct answer *a)
{
    size_t i = message_find(a->messages, a->n, x->part_id);

    if (check_role(x, i == SIZE_MAX ? NULL : &a->messages[i]))
        remove_messages(x, a, i,
                        a->messages[i].role == ROLE_ASSISTANT ? message_group_end(a->messages, a->n, i) : i + 1,
                        REMOVAL_DELETE);
}

void message_delete(struct exchange *x)
{
    look_at_all(x, delete_message, send_changed);
}

/* ---- the end of the transcript ---- */

/*
 * What follows the last message of a person goes away; to try the same again, only what follows the last thing that
 * the model was asked with, which may be results. Both leave something to do for the next run.
 */
static void truncate(struct exchange *x, const struct answer *a)
{
    const struct truncate_request *q = x->in;
    bool retry = q->mode == TRUNCATE_ERROR_RETRY;
    size_t keep = a->n;

    while (keep > 0 && !(retry ? waits_for_model(&a->messages[keep - 1]) : a->messages[keep - 1].role == ROLE_USER))
        keep--;
    if (keep == 0)
        change_refuse(x, ERR_BAD_REQUEST, "No message of a person is in this session.");
    else
        remove_messages(x, a, keep, a->n, retry ? REMOVAL_ERROR_RETRY : REMOVAL_AFTER_LAST_USER);
}

void messages_truncate_post(struct exchange *x)
{
    const struct truncate_request *q = x->in;

    if (q->mode == TRUNCATE_NOT_SAID)
        exchange_fail(x, ERR_BAD_REQUEST, "truncation: mode: expected \"after_last_user\" or \"error_retry\"");
    else
        look_at_all(x, truncate, send_changed);
}

static void send_restored(struct exchange *x, uint32_t removed, uint32_t left)
{
    const struct restore_request *q = x->in;
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    json_begin_object(&w);
    json_key_bool(&w, "success", true);
    json_key_str(&w, "session_id", x->id);
    json_key_str(&w, "target_message_id", q->target_message_id);
    json_key_bool(&w, "restore_files", false);
    json_key_u64(&w, "messages_removed", removed);
    json_key_u64(&w, "message_count", left);
    json_key_u64(&w, "restored_files", 0);
    json_key_u64(&w, "deleted_files", 0);
    json_key(&w, "file_errors");
    json_begin_array(&w);
    json_end_array(&w);
    json_end_object(&w);
    exchange_send(x, 200, &body);
}

static void restore(struct exchange *x, const struct answer *a)
{
    const struct restore_request *q = x->in;
    size_t i = message_find(a->messages, a->n, q->target_message_id);

    if (i == SIZE_MAX)
        change_no_message(x, q->target_message_id);
    else
        remove_messages(x, a, message_group_end(a->messages, a->n, i), a->n, REMOVAL_RESTORE);
}

void restore_post(struct exchange *x)
{
    struct restore_request *q = x->in;

    if (!turn_id(x, "restoration", "target_message_id", &q->target_message_id))
        return;
    if (q->target_message_id.n == 0)
        exchange_fail(x, ERR_BAD_REQUEST, "restoration: target_message_id: must not be blank");
    else if (q->restore_files)
        exchange_fail(x, ERR_BAD_REQUEST,
                      "restoration: restore_files: not supported by this server, which keeps no copies of files; send "
                      "false to restore the messages alone");
    else
        look_at_all(x, restore, send_restored);
}

/* ---- all of it ---- */

static void clear(struct exchange *x, const struct answer *a)
{
    bool has_system = a->n > 0 && a->messages[0].role == ROLE_SYSTEM;

    remove_messages(x, a, has_system ? 1 : 0, a->n, REMOVAL_CLEAR);
}

void clear_post(struct exchange *x)
{
    look_at_all(x, clear, send_changed);
}
