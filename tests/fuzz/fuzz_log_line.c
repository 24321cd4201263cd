/* SPDX-License-Identifier: MIT */
/*
 * Lines of the log from what strangers send. The first byte picks level and sentence, each line of the rest is the
 * value of a field. Whatever it is: one line, valid UTF-8, within its bound; as JSON it reads back as the repaired
 * values, all of them or with `truncated`; and the journal's datagram can be taken apart again.
 */
#include "base/buf.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log_line.h"
#include "base/str.h"
#include "base/utf8.h"
#include "check.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS = 12 };

static const char *const keys[FIELDS] = {"request", "method", "route", "session", "run",  "status",
                                         "ms",      "bytes",  "code",  "error",   "peer", "end"};

static size_t read_fields(struct str rest, struct log_field *fields)
{
    struct str value;
    size_t n = 0;

    while (n < FIELDS && str_next(&rest, '\n', &value)) {
        uint64_t count;
        int64_t number;

        if (str_to_i64(value, &number))
            fields[n] = log_int(keys[n], number);
        else if (str_to_u64(value, &count))
            fields[n] = log_uint(keys[n], count);
        else if (str_is(value, "true"))
            fields[n] = log_bool(keys[n], true);
        else
            fields[n] = log_str(keys[n], value);
        n++;
    }
    return n;
}

/* ---- text ---- */

static void check_line(const char *line, size_t n, bool is_painted)
{
    CHECK(n > 0 && n <= LOG_LINE_BYTES && line[n - 1] == '\n');
    CHECK(utf8_is_valid((struct str){line, n}));
    for (size_t i = 0; i + 1 < n; i++)
        CHECK(((unsigned char)line[i] >= 0x20 && line[i] != 0x7f) || (is_painted && line[i] == '\x1b'));
}

/* ---- JSON ---- */

static void check_value(const struct log_field *f, const struct json *node, bool is_cut)
{
    CLEANUP(buf_done) struct buf whole = BUF_INIT;
    struct utf8_repair repair = {.n = 0};

    switch (f->type) {
    case LOG_TYPE_INT:
        CHECK(node->type == JSON_INT && node->number == f->number);
        break;
    case LOG_TYPE_UINT: /* beyond 64 bits with a sign, which is as far as our reader goes */
        break;
    case LOG_TYPE_BOOL:
        CHECK(node->type == JSON_BOOL && node->truth);
        break;
    case LOG_TYPE_STR:
        utf8_repair_add(&repair, f->text, &whole);
        utf8_repair_end(&repair, &whole);
        CHECK(node->type == JSON_STRING);
        if (!is_cut)
            CHECK(str_eq(node->text, buf_str(&whole)));
        break;
    }
}

static void check_json(const struct log_record *r)
{
    char line[LOG_LINE_BYTES];
    size_t n = log_line_json(r, line);
    const struct json *cut;
    struct json *root = NULL;
    struct arena a;
    struct err err;
    bool has_large = false;

    check_line(line, n, false);
    for (size_t i = 0; i < r->n_fields; i++)
        has_large = has_large || r->fields[i].type == LOG_TYPE_UINT;
    if (has_large)
        return;
    arena_init(&a);
    CHECK(json_parse(&a, (struct str){line, n}, &root, &err) == 0);
    cut = json_find(root, "truncated");
    for (size_t i = 0; i < r->n_fields; i++) {
        const struct json *node = r->fields[i].key == NULL ? NULL : json_find(root, r->fields[i].key);

        if (node != NULL)
            check_value(&r->fields[i], node, cut != NULL);
        else
            CHECK(r->fields[i].key == NULL || cut != NULL);
    }
    arena_done(&a);
}

/* ---- the journal ---- */

static uint64_t length_of(const char *p)
{
    uint64_t n = 0;

    for (int i = 7; i >= 0; i--)
        n = n << 8 | (unsigned char)p[i];
    return n;
}

static void check_journal(const struct log_record *r)
{
    char datagram[LOG_JOURNAL_BYTES];
    struct str rest = {datagram, log_line_journal(r, datagram)};
    size_t fields = 0;

    CHECK(rest.n <= sizeof(datagram) && str_has_prefix(rest, STR("MESSAGE=http.request")));
    for (; rest.n > 0; fields++) {
        const char *end = memchr(rest.p, '\n', rest.n);
        struct str head = {rest.p, end == NULL ? 0 : (size_t)(end - rest.p)};
        uint64_t n;

        CHECK(head.n > 0);
        rest = str_skip(rest, head.n + 1);
        if (memchr(head.p, '=', head.n) != NULL)
            continue;
        CHECK(rest.n > 8);
        n = length_of(rest.p);
        CHECK(n <= rest.n - 9 && rest.p[8 + n] == '\n');
        rest = str_skip(rest, 8 + (size_t)n + 1);
    }
    CHECK(fields >= 5 && fields <= 5 + FIELDS + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct log_field fields[FIELDS + 1];
    struct log_record r = {.at_ms = 1795247341123, .event = "http.request", .fields = fields};
    char line[LOG_LINE_BYTES];
    struct str text;

    if (size == 0 || size > 64 * 1024)
        return 0;
    text = (struct str){(const char *)data + 1, size - 1};
    r.level = (enum log_level)(data[0] % LOG_LEVEL_COUNT);
    r.n_fields = read_fields(text, fields);
    if ((data[0] & 0x40) != 0)
        fields[r.n_fields++] = log_str(LOG_MESSAGE, text);
    check_line(line, log_line_text(&r, false, line), false);
    check_line(line, log_line_text(&r, true, line), true);
    check_line(line, log_line_prefixed(&r, line), false);
    check_json(&r);
    check_journal(&r);
    /* The name of a request goes into a header as it is. */
    if (id_is_valid(text))
        for (size_t i = 0; i < text.n; i++)
            CHECK(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-", text.p[i]) != NULL);
    return 0;
}
