/* SPDX-License-Identifier: MIT */
#include "session/input.h"

#include "base/str.h"

#define INPUT_VERSION 2

static const struct {
    const char *name;
    bool personal;
} kinds[INPUT_KIND_COUNT] = {
#define X(kind, text, person) [INPUT_##kind] = {text, person},
    INPUT_KINDS(X)
#undef X
};

static const char *const kind_names[] = {
#define X(kind, text, person) text,
    INPUT_KINDS(X)
#undef X
        NULL};

const char *const busy_names[] = {
#define X(name, wire) wire,
    BUSY_CHOICES(X)
#undef X
        NULL};

static const struct record_field client_sync_fields[] = {
    {.name = "client_message_count",
     .type = RECORD_I64,
     .flags = RECORD_REQUIRED | RECORD_ALWAYS,
     .offset = offsetof(struct client_sync, message_count),
     .max = INT32_MAX},
    {.name = "client_last_message_id",
     .type = RECORD_STR,
     .flags = RECORD_NULLABLE,
     .offset = offsetof(struct client_sync, last_message_id)},
    {.name = "client_has_pending_question",
     .type = RECORD_BOOL,
     .flags = RECORD_NULLABLE,
     .offset = offsetof(struct client_sync, has_pending_question)},
    {.name = "client_pending_question_tool_call_id",
     .type = RECORD_STR,
     .flags = RECORD_NULLABLE,
     .offset = offsetof(struct client_sync, pending_tool_call_id)},
};
const struct record client_sync_record = {"client_sync", sizeof(struct client_sync), client_sync_fields,
                                          ARRAY_LEN(client_sync_fields)};

#define IN(owner, kind, member) {.name = #member, .type = RECORD_##kind, .offset = offsetof(struct owner, member)}
static const struct record_field old_message_fields[] = {
    IN(old_message, STR, id),
    IN(old_message, STR, text),
    IN(old_message, STR, reasoning),
    IN(old_message, STR, call_id),
    IN(old_message, STR, tool),
    {.name = "calls", .type = RECORD_LIST, .offset = offsetof(struct old_message, calls), .of = &call_record},
    {.name = "role", .type = RECORD_ENUM, .offset = offsetof(struct old_message, role), .names = role_names},
    {.name = "outcome",
     .type = RECORD_ENUM,
     .offset = offsetof(struct old_message, outcome),
     .names = call_outcome_names},
    IN(old_message, U32, place),
    IN(old_message, I64, written_at),
    IN(old_message, BOOL, interrupted),
};
static const struct record old_message_record = {"message", sizeof(struct old_message), old_message_fields,
                                                 ARRAY_LEN(old_message_fields)};

static const struct record_field change_fields[] = {
    IN(change, U64, seen),
    IN(change, U32, place),
    IN(change, U32, upto),
    IN(change, U32, removed),
    IN(change, I64, bytes),
    IN(change, STR, last),
    IN(change, BOOL, pending),
    {.name = "how", .type = RECORD_ENUM, .offset = offsetof(struct change, how), .names = removal_names},
    IN(change, U64, of_seq),
    IN(change, U64, last_seq),
    IN(change, BOOL, later),
    IN(change, U32, left),
};
static const struct record change_record = {"change", sizeof(struct change), change_fields, ARRAY_LEN(change_fields)};

#define AT(member) .offset = offsetof(struct input, member)
#define TEXT(member) {.name = #member, .type = RECORD_STR, AT(member)}
#define FLAG(member) {.name = #member, .type = RECORD_BOOL, AT(member)}

/* Numbers that use all 64 bits travel as signed ones: JSON readers keep int64 only. */
static const struct record_field input_fields[] = {
    {.name = "kind", .type = RECORD_ENUM, .flags = RECORD_REQUIRED | RECORD_ALWAYS, AT(kind), .names = kind_names},
    {.name = "node", .type = RECORD_I64, AT(from.node)},
    {.name = "token", .type = RECORD_I64, AT(from.token)},
    TEXT(key),
    TEXT(fingerprint),
    FLAG(recall),
    TEXT(request),
    {.name = "run", .type = RECORD_U32, AT(run)},
    TEXT(run_id),
    TEXT(by),
    TEXT(session_id),
    {.name = "nonce", .type = RECORD_I64, AT(nonce)},
    TEXT(title),
    TEXT(system),
    TEXT(provider),
    TEXT(model),
    TEXT(effort),
    TEXT(workspace),
    TEXT(parent),
    TEXT(root),
    {.name = "depth", .type = RECORD_U32, AT(depth)},
    FLAG(set_title),
    FLAG(set_pinned),
    FLAG(set_model),
    FLAG(set_effort),
    FLAG(set_limits),
    {.name = "session_limits", .type = RECORD_OBJECT, AT(session_limits), .of = &run_limits_record},
    FLAG(pinned),
    {.name = "if_match", .type = RECORD_I64, AT(if_match)},
    TEXT(message_id),
    TEXT(text),
    FLAG(execute),
    {.name = "has_sync", .type = RECORD_BOOL, AT(sync.present)},
    {.name = "sync", .type = RECORD_OBJECT, AT(sync), .of = &client_sync_record},
    {.name = "limits", .type = RECORD_OBJECT, AT(limits), .of = &run_limits_record},
    {.name = "origin", .type = RECORD_ENUM, AT(origin), .names = run_origin_names},
    {.name = "busy", .type = RECORD_ENUM, AT(busy), .names = busy_names},
    FLAG(unattended),
    {.name = "call", .type = RECORD_U32, AT(call)},
    {.name = "wait_ms", .type = RECORD_I64, AT(wait_ms)},
    TEXT(call_id),
    TEXT(question_id),
    FLAG(dismiss),
    FLAG(later),
    FLAG(is_taken),
    FLAG(stopped_below),
    {.name = "change", .type = RECORD_OBJECT, AT(change), .of = &change_record},
    {.name = "messages", .type = RECORD_LIST, AT(messages), .of = &old_message_record},
    TEXT(source),
    {.name = "of_seq", .type = RECORD_U64, AT(of_seq)},
    FLAG(charged),
};
static const struct record input_record = {"input", sizeof(struct input), input_fields, ARRAY_LEN(input_fields)};

const char *input_kind_name(enum input_kind kind)
{
    return kinds[kind].name;
}

bool input_is_personal(enum input_kind kind)
{
    return kinds[kind].personal;
}

void input_write(const struct input *in, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);

    assert(input_is_personal(in->kind));
    json_begin_object(&w);
    json_key_i64(&w, "v", INPUT_VERSION);
    record_write(&input_record, in, &w);
    json_end_object(&w);
}

int input_read(struct str bytes, struct arena *a, struct input *out, struct err *err)
{
    struct input in = {0};
    struct json *node;
    int rc = json_parse_own(a, bytes, &node, err);

    if (rc < 0)
        return rc;
    if (json_number(json_find(node, "v"), 0) != INPUT_VERSION)
        return err_set(err, ERR_VERSION, "input: version is not %d", INPUT_VERSION);
    rc = record_read(&input_record, node, a, &in, err);
    if (rc < 0)
        return rc;
    if (!input_is_personal(in.kind))
        return err_set(err, ERR_BAD_REQUEST, "input: kind %s does not travel", input_kind_name(in.kind));
    *out = in;
    return 0;
}
