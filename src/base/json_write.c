/* SPDX-License-Identifier: MIT */
#include "base/json_write.h"

#include "base/clock.h"
#include "base/str.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Before every value and every name. */
static void separate(struct json_writer *w)
{
    if (w->comma)
        buf_add_char(w->out, ',');
    w->comma = true;
}

static void open(struct json_writer *w, char bracket)
{
    separate(w);
    buf_add_char(w->out, bracket);
    w->comma = false;
}

static void close(struct json_writer *w, char bracket)
{
    buf_add_char(w->out, bracket);
    w->comma = true;
}

void json_begin_object(struct json_writer *w)
{
    open(w, '{');
}

void json_end_object(struct json_writer *w)
{
    close(w, '}');
}

void json_begin_array(struct json_writer *w)
{
    open(w, '[');
}

void json_end_array(struct json_writer *w)
{
    close(w, ']');
}

static bool needs_escape(char c)
{
    return (unsigned char)c < 0x20 || c == '"' || c == '\\';
}

static void put_escape(struct buf *out, char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char named[0x20] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    unsigned char u = (unsigned char)c;

    if (u >= 0x20) {
        buf_add(out, (char[]){'\\', c}, 2);
    } else if (named[u] != 0) {
        buf_add(out, (char[]){'\\', named[u]}, 2);
    } else {
        buf_add(out, (char[]){'\\', 'u', '0', '0', hex[u >> 4], hex[u & 15]}, 6);
    }
}

static void put_quoted(struct buf *out, struct str s)
{
    size_t run = 0;

    buf_add_char(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (!needs_escape(s.p[i]))
            continue;
        buf_add(out, s.p + run, i - run);
        put_escape(out, s.p[i]);
        run = i + 1;
    }
    if (run < s.n)
        buf_add(out, s.p + run, s.n - run);
    buf_add_char(out, '"');
}

void json_key(struct json_writer *w, const char *key)
{
    separate(w);
    buf_add_char(w->out, '"');
    buf_add_str(w->out, str_of(key));
    buf_add_str(w->out, STR("\":"));
    w->comma = false;
}

void json_put_key(struct json_writer *w, struct str key)
{
    separate(w);
    put_quoted(w->out, key);
    buf_add_char(w->out, ':');
    w->comma = false;
}

void json_put_str(struct json_writer *w, struct str s)
{
    separate(w);
    put_quoted(w->out, s);
}

void json_put_i64(struct json_writer *w, int64_t v)
{
    separate(w);
    buf_add_i64(w->out, v);
}

void json_put_u64(struct json_writer *w, uint64_t v)
{
    separate(w);
    buf_add_u64(w->out, v);
}

void json_put_real(struct json_writer *w, double v)
{
    char text[32];

    if (!isfinite(v)) {
        json_put_null(w);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, v);
        if (!(strtod(text, NULL) < v) && !(strtod(text, NULL) > v))
            break;
    }
    separate(w);
    /* "-0" would be read as the integer 0, without its sign. */
    buf_add_str(w->out, strcmp(text, "-0") == 0 ? STR("-0.0") : str_of(text));
}

void json_put_bool(struct json_writer *w, bool v)
{
    separate(w);
    buf_add_str(w->out, v ? STR("true") : STR("false"));
}

void json_put_null(struct json_writer *w)
{
    separate(w);
    buf_add_str(w->out, STR("null"));
}

void json_put_raw(struct json_writer *w, struct str json)
{
    assert(json.n > 0);
    separate(w);
    buf_add_str(w->out, json);
}

void json_put_time(struct json_writer *w, int64_t wall_ms)
{
    char text[CLOCK_TEXT];

    clock_text(wall_ms, text);
    json_put_str(w, str_of(text));
}

void json_key_str(struct json_writer *w, const char *key, struct str s)
{
    json_key(w, key);
    json_put_str(w, s);
}

void json_key_text(struct json_writer *w, const char *key, const char *s)
{
    json_key(w, key);
    if (s == NULL)
        json_put_null(w);
    else
        json_put_str(w, str_of(s));
}

void json_key_i64(struct json_writer *w, const char *key, int64_t v)
{
    json_key(w, key);
    json_put_i64(w, v);
}

void json_key_u64(struct json_writer *w, const char *key, uint64_t v)
{
    json_key(w, key);
    json_put_u64(w, v);
}

void json_key_bool(struct json_writer *w, const char *key, bool v)
{
    json_key(w, key);
    json_put_bool(w, v);
}

void json_key_time(struct json_writer *w, const char *key, int64_t wall_ms)
{
    json_key(w, key);
    json_put_time(w, wall_ms);
}
