/* SPDX-License-Identifier: MIT */
#include "face/bamboo/past.h"

#include "base/str.h"
#include "face/error_body.h"

uint64_t past_at_seq(struct exchange *x)
{
    struct str text = exchange_query_text(x, "at_seq");
    uint64_t seq;

    if (text.p == NULL)
        return 0;
    return str_to_u64(text, &seq) && seq > 0 && seq <= INT64_MAX ? seq : INT64_MAX;
}

bool past_refused(struct exchange *x, const char *where, const struct answer *a)
{
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);
    struct str message;

    if (!a->no_such_fact)
        return false;
    message =
        arena_strf(&x->arena, "%s: at_seq: expected the number of a fact of this session, from %" PRIu64 " to %" PRIu64,
                   where, a->first_seq, a->last_seq);
    error_body_begin(&w, message, err_wire_name(ERR_BAD_REQUEST), http_request_id(x->req));
    json_key_u64(&w, "first_seq", a->first_seq);
    json_key_u64(&w, "last_seq", a->last_seq);
    json_end_object(&w);
    exchange_send(x, 400, &body);
    return true;
}
