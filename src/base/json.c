/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <yajl/yajl_parse.h>

#define PATH_SHOWN 120     /* bytes of a path in an error text, which is short */
#define KEY_SHOWN 40       /* bytes of one name in it */
#define PAIRWISE_MEMBERS 8 /* up to here comparing every name with every other beats sorting */

struct frame {
    struct json *node; /* the open array or object */
    struct json **end; /* where its next member goes */
    struct str key;    /* of the next member */
};

/*
 * yajl says what it met but not where that began, and its offset starts anew behind the last
 * byte. So we keep our own place: between two tokens lie only blanks and one comma or colon.
 */
struct parser {
    struct arena *arena;
    struct err *err;
    yajl_handle yajl;
    struct str text;
    size_t at; /* behind the last token */
    size_t nodes, most_nodes;
    size_t depth; /* frames in use */
    int rc;
    struct json *root;
    struct json **names; /* room to sort members by name */
    size_t names_cap;
    struct frame frames[LIMIT_JSON_DEPTH];
};

static void write_name(struct buf *path, struct str name)
{
    struct str shown = {name.p, utf8_floor(name, KEY_SHOWN)};

    if (name.p != NULL)
        buf_addf(path, "%s" STR_FMT "%s", path->n == 0 ? "" : ".", STR_ARG(shown), shown.n < name.n ? "..." : "");
}

/* Inner frames tell their place in the outer ones; the last tells of the member that is being read. */
static void write_path(const struct parser *p, struct buf *path)
{
    for (size_t i = 0; i < p->depth; i++) {
        const struct frame *f = &p->frames[i];
        bool last = i + 1 == p->depth;

        if (f->node->type == JSON_ARRAY)
            buf_addf(path, "[%" PRIu32 "]", last ? f->node->count : f->node->count - 1);
        else
            write_name(path, last ? f->key : f[1].node->key);
    }
    if (path->full) {
        path->full = false;
        path->max = 0;
        buf_add_str(path, STR("..."));
    }
}

/* Ends the parse; the value zero is what a callback of yajl returns to stop it. */
static int refuse(struct parser *p, enum err_code code, const char *what)
{
    CLEANUP(buf_done) struct buf path = BUF_CAPPED(PATH_SHOWN);

    write_path(p, &path);
    p->rc = err_set(p->err, code, "%s%s%s", path.n > 0 ? path.p : "", path.n > 0 ? ": " : "", what);
    return 0;
}

/* `offset` counts from 1: the last byte that was read, or the one before it where yajl steps back. */
static int refuse_syntax(struct parser *p, size_t offset, struct str what)
{
    CLEANUP(buf_done) struct buf path = BUF_CAPPED(PATH_SHOWN);

    write_path(p, &path);
    p->rc = err_set(p->err, ERR_BAD_REQUEST, "byte %zu%s%s: " STR_FMT, offset, path.n > 0 ? ", in " : "",
                    path.n > 0 ? path.p : "", STR_ARG(what));
    return 0;
}

static bool is_between(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',' || c == ':';
}

/* Finds the token yajl is telling about. False for the blanks it takes beyond the RFC's: \v and \f. */
static bool find_token(struct parser *p, const char *begins_with)
{
    while (p->at < p->text.n && is_between(p->text.p[p->at]))
        p->at++;
    if (p->at < p->text.n && strchr(begins_with, p->text.p[p->at]) != NULL && p->text.p[p->at] != '\0')
        return true;
    refuse_syntax(p, p->at + 1, STR("invalid character between values"));
    return false;
}

static struct str take_token(struct parser *p, size_t n)
{
    struct str raw = {p->text.p + p->at, n};

    p->at += n;
    return raw;
}

static struct json *add_node(struct parser *p, enum json_type type, struct str raw)
{
    struct frame *f = p->depth == 0 ? NULL : &p->frames[p->depth - 1];
    struct json *node = arena_zalloc(p->arena, sizeof(*node));

    node->type = type;
    node->raw = raw;
    if (f == NULL) {
        p->root = node;
        return node;
    }
    node->key = f->key;
    f->key = STR_NULL;
    f->node->count++;
    *f->end = node;
    f->end = &node->next;
    return node;
}

static bool has_room(struct parser *p)
{
    if (p->nodes++ < p->most_nodes)
        return true;
    refuse(p, ERR_TOO_BIG, "too many values");
    return false;
}

/* null, true and false; NULL when refused. */
static struct json *add_literal(struct parser *p, enum json_type type, struct str literal)
{
    if (!has_room(p) || !find_token(p, (char[]){literal.p[0], '\0'}))
        return NULL;
    return add_node(p, type, take_token(p, literal.n));
}

static int on_null(void *ctx)
{
    return add_literal(ctx, JSON_NULL, STR("null")) != NULL;
}

static int on_boolean(void *ctx, int truth)
{
    struct json *node = add_literal(ctx, JSON_BOOL, truth ? STR("true") : STR("false"));

    if (node != NULL)
        node->truth = truth != 0;
    return node != NULL;
}

