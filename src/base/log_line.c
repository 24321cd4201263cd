/* SPDX-License-Identifier: MIT */
#include "base/log_line.h"

#include "base/clock.h"
#include "base/str.h"
#include "base/utf8.h"

#include <linux/limits.h>
#include <stdio.h>

_Static_assert(LOG_LINE_BYTES <= PIPE_BUF, "a line is one atomic write");

static const int priorities[] = {
    [LOG_LEVEL_ERROR] = 3, [LOG_LEVEL_WARN] = 4, [LOG_LEVEL_INFO] = 6, [LOG_LEVEL_DEBUG] = 7}; /* of syslog */

/* ---- bytes with an end ---- */

struct line {
    char *p;
    size_t n, max;
    bool cut; /* something did not fit */
};

/* All of it or nothing. */
static bool put(struct line *l, struct str s)
{
    if (l->cut || s.n > l->max - l->n) {
        l->cut = true;
        return false;
    }
    memcpy(l->p + l->n, s.p, s.n);
    l->n += s.n;
    return true;
}

static void put_number(struct line *l, const struct log_field *f)
{
    char text[24];
    int n = f->type == LOG_TYPE_INT ? snprintf(text, sizeof(text), "%" PRId64, f->number)
                                    : snprintf(text, sizeof(text), "%" PRIu64, f->count);

    put(l, (struct str){text, (size_t)n});
}

static struct str truth_text(const struct log_field *f)
{
    return f->truth ? STR("true") : STR("false");
}

static struct str value_of(const struct log_field *f, bool *is_cut)
{
    struct str s = f->text;

    *is_cut = s.n > LOG_VALUE_BYTES;
    if (*is_cut)
        s.n = utf8_floor(s, LOG_VALUE_BYTES);
    return s;
}

/* ---- text that is safe in a line, on a terminal and in JSON ---- */

static bool is_control(struct str c)
{
    unsigned char lead = (unsigned char)c.p[0];

    /* U+0080 to U+009F mean something to terminals too. */
    return lead < 0x20 || lead == 0x7f || (c.n == 2 && lead == 0xc2 && (unsigned char)c.p[1] < 0xa0);
}

static struct str escaped(struct str c, char text[8])
{
    unsigned char last = (unsigned char)c.p[c.n - 1];

    switch (c.p[0]) {
    case '\n':
        return STR("\\n");
    case '\r':
        return STR("\\r");
    case '\t':
        return STR("\\t");
    default:
        return (struct str){text, (size_t)snprintf(text, 8, "\\u%04x", last)};
    }
}

/* `quoted`: quote and backslash are escaped too. What does not fit is left away between two characters. */
static void put_safe(struct line *l, struct str s, bool quoted)
{
    char text[8];

    while (s.n > 0) {
        bool is_whole;
        struct str c = {s.p, utf8_next(s, &is_whole)};

        s = str_skip(s, c.n);
        if (!is_whole)
            c = STR("\xef\xbf\xbd");
        else if (is_control(c))
            c = escaped(c, text);
        else if (quoted && c.p[0] == '"')
            c = STR("\\\"");
        else if (quoted && c.p[0] == '\\')
            c = STR("\\\\");
        if (!put(l, c))
            return;
    }
}

static void put_quoted(struct line *l, struct str s)
{
    if (l->cut || l->max - l->n < 2) {
        l->cut = true;
        return;
    }
    put(l, STR("\""));
    l->max--; /* the closing quote is always there */
    put_safe(l, s, true);
    l->max++;
    l->p[l->n++] = '"';
}

/* ---- JSON ---- */

static void put_json_value(struct line *l, const struct log_field *f, bool *is_cut)
{
    switch (f->type) {
    case LOG_TYPE_STR:
        put_quoted(l, value_of(f, is_cut));
        break;
    case LOG_TYPE_INT:
    case LOG_TYPE_UINT:
        put_number(l, f);
        break;
    case LOG_TYPE_BOOL:
        put(l, truth_text(f));
        break;
    }
}

static void put_key(struct line *l, const char *before, const char *key, const char *after)
{
    put(l, str_of(before));
    put(l, str_of(key));
    put(l, str_of(after));
}

