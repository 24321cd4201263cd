/* SPDX-License-Identifier: MIT */
/*
 * What is accepted holds what json.h promises: spans lie inside one another, text is UTF-8, and
 * writing the tree anew gives the same tree. What is refused has a reason that is UTF-8 too.
 */
#include "base/json.h"
#include "base/json_write.h"
#include "base/str.h"
#include "base/utf8.h"
#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_node(struct json_writer *w, const struct json *node);

static void write_members(struct json_writer *w, const struct json *node)
{
    for (const struct json *m = node->first; m != NULL; m = m->next) {
        if (node->type == JSON_OBJECT)
            json_put_key(w, m->key);
        write_node(w, m);
    }
}

static void write_node(struct json_writer *w, const struct json *node)
{
    switch (node->type) {
    case JSON_NULL:
        json_put_null(w);
        break;
    case JSON_BOOL:
        json_put_bool(w, node->truth);
        break;
    case JSON_INT:
        json_put_i64(w, node->number);
        break;
    case JSON_REAL:
        json_put_real(w, node->real);
        break;
    case JSON_STRING:
        json_put_str(w, node->text);
        break;
    case JSON_ARRAY:
        json_begin_array(w);
        write_members(w, node);
        json_end_array(w);
        break;
    case JSON_OBJECT:
        json_begin_object(w);
        write_members(w, node);
        json_end_object(w);
        break;
    }
}

/* A real such as 1.0 is written as the integer 1: the number is the same. */
static bool is_number(const struct json *node)
{
    return node->type == JSON_INT || node->type == JSON_REAL;
}

static void check_same(const struct json *a, const struct json *b)
{
    const struct json *x = a->first, *y = b->first;

    CHECK(a->type == b->type || (is_number(a) && is_number(b)));
    CHECK(a->truth == b->truth && a->count == b->count && !(a->real < b->real) && !(a->real > b->real));
    CHECK(str_eq(a->text, b->text) && str_eq(a->key, b->key));
    for (; x != NULL && y != NULL; x = x->next, y = y->next)
        check_same(x, y);
    CHECK(x == NULL && y == NULL);
}

/* Returns the place behind the node. */
static const char *check_node(const struct json *node, const char *from, const char *to)
{
    static const char *const begins[] = {"n", "tf", "-0123456789", "-0123456789", "\"", "[", "{"};
    const char *at = node->raw.p + 1, *end = node->raw.p + node->raw.n;
    size_t count = 0;

    CHECK(node->raw.n > 0 && node->raw.p >= from && end <= to);
    CHECK(strchr(begins[node->type], node->raw.p[0]) != NULL);
    CHECK(utf8_is_valid(node->text) && utf8_is_valid(node->key));
    CHECK(node->key.n == 0 || memchr(node->key.p, '\0', node->key.n) == NULL);
    if (node->type == JSON_STRING || node->type == JSON_ARRAY || node->type == JSON_OBJECT)
        CHECK(node->raw.n >= 2 && end[-1] == (node->type == JSON_STRING ? '"' : node->type == JSON_ARRAY ? ']' : '}'));
    for (const struct json *m = node->first; m != NULL; m = m->next, count++) {
        at = check_node(m, at, end - 1);
        CHECK(node->type != JSON_ARRAY || json_at(node, count) == m || count > 16);
    }
    CHECK(count == node->count);
    return end;
}

static void check_accepted(const struct json *root, struct str text)
{
    CLEANUP(buf_done) struct buf written = BUF_INIT;
    struct json_writer w = JSON_WRITER(&written);
    struct json *again = NULL;
    struct arena arena;

    CHECK(str_eq(root->raw, str_trim(text)));
    check_node(root, text.p, text.p + text.n);
    write_node(&w, root);
    arena_init(&arena);
    CHECK(json_parse(&arena, buf_str(&written), &again, NULL) == 0);
    check_same(root, again);
    CHECK(json_parse(&arena, root->raw, &again, NULL) == 0);
    check_same(root, again);
    arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct err err = {.code = ERR_OK};
    struct json *root = NULL;
    struct arena arena;
    int rc;

    arena_init(&arena);
    rc = json_parse(&arena, text, &root, &err);
    if (rc == 0) {
        check_accepted(root, text);
    } else {
        CHECK(rc == -(int)err.code && root == NULL);
        CHECK(err.code == ERR_BAD_REQUEST || err.code == ERR_TOO_BIG);
        CHECK(err.text[0] != '\0' && utf8_is_valid(str_of(err.text)));
    }
    arena_done(&arena);
    return 0;
}