/* A view is not terminated, and strtod() needs an end. Nobody calls setlocale(), so the point is a point. */
static double to_real(struct parser *p, struct str raw)
{
    char small[64];

    if (raw.n < sizeof(small)) {
        str_copy(small, sizeof(small), raw);
        return strtod(small, NULL);
    }
    return strtod(arena_str(p->arena, raw).p, NULL);
}

static int on_number(void *ctx, const char *text, size_t n)
{
    struct parser *p = ctx;
    bool whole = memchr(text, '.', n) == NULL && memchr(text, 'e', n) == NULL && memchr(text, 'E', n) == NULL;
    int64_t number = 0;
    struct json *node;
    double real;

    if (!has_room(p) || !find_token(p, "-0123456789"))
        return 0;
    if (whole && !str_to_i64((struct str){text, n}, &number))
        return refuse(p, ERR_BAD_REQUEST, "integer out of range (64 bits)");
    real = whole ? (double)number : to_real(p, (struct str){text, n});
    if (!isfinite(real))
        return refuse(p, ERR_BAD_REQUEST, "number out of range");
    node = add_node(p, whole ? JSON_INT : JSON_REAL, take_token(p, n));
    node->number = number;
    node->real = real;
    return 1;
}

/* The four digits behind \u; yajl has checked them. */
static unsigned hex4(const char *digits)
{
    unsigned v = 0;

    for (size_t i = 0; i < 4; i++) {
        unsigned c = (unsigned char)digits[i];

        v = v << 4 | (c <= '9' ? c - '0' : (c | 0x20u) - 'a' + 10);
    }
    return v;
}

/* yajl turns half a pair into '?' and takes any second half. */
static bool surrogates_are_paired(struct str raw)
{
    bool high = false; /* the escape just before was the first half of a pair */

    for (size_t i = 0; i < raw.n;) {
        unsigned unit = 0;
        size_t len = 1;

        if (raw.p[i] == '\\') {
            len = raw.p[i + 1] == 'u' ? 6 : 2;
            unit = len == 6 ? hex4(raw.p + i + 2) : 0;
        }
        if (high != ((unit & 0xfc00) == 0xdc00))
            return false;
        high = (unit & 0xfc00) == 0xd800;
        i += len;
    }
    return !high;
}

/* A view of the text where it has no escapes, a copy where it has. */
static bool take_string(struct parser *p, const unsigned char *decoded, size_t n, struct str *raw, struct str *out)
{
    size_t end = yajl_get_bytes_consumed(p->yajl); /* behind the closing quote */

    if (!find_token(p, "\""))
        return false;
    assert(end > p->at && end <= p->text.n && p->text.p[end - 1] == '"');
    *raw = take_token(p, end - p->at);
    *out = (struct str){raw->p + 1, raw->n - 2};
    if (out->n == n) /* every escape is longer than what it stands for */
        return true;
    if (!surrogates_are_paired(*out)) {
        refuse(p, ERR_BAD_REQUEST, "half of a surrogate pair in a string");
        return false;
    }
    *out = arena_str(p->arena, (struct str){(const char *)decoded, n});
    return true;
}

static int on_string(void *ctx, const unsigned char *decoded, size_t n)
{
    struct parser *p = ctx;
    struct str raw, text;

    if (!has_room(p) || !take_string(p, decoded, n, &raw, &text))
        return 0;
    add_node(p, JSON_STRING, raw)->text = text;
    return 1;
}

static int on_key(void *ctx, const unsigned char *decoded, size_t n)
{
    struct parser *p = ctx;
    struct str raw, key;

    if (!take_string(p, decoded, n, &raw, &key))
        return 0;
    if (key.n > 0 && memchr(key.p, '\0', key.n) != NULL)
        return refuse(p, ERR_BAD_REQUEST, "\\u0000 in a name");
    p->frames[p->depth - 1].key = key;
    return 1;
}

static int open_container(struct parser *p, enum json_type type, const char *bracket)
{
    struct json *node;

    if (!has_room(p) || !find_token(p, bracket))
        return 0;
    if (p->depth == LIMIT_JSON_DEPTH)
        return refuse(p, ERR_TOO_BIG, "nested too deep");
    node = add_node(p, type, take_token(p, 1));
    p->frames[p->depth++] = (struct frame){.node = node, .end = &node->first};
    return 1;
}

static int close_container(struct parser *p, const char *bracket)
{
    struct json *node = p->frames[p->depth - 1].node;

    if (!find_token(p, bracket))
        return 0;
    p->at++;
    node->raw.n = (size_t)(p->text.p + p->at - node->raw.p);
    p->depth--;
    return 1;
}

static int by_name(const void *a, const void *b)
{
    const struct json *const *x = a, *const *y = b;

    return str_cmp((*x)->key, (*y)->key);
}

/* One of two members with the same name, or NULL. */
static struct json *find_duplicate(struct parser *p, const struct json *object)
{
    size_t n = 0;

