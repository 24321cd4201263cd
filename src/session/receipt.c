/* SPDX-License-Identifier: MIT */
#include "session/receipt.h"

#include "base/str.h"

enum receipt_use receipt_judge(const struct receipt *r, struct str fingerprint, int64_t now)
{
    if (now - r->at >= LIMIT_RECEIPT_MS)
        return RECEIPT_EXPIRED;
    return str_eq(r->fingerprint, fingerprint) ? RECEIPT_REPLAY : RECEIPT_OTHER;
}

bool reply_is_kept(const struct reply *r)
{
    switch (r->kind) {
    case REPLY_EXISTS:   /* says what is there now, which changes */
    case REPLY_NO_MODEL: /* says what is configured now */
    case REPLY_KEY_REUSED:
    case REPLY_KEY_EXPIRED:
    case REPLY_NO_RECEIPT:
    case REPLY_FULL:
    case REPLY_MOVED: /* whoever asked looks again, and asks anew */
    case REPLY_UNAVAILABLE:
        return false;
    default:
        return true;
    }
}

/* ---- the stored form ---- */

static const char *const kind_names[] = {
#define X(kind) #kind,
    REPLIES(X)
#undef X
        NULL};

/* struct reply with texts as the reader of records knows them. */
struct stored {
    int kind;
    struct str request, run_id, message_id, sync_reason, last_message_id, pending_call_id, question_id, error;
    uint64_t seq, metadata_version;
    uint32_t message_count, removed, left;
    bool started, already_running, queued, has_pending_message, has_question;
};

#define FIELD(as, member) {.name = #member, .type = RECORD_##as, .offset = offsetof(struct stored, member)}
static const struct record_field fields[] = {
    {.name = "kind",
     .type = RECORD_ENUM,
     .flags = RECORD_REQUIRED | RECORD_ALWAYS,
     .offset = offsetof(struct stored, kind),
     .names = kind_names},
    {.name = "request", .type = RECORD_STR, .offset = offsetof(struct stored, request)},
    {.name = "run_id", .type = RECORD_STR, .offset = offsetof(struct stored, run_id), .max = ID_TEXT - 1},
    {.name = "message_id", .type = RECORD_STR, .offset = offsetof(struct stored, message_id), .max = ID_MAX},
    FIELD(U64, seq),
    FIELD(BOOL, started),
    FIELD(BOOL, already_running),
    FIELD(BOOL, queued),
    FIELD(U32, removed),
    FIELD(U32, left),
    FIELD(STR, sync_reason),
    FIELD(U32, message_count),
    {.name = "last_message_id", .type = RECORD_STR, .offset = offsetof(struct stored, last_message_id), .max = ID_MAX},
    FIELD(BOOL, has_pending_message),
    FIELD(BOOL, has_question),
    {.name = "pending_call_id", .type = RECORD_STR, .offset = offsetof(struct stored, pending_call_id), .max = ID_MAX},
    {.name = "question_id", .type = RECORD_STR, .offset = offsetof(struct stored, question_id), .max = ID_TEXT - 1},
    FIELD(U64, metadata_version),
    FIELD(STR, error),
};
static const struct record record = {"receipt", sizeof(struct stored), fields, ARRAY_LEN(fields)};

_Static_assert(sizeof(struct reply) == 808, "a new field: write it, read it, and give it a value in test_receipt.c");

void reply_write(const struct reply *r, struct str request, struct buf *out)
{
    const struct stored s = {.kind = (int)r->kind,
                             .request = request,
                             .run_id = str_of(r->run_id),
                             .message_id = str_of(r->message_id),
                             .seq = r->seq,
                             .started = r->started,
                             .already_running = r->already_running,
                             .queued = r->queued,
                             .removed = r->removed,
                             .left = r->left,
                             .sync_reason = r->sync_reason == NULL ? STR_NULL : str_of(r->sync_reason),
                             .message_count = r->message_count,
                             .last_message_id = str_of(r->last_message_id),
                             .has_pending_message = r->has_pending_message,
                             .has_question = r->has_question,
                             .pending_call_id = str_of(r->pending_call_id),
                             .question_id = str_of(r->question_id),
                             .metadata_version = r->metadata_version,
                             .error = str_of(r->err.text)};
    struct json_writer w = JSON_WRITER(out);

    json_begin_object(&w);
    record_write(&record, &s, &w);
    json_end_object(&w);
}

int reply_read(struct str bytes, struct arena *a, struct reply *out, struct err *err)
{
    struct stored s = {0};
    struct json *node;
    int rc = json_parse(a, bytes, &node, err);

    if (rc == 0)
        rc = record_read(&record, node, a, &s, err);
    if (rc < 0) {
        err->code = ERR_CORRUPT;
        return err_wrap(err, "the reply that was kept cannot be read");
    }
    *out = (struct reply){.kind = (enum reply_kind)s.kind,
                          .seq = s.seq,
                          .started = s.started,
                          .already_running = s.already_running,
                          .queued = s.queued,
                          .removed = s.removed,
                          .left = s.left,
                          .sync_reason = s.sync_reason.n == 0 ? NULL : arena_str(a, s.sync_reason).p,
                          .message_count = s.message_count,
                          .has_pending_message = s.has_pending_message,
                          .has_question = s.has_question,
                          .metadata_version = s.metadata_version,
                          .replayed = true,
                          .request = arena_str(a, s.request)};
    str_copy(out->run_id, sizeof(out->run_id), s.run_id);
    str_copy(out->message_id, sizeof(out->message_id), s.message_id);
    str_copy(out->pending_call_id, sizeof(out->pending_call_id), s.pending_call_id);
    str_copy(out->question_id, sizeof(out->question_id), s.question_id);
    str_copy(out->last_message_id, sizeof(out->last_message_id), s.last_message_id);
    str_copy(out->err.text, sizeof(out->err.text), s.error);
    return 0;
}