/* Takes back what was begun in vain; a text that was begun stays, cut short. True: something is missing. */
static bool settle(struct line *l, size_t begin, const struct log_field *f, size_t least)
{
    bool cut = l->cut;

    if (cut && (f->type != LOG_TYPE_STR || l->n - begin < least))
        l->n = begin;
    l->cut = false;
    return cut;
}

static bool put_json_field(struct line *l, const struct log_field *f)
{
    size_t begin = l->n;
    bool is_cut = false;

    put_key(l, ",\"", f->key, "\":");
    put_json_value(l, f, &is_cut);
    return settle(l, begin, f, strlen(f->key) + sizeof(",\"\":\"\"") - 1) || is_cut;
}

static struct str module_of(const char *event)
{
    struct str rest = str_of(event), module = STR_NULL;

    str_next(&rest, '.', &module);
    return module;
}

static bool is_message(const struct log_field *f)
{
    return strcmp(f->key, LOG_MESSAGE) == 0;
}

#define JSON_TAIL ",\"truncated\":true}\n"

size_t log_line_json(const struct log_record *r, char out[LOG_LINE_BYTES])
{
    struct line l = {.p = out, .max = LOG_LINE_BYTES - (sizeof(JSON_TAIL) - 1)};
    char at[CLOCK_TEXT];
    bool missing = false;

    clock_text(r->at_ms, at);
    put_key(&l, "{\"ts\":\"", at, "\",\"level\":\"");
    put_key(&l, log_level_names[r->level], "\",\"module\":\"", "");
    put(&l, module_of(r->event));
    put_key(&l, "\",\"event\":\"", r->event, "\"");
    for (size_t i = 0; i < r->n_fields; i++)
        if (r->fields[i].key != NULL)
            missing = put_json_field(&l, &r->fields[i]) || missing;
    l.max = LOG_LINE_BYTES;
    put(&l, missing ? STR(JSON_TAIL) : STR("}\n"));
    return l.n;
}

/* ---- text ---- */

/* Needs no quotes: a reader sees where it ends. */
static bool is_bare(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '"' || s.p[i] == '\\' || s.p[i] == '=')
            return false;
    return s.n > 0;
}

static bool put_text_field(struct line *l, const struct log_field *f)
{
    size_t begin = l->n;
    bool is_cut = false;

    put_key(l, " ", f->key, "=");
    if (f->type == LOG_TYPE_STR && is_bare(f->text))
        put_safe(l, value_of(f, &is_cut), false);
    else
        put_json_value(l, f, &is_cut);
    return settle(l, begin, f, strlen(f->key) + sizeof(" =x") - 1) || is_cut;
}

/* Event, sentence, the other fields. True: something is missing. */
static bool put_text_body(struct line *l, const struct log_record *r)
{
    bool missing = false, is_cut;

    put(l, str_of(r->event));
    for (size_t i = 0; i < r->n_fields; i++) {
        if (r->fields[i].key == NULL || !is_message(&r->fields[i]))
            continue;
        put(l, STR(" "));
        put_safe(l, value_of(&r->fields[i], &is_cut), false);
        missing = missing || is_cut || l->cut;
        l->cut = false;
    }
    for (size_t i = 0; i < r->n_fields; i++)
        if (r->fields[i].key != NULL && !is_message(&r->fields[i]))
            missing = put_text_field(l, &r->fields[i]) || missing;
    return missing;
}

#define TEXT_TAIL " truncated=true\n"
#define COLOUR_END "\x1b[0m"

static const char *const colours[] = {[LOG_LEVEL_ERROR] = "\x1b[31m",
                                      [LOG_LEVEL_WARN] = "\x1b[33m",
                                      [LOG_LEVEL_INFO] = "",
                                      [LOG_LEVEL_DEBUG] = "\x1b[2m"};

static size_t end_text(struct line *l, bool missing)
{
    l->max = LOG_LINE_BYTES;
    put(l, missing ? STR(TEXT_TAIL) : STR("\n"));
    return l->n;
}

