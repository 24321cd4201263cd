/* SPDX-License-Identifier: MIT */
/* GET /sessions/{id}/facts: pages of a session's log, in the words of its event stream. */
#include "base/str.h"
#include "face/bamboo/bamboo.h"
#include "face/bamboo/event_wire.h"

/* Facts without an event are named by their kind, so that the numbers of a page have no holes. */
static const char *type_of(const struct fact *f)
{
    const char *type = event_wire_type(f);

    return type != NULL ? type : fact_kind_name(f->kind);
}

static bool is_wanted(struct str types, const struct fact *f)
{
    struct str type;

    if (types.n == 0)
        return true;
    while (str_next(&types, ',', &type))
        if (str_is(type, type_of(f)))
            return true;
    return false;
}

static void write_fact(const struct event_context *c, const struct fact *f, struct json_writer *w)
{
    struct buf event CLEANUP(buf_done) = BUF_INIT;

    if (event_wire_write(c, f, &event)) {
        json_put_raw(w, buf_str(&event));
        return;
    }
    json_begin_object(w);
    json_key_text(w, "type", type_of(f));
    json_key_u64(w, "seq", f->seq);
    json_key_i64(w, "at", f->at);
    json_end_object(w);
}

static void on_facts(struct exchange *x, const struct answer *a)
{
    struct str types = exchange_query_text(x, "types");
    struct event_context context = {.session_id = x->id};
    uint32_t n = a->rc < 0 || a->facts == NULL ? 0 : a->facts->n;
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    if (a->rc < 0 || a->last_seq == 0) {
        exchange_no_session(x, x->id);
        return;
    }
    json_begin_object(&w);
    json_key_str(&w, "session_id", x->id);
    json_key(&w, "facts");
    json_begin_array(&w);
    for (uint32_t i = 0; i < n; i++)
        if (is_wanted(types, &a->facts->items[i]))
            write_fact(&context, &a->facts->items[i], &w);
    json_end_array(&w);
    json_key_u64(&w, "first_seq", a->first_seq);
    json_key_u64(&w, "last_seq", a->last_seq);
    json_key_bool(&w, "more", a->more);
    if (a->more && n > 0) /* also where all of the page was left out */
        json_key_u64(&w, exchange_query_text(x, "before").n > 0 ? "next_before" : "next_after",
                     a->facts->items[n - 1].seq);
    json_end_object(&w);
    exchange_send(x, 200, &body);
}

/* The kinds that may become one of these types; answers 400 and returns false for one that is none. */
static bool read_types(struct exchange *x, uint64_t *kinds)
{
    struct str rest = exchange_query_text(x, "types"), type;

    *kinds = 0;
    while (rest.n > 0 && str_next(&rest, ',', &type)) {
        enum fact_kind kind = fact_kind_find(type);

        *kinds |= event_wire_kinds(type) | (kind == FACT_UNKNOWN ? 0 : 1ull << kind);
        if (event_wire_kinds(type) == 0 && kind == FACT_UNKNOWN) {
            exchange_fail(x, ERR_BAD_REQUEST, "query: types: no such type of event: \"%.*s\"",
                          (int)(type.n < 64 ? type.n : 64), type.p);
            return false;
        }
    }
    return true;
}

void facts_get(struct exchange *x)
{
    struct query q = {.kind = QUERY_FACTS, .session_id = x->id};

    if (!exchange_query_u64(x, "after", 0, &q.after) || !exchange_query_u64(x, "before", 0, &q.before) ||
        !exchange_query_limit(x, LIMIT_PAGE_FACTS, LIMIT_PAGE_FACTS, &q.limit) || !read_types(x, &q.kinds))
        return;
    q.newest = exchange_query_text(x, "before").n > 0;
    exchange_query(x, &q, on_facts);
}
