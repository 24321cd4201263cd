/* SPDX-License-Identifier: MIT */
#include "session/fact.h"

#include "base/mem.h"
#include "base/str.h"

/* ---- fields of each kind ---- */

#define AT(member) .offset = offsetof(struct fact, member)
#define TEXT(member) {.name = #member, .type = RECORD_STR, AT(member)}
#define U32(member) {.name = #member, .type = RECORD_U32, AT(member)}
#define I64(member) {.name = #member, .type = RECORD_I64, AT(member)}
#define FLAG(member) {.name = #member, .type = RECORD_BOOL, AT(member)}
#define ONE_OF(member, list) {.name = #member, .type = RECORD_ENUM, AT(member), .names = (list)}
#define PART(member, record) {.name = #member, .type = RECORD_OBJECT, AT(member), .of = &(record)}
#define OF_RUN U32(run), U32(round), U32(gen)

static const struct record_field session_created_fields[] = {
    TEXT(id),
    {.name = "nonce", .type = RECORD_STR, AT(key)}, /* hex: u64 does not fit JSON's integers */
    TEXT(title),
    TEXT(system),
    TEXT(provider),
    TEXT(model),
    TEXT(effort),
    TEXT(workspace),
    TEXT(parent),
    TEXT(root),
    U32(depth),
    TEXT(source),
    {.name = "of_seq", .type = RECORD_U64, AT(of_seq)},
    PART(limits, run_limits_record),
};
static const struct record_field session_updated_fields[] = {
    FLAG(set_title),
    TEXT(title),
    FLAG(set_pinned),
    FLAG(pinned),
    FLAG(set_model),
    TEXT(provider),
    TEXT(model),
    FLAG(set_effort),
    TEXT(effort),
    FLAG(set_limits),
    PART(limits, run_limits_record),
};
static const struct record_field message_posted_fields[] = {TEXT(id), TEXT(text), TEXT(key), FLAG(later)};
static const struct record_field message_withdrawn_fields[] = {
    TEXT(id),   {.name = "of_seq", .type = RECORD_U64, AT(of_seq)},     I64(bytes),
    TEXT(last), {.name = "last_seq", .type = RECORD_U64, AT(last_seq)}, FLAG(later),
};
#define OF_MESSAGE                                                                                                     \
    TEXT(id), U32(place), ONE_OF(role, role_names), TEXT(text),                                                        \
        {.name = "calls", .type = RECORD_LIST, AT(calls), .of = &call_record}, TEXT(call_id), TEXT(tool),              \
        ONE_OF(outcome, call_outcome_names), I64(written_at)
static const struct record_field message_edited_fields[] = {OF_MESSAGE, I64(bytes)};
static const struct record_field message_imported_fields[] = {OF_MESSAGE, TEXT(reasoning), FLAG(interrupted)};
static const struct record_field messages_removed_fields[] = {
    U32(place), U32(upto), U32(removed), I64(bytes), TEXT(last), FLAG(pending), ONE_OF(how, removal_names),
};
static const struct record_field run_started_fields[] = {
    U32(run),
    TEXT(id),
    ONE_OF(origin, run_origin_names),
    TEXT(provider),
    TEXT(model),
    TEXT(effort),
    PART(limits, run_limits_record),
    FLAG(unattended),
    PART(price, price_record),
};
static const struct record_field run_recovered_fields[] = {OF_RUN, TEXT(discarded), FLAG(charged), I64(tokens),
                                                           I64(cost)};
static const struct record_field round_started_fields[] = {OF_RUN,      TEXT(id),      U32(admitted),
                                                           I64(tokens), FLAG(closing), I64(cost)};