    if (object->count <= PAIRWISE_MEMBERS) {
        for (struct json *m = object->first; m != NULL; m = m->next)
            for (struct json *other = m->next; other != NULL; other = other->next)
                if (str_eq(m->key, other->key))
                    return other;
        return NULL;
    }
    p->names = mem_grow(p->names, &p->names_cap, object->count, sizeof(struct json *));
    for (struct json *m = object->first; m != NULL; m = m->next)
        p->names[n++] = m;
    qsort(p->names, n, sizeof(struct json *), by_name);
    for (size_t i = 1; i < n; i++)
        if (str_eq(p->names[i - 1]->key, p->names[i]->key))
            return p->names[i];
    return NULL;
}

static int on_start_map(void *ctx)
{
    return open_container(ctx, JSON_OBJECT, "{");
}

static int on_end_map(void *ctx)
{
    struct parser *p = ctx;
    struct frame *f = &p->frames[p->depth - 1];
    struct json *twice = find_duplicate(p, f->node);

    if (twice != NULL) {
        f->key = twice->key;
        return refuse(p, ERR_BAD_REQUEST, "given twice");
    }
    return close_container(p, "}");
}

static int on_start_array(void *ctx)
{
    return open_container(ctx, JSON_ARRAY, "[");
}

static int on_end_array(void *ctx)
{
    return close_container(ctx, "]");
}

static void *yajl_take(void *ctx UNUSED, size_t n)
{
    return mem_alloc(n);
}

static void *yajl_resize(void *ctx UNUSED, void *p, size_t n)
{
    return mem_realloc(p, n);
}

static void yajl_give(void *ctx UNUSED, void *p)
{
    mem_free(p);
}

/* Takes the reason from yajl when none of our callbacks had one. */
static void explain(struct parser *p, size_t offset)
{
    unsigned char *text;

    if (p->rc != 0)
        return;
    text = yajl_get_error(p->yajl, 0, NULL, 0);
    refuse_syntax(p, offset, str_trim(str_of((const char *)text)));
    yajl_free_error(p->yajl, text);
}

static void run(struct parser *p)
{
    if (yajl_parse(p->yajl, (const unsigned char *)p->text.p, p->text.n) != yajl_status_ok) {
        explain(p, yajl_get_bytes_consumed(p->yajl));
        return;
    }
    if (yajl_complete_parse(p->yajl) != yajl_status_ok) { /* brings a number at the very end */
        explain(p, p->text.n);
        return;
    }
    while (p->at < p->text.n && is_between(p->text.p[p->at]))
        p->at++;
    if (p->at < p->text.n)
        refuse_syntax(p, p->at + 1, STR("invalid character behind the value"));
}

static int parse(struct arena *a, struct str text, size_t most_nodes, struct json **out, struct err *err)
{
    static const yajl_callbacks callbacks = {
        .yajl_null = on_null,
        .yajl_boolean = on_boolean,
        .yajl_number = on_number,
        .yajl_string = on_string,
        .yajl_start_map = on_start_map,
        .yajl_map_key = on_key,
        .yajl_end_map = on_end_map,
        .yajl_start_array = on_start_array,
        .yajl_end_array = on_end_array,
    };
    yajl_alloc_funcs memory = {.malloc = yajl_take, .realloc = yajl_resize, .free = yajl_give};
    struct parser p = {.arena = a, .err = err, .text = text, .most_nodes = most_nodes};

    /* yajl's own check lets overlong forms and surrogates pass, so it is ours, and first. */
    if (!utf8_is_valid(text))
        return err_set(err, ERR_BAD_REQUEST, "JSON text is not valid UTF-8");
    p.yajl = yajl_alloc(&callbacks, &memory, &p);
    yajl_config(p.yajl, yajl_dont_validate_strings, 1);
    run(&p);
    yajl_free(p.yajl);
    mem_free(p.names);
    if (p.rc == 0)
        *out = p.root;
    return p.rc;
}

int json_parse(struct arena *a, struct str text, struct json **out, struct err *err)
{
    return parse(a, text, LIMIT_JSON_NODES, out, err);
}

int json_parse_own(struct arena *a, struct str text, struct json **out, struct err *err)
{
    return parse(a, text, SIZE_MAX, out, err);
}

struct json *json_find(const struct json *object, const char *key)
{
    struct str name = str_of(key);

    if (object == NULL || object->type != JSON_OBJECT)
        return NULL;
    for (struct json *m = object->first; m != NULL; m = m->next)
        if (str_eq(m->key, name))
            return m;
    return NULL;
}

struct json *json_at(const struct json *array, size_t i)
{
    struct json *m;

    if (array == NULL || array->type != JSON_ARRAY || i >= array->count)
        return NULL;
    for (m = array->first; i > 0; i--)
        m = m->next;
    return m;
}

struct str json_text(const struct json *node)
{
    return node != NULL && node->type == JSON_STRING ? node->text : STR_NULL;
}

int64_t json_number(const struct json *node, int64_t fallback)
{
    return node != NULL && node->type == JSON_INT ? node->number : fallback;
}

bool json_truth(const struct json *node, bool fallback)
{
    return node != NULL && node->type == JSON_BOOL ? node->truth : fallback;
}
