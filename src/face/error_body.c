/* SPDX-License-Identifier: MIT */
#include "face/error_body.h"

#include "base/str.h"
#include "base/utf8.h"

/* Messages hold texts of others and may be cut in mid-character where they were too long. */
static void put_message(struct json_writer *w, struct str message)
{
    struct buf whole CLEANUP(buf_done) = BUF_INIT;
    struct utf8_repair repair = {.n = 0};

    utf8_repair_add(&repair, message, &whole);
    utf8_repair_end(&repair, &whole);
    json_key_str(w, "message", buf_str(&whole));
}

void error_body_begin(struct json_writer *w, struct str message, const char *code, const char *request_id)
{
    json_begin_object(w);
    json_key(w, "error");
    json_begin_object(w);
    put_message(w, message);
    json_key_str(w, "type", STR("api_error"));
    json_key_text(w, "code", code);
    json_end_object(w);
    json_key_text(w, "request_id", request_id);
}

void error_body_write(struct buf *out, struct str message, const char *code, const char *request_id)
{
    struct json_writer w = JSON_WRITER(out);

    error_body_begin(&w, message, code, request_id);
    json_end_object(&w);
}