static const struct record_field model_failed_fields[] = {
    OF_RUN,      TEXT(discarded), ONE_OF(failure, failure_names), TEXT(text), FLAG(retry), I64(due),
    I64(tokens), I64(cost),       PART(usage, usage_record),
};
static const struct record_field assistant_fields[] = {
    OF_RUN,
    TEXT(id),
    TEXT(text),
    TEXT(reasoning),
    {.name = "calls", .type = RECORD_LIST, AT(calls), .of = &call_record},
    PART(usage, usage_record),
    ONE_OF(stop, stop_reason_names),
    FLAG(interrupted),
    FLAG(repaired),
    U32(place),
    I64(cost),
};
static const struct record_field budget_fact_fields[] = {OF_RUN, PART(budget, budget_record)};
static const struct record_field budget_exceeded_fields[] = {OF_RUN, TEXT(tool), I64(limit), I64(actual), I64(cost)};
static const struct record_field call_started_fields[] = {OF_RUN, U32(call), TEXT(call_id), TEXT(tool), TEXT(args)};
static const struct record_field call_ended_fields[] = {
    OF_RUN, U32(call), TEXT(call_id), TEXT(tool), ONE_OF(outcome, call_outcome_names), TEXT(text), TEXT(id), U32(place),
};
static const struct record_field question_asked_fields[] = {
    OF_RUN,     TEXT(id),      U32(call),          TEXT(call_id), TEXT(tool),
    TEXT(text), TEXT(options), FLAG(allow_custom), I64(due),      TEXT(fallback),
};
static const struct record_field question_closed_fields[] = {
    OF_RUN, TEXT(id), U32(call), TEXT(call_id), TEXT(tool), ONE_OF(how, closing_names), TEXT(by), TEXT(text),
};
static const struct record_field cancel_requested_fields[] = {U32(run), TEXT(by)};
static const struct record_field run_queued_fields[] = {
    U32(run),     ONE_OF(origin, run_origin_names), TEXT(provider),   TEXT(model),
    TEXT(effort), PART(limits, run_limits_record),  FLAG(unattended),
};
static const struct record_field run_ended_fields[] = {
    U32(run),
    TEXT(id),
    ONE_OF(end, run_end_names),
    ONE_OF(failure, failure_names),
    TEXT(text),
    TEXT(by),
    TEXT(reason),
    PART(usage, usage_record),
    U32(rounds),
    I64(cost),
    I64(ms),
};

#define RECORD(kind, table) [FACT_##kind] = {#table, sizeof(struct fact), table##_fields, ARRAY_LEN(table##_fields)}
static const struct record records[FACT_KIND_COUNT] = {
    RECORD(SESSION_CREATED, session_created),
    RECORD(SESSION_UPDATED, session_updated),
    RECORD(MESSAGE_POSTED, message_posted),
    RECORD(MESSAGE_WITHDRAWN, message_withdrawn),
    RECORD(MESSAGE_EDITED, message_edited),
    RECORD(MESSAGES_REMOVED, messages_removed),
    RECORD(MESSAGE_IMPORTED, message_imported),
    RECORD(RUN_STARTED, run_started),
    RECORD(RUN_RECOVERED, run_recovered),
    RECORD(ROUND_STARTED, round_started),
    RECORD(MODEL_FAILED, model_failed),
    RECORD(ASSISTANT, assistant),
    RECORD(BUDGET, budget_fact),
    RECORD(BUDGET_EXCEEDED, budget_exceeded),
    RECORD(CALL_STARTED, call_started),
    RECORD(CALL_ENDED, call_ended),
    RECORD(QUESTION_ASKED, question_asked),
    RECORD(QUESTION_CLOSED, question_closed),
    RECORD(CANCEL_REQUESTED, cancel_requested),
    RECORD(RUN_QUEUED, run_queued),
    RECORD(RUN_ENDED, run_ended),
};

static const struct {
    const char *name;
    enum fact_wire wire;
} kinds[FACT_KIND_COUNT] = {[FACT_UNKNOWN] = {"unknown", FACT_WIRE_HIDDEN},
#define X(kind, text, wire_class) [FACT_##kind] = {text, FACT_WIRE_##wire_class},
                            FACT_KINDS(X)
#undef X
};

const char *fact_kind_name(enum fact_kind kind)
{
    return kinds[kind].name;
}

enum fact_kind fact_kind_find(struct str name)
{
    for (int k = FACT_UNKNOWN + 1; k < FACT_KIND_COUNT; k++)
        if (str_is(name, kinds[k].name))
            return (enum fact_kind)k;
    return FACT_UNKNOWN;
}

enum fact_wire fact_wire_class(enum fact_kind kind)
{
    return kinds[kind].wire;
}

/* ---- body ---- */

void fact_write(const struct fact *f, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    struct fact copy;
    char nonce[17];

    assert(f->kind != FACT_UNKNOWN);
    if (f->kind == FACT_SESSION_CREATED) {
        static const char digits[] = "0123456789abcdef";

        for (int i = 0; i < 16; i++)
            nonce[i] = digits[(f->nonce >> (60 - 4 * i)) & 15];
        copy = *f;
        copy.key = (struct str){nonce, 16};
        f = &copy;
    }
    json_begin_object(&w);
    record_write(&records[f->kind], f, &w);
    json_end_object(&w);
}