size_t log_line_text(const struct log_record *r, bool colour, char out[LOG_LINE_BYTES])
{
    struct line l = {.p = out, .max = LOG_LINE_BYTES - (sizeof(TEXT_TAIL) - 1)};
    bool is_painted = colour && colours[r->level][0] != '\0';
    char at[CLOCK_TEXT], level[8];

    clock_text(r->at_ms, at);
    snprintf(level, sizeof(level), "%-5s", log_level_names[r->level]);
    put_key(&l, at, " ", is_painted ? colours[r->level] : "");
    put_key(&l, level, is_painted ? COLOUR_END : "", " ");
    return end_text(&l, put_text_body(&l, r));
}

size_t log_line_prefixed(const struct log_record *r, char out[LOG_LINE_BYTES])
{
    struct line l = {.p = out, .max = LOG_LINE_BYTES - (sizeof(TEXT_TAIL) - 1)};
    char prefix[8];

    snprintf(prefix, sizeof(prefix), "<%d>", priorities[r->level]);
    put(&l, str_of(prefix));
    return end_text(&l, put_text_body(&l, r));
}

/* ---- the journal ---- */

#define FIELD_PREFIX "CULM_"
#define FIELD_NAME_MAX 64 /* the journal's own bound */

/* NAME, line end, length as 64 bits in little endian, bytes, line end: this form holds whatever there is. */
static void put_blob(struct line *l, struct str name, struct str value)
{
    size_t begin = l->n;
    char size[8];

    for (size_t i = 0; i < sizeof(size); i++)
        size[i] = (char)((uint64_t)value.n >> (8 * i) & 0xff);
    put(l, name);
    put(l, STR("\n"));
    put(l, (struct str){size, sizeof(size)});
    put(l, value);
    put(l, STR("\n"));
    if (l->cut)
        l->n = begin;
}

static void put_pair(struct line *l, const char *name, struct str value)
{
    size_t begin = l->n;

    put_key(l, name, "=", "");
    put(l, value);
    put(l, STR("\n"));
    if (l->cut)
        l->n = begin;
}

static void put_journal_field(struct line *l, const struct log_field *f, bool *is_cut)
{
    char name[FIELD_NAME_MAX + 1] = FIELD_PREFIX, number[24];
    struct line text = {.p = number, .max = sizeof(number)};
    size_t n = sizeof(FIELD_PREFIX) - 1;

    for (const char *p = f->key; *p != '\0' && n < FIELD_NAME_MAX; p++)
        name[n++] = *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
    if (f->type == LOG_TYPE_STR) {
        put_blob(l, (struct str){name, n}, value_of(f, is_cut));
        return;
    }
    put_json_value(&text, f, is_cut);
    put_blob(l, (struct str){name, n}, (struct str){number, text.n});
}

size_t log_line_journal(const struct log_record *r, char out[LOG_JOURNAL_BYTES])
{
    static const char tail[] = "CULM_TRUNCATED=1\n";
    struct line l = {.p = out, .max = LOG_JOURNAL_BYTES - (sizeof(tail) - 1)};
    char body[LOG_LINE_BYTES], priority[4];
    struct line message = {.p = body, .max = sizeof(body)};
    bool missing = put_text_body(&message, r);

    snprintf(priority, sizeof(priority), "%d", priorities[r->level]);
    put_pair(&l, "MESSAGE", (struct str){body, message.n});
    put_pair(&l, "PRIORITY", str_of(priority));
    put_pair(&l, "SYSLOG_IDENTIFIER", STR("culm"));
    put_pair(&l, "CULM_EVENT", str_of(r->event));
    put_pair(&l, "CULM_MODULE", module_of(r->event));
    for (size_t i = 0; i < r->n_fields; i++) {
        const struct log_field *f = &r->fields[i];
        bool is_cut = false;

        if (f->key == NULL || is_message(f))
            continue;
        put_journal_field(&l, f, &is_cut);
        missing = missing || is_cut || l.cut;
        l.cut = false;
    }
    l.max = LOG_JOURNAL_BYTES;
    if (missing)
        put(&l, STR(tail));
    return l.n;
}