static bool hex_to_u64(struct str s, uint64_t *out)
{
    uint64_t v = 0;

    if (s.n != 16)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c >= '0' && c <= '9')
            v = v << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *out = v;
    return true;
}

int fact_read(enum fact_kind kind, struct str body, struct arena *a, struct fact *out, struct err *err)
{
    struct fact f = *out;
    struct json *node;
    int rc;

    f.kind = kind;
    if (kind == FACT_UNKNOWN) {
        *out = f;
        return 0;
    }
    rc = json_parse(a, body, &node, err);
    if (rc == 0)
        rc = record_read(&records[kind], node, a, &f, err);
    if (rc < 0)
        return rc;
    if (kind == FACT_SESSION_CREATED) {
        if (!hex_to_u64(f.key, &f.nonce))
            return err_set(err, ERR_BAD_REQUEST, "session_created: nonce: expected 16 hexadecimal digits");
        f.key = STR_NULL;
    }
    *out = f;
    return 0;
}

/* ---- blocks ---- */

static const size_t text_members[] = {
    offsetof(struct fact, id),        offsetof(struct fact, discarded), offsetof(struct fact, text),
    offsetof(struct fact, reasoning), offsetof(struct fact, title),     offsetof(struct fact, system),
    offsetof(struct fact, provider),  offsetof(struct fact, model),     offsetof(struct fact, effort),
    offsetof(struct fact, workspace), offsetof(struct fact, parent),    offsetof(struct fact, root),
    offsetof(struct fact, key),       offsetof(struct fact, call_id),   offsetof(struct fact, tool),
    offsetof(struct fact, args),      offsetof(struct fact, by),        offsetof(struct fact, options),
    offsetof(struct fact, fallback),  offsetof(struct fact, source),    offsetof(struct fact, last),
    offsetof(struct fact, reason),
};

static struct str *text_at(struct fact *f, size_t i)
{
    return (struct str *)(void *)((char *)f + text_members[i]);
}

static size_t text_size(const struct fact *f)
{
    const struct call *calls = f->calls.items;
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(text_members); i++)
        n += ((const struct str *)(const void *)((const char *)f + text_members[i]))->n;
    for (size_t i = 0; i < f->calls.count; i++)
        n += calls[i].id.n + calls[i].name.n + calls[i].args.n;
    return n;
}

/* Layout: header, facts, calls of all facts, text of all facts. */
struct facts *facts_new(const struct fact *items, uint32_t n)
{
    size_t calls = 0, text = 0, bytes;
    struct facts *block;
    struct call *call;
    char *at;

    for (uint32_t i = 0; i < n; i++) {
        calls += items[i].calls.count;
        text += text_size(&items[i]);
    }
    _Static_assert(sizeof(struct facts) % _Alignof(struct fact) == 0, "facts follow the header");
    _Static_assert(sizeof(struct fact) % _Alignof(struct call) == 0, "calls follow the facts");
    bytes = sizeof(*block) + n * sizeof(struct fact) + calls * sizeof(struct call) + text;
    block = mem_alloc(bytes);
    block->refs = 1;
    block->n = n;
    block->bytes = bytes;
    block->items = (struct fact *)(void *)(block + 1);
    call = (struct call *)(void *)(block->items + n);
    at = (char *)(call + calls);
    for (uint32_t i = 0; i < n; i++) {
        struct fact *f = &block->items[i];

        *f = items[i];
        for (size_t k = 0; k < ARRAY_LEN(text_members); k++)
            *text_at(f, k) = str_put(*text_at(f, k), &at);
        if (f->calls.count > 0)
            memcpy(call, f->calls.items, f->calls.count * sizeof(*call));
        f->calls.items = f->calls.count > 0 ? call : NULL;
        for (size_t k = 0; k < f->calls.count; k++, call++) {
            call->id = str_put(call->id, &at);
            call->name = str_put(call->name, &at);
            call->args = str_put(call->args, &at);
        }
    }
    return block;
}

struct facts *facts_ref(struct facts *f)
{
    __atomic_add_fetch(&f->refs, 1, __ATOMIC_RELAXED);
    return f;
}

void facts_unref(struct facts *f)
{
    if (f != NULL && __atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL) == 0)
        mem_free(f);
}
