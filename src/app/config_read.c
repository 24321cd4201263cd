/* SPDX-License-Identifier: MIT */
/* From JSON and from the command line to values. Everything that a value must be is checked here. */
#include "app/config.h"

#include "app/config_internal.h"
#include "app/small_file.h"
#include "base/str.h"
#include "base/utf8.h"

#define NAME_BYTES 256
#define TEXT_BYTES (64 * 1024)
#define ITEMS_MAX 1000
#define FILE_BYTES (1024 * 1024)
#define MASK "***"

/* ---- one value ---- */

static int refuse(const struct config_value *v, struct err *err, const char *wanted)
{
    return err_set(err, ERR_BAD_REQUEST, "%s: expected %s", v->name, wanted);
}

static int check_number(const struct config_value *v, int64_t number, struct err *err)
{
    if (number < v->key->min || number > v->key->max)
        return err_set(err, ERR_BAD_REQUEST, "%s: expected a number from %" PRId64 " to %" PRId64, v->name, v->key->min,
                       v->key->max);
    return 0;
}

static int check_word(const struct config_value *v, struct str text, struct err *err)
{
    CLEANUP(buf_done) struct buf words = BUF_INIT;

    for (const char *const *w = v->key->words; *w != NULL; w++) {
        if (str_is(text, *w))
            return 0;
        buf_addf(&words, "%s%s", w == v->key->words ? "" : ", ", *w);
    }
    return err_set(err, ERR_BAD_REQUEST, "%s: expected one of %s", v->name, words.p);
}

static int check_text(const struct config_value *v, struct str text, struct err *err)
{
    if (text.n == 0)
        return refuse(v, err, "some text; null takes the value away");
    if (text.n > TEXT_BYTES || memchr(text.p, '\0', text.n) != NULL || !utf8_is_valid(text))
        return refuse(v, err, "UTF-8 of at most 64 KiB without NUL");
    if ((v->key->flags & CONFIG_SECRET) != 0 && str_is(text, MASK))
        return refuse(v, err, "the value itself, not the *** that `culm config show` prints");
    if (v->key->check != NULL && v->key->check(text, err) < 0)
        return err_wrap(err, "%s", v->name);
    return v->key->type == CONFIG_WORD ? check_word(v, text, err) : 0;
}

static int take_list(struct config *c, struct config_value *v, const struct str *items, size_t n, struct err *err)
{
    const char **list = arena_alloc(&c->arena, (n + 1) * sizeof(*list));

    for (size_t i = 0; i < n; i++) {
        int rc = check_text(v, items[i], err);

        if (rc < 0)
            return rc;
        list[i] = arena_str(&c->arena, items[i]).p;
    }
    list[n] = NULL;
    v->list = list;
    return 0;
}

static int take_json_list(struct config *c, struct config_value *v, const struct json *node, struct err *err)
{
    struct str items[ITEMS_MAX];
    size_t n = 0;

    if (node->type != JSON_ARRAY || node->count > ITEMS_MAX)
        return refuse(v, err, "a list of at most 1000 texts");
    for (const struct json *m = node->first; m != NULL; m = m->next) {
        if (m->type != JSON_STRING)
            return refuse(v, err, "a list of texts");
        items[n++] = m->text;
    }
    return take_list(c, v, items, n, err);
}

static int take_string(struct config *c, struct config_value *v, struct str text, struct err *err)
{
    int rc = check_text(v, text, err);

    if (rc == 0)
        v->text = arena_str(&c->arena, text).p;
    return rc;
}

static int take_amount(struct config_value *v, struct str text, struct err *err)
{
    int64_t micros;

    if (!micros_read(text, &micros) || micros < v->key->min || micros > v->key->max)
        return err_set(err, ERR_BAD_REQUEST,
                       "%s: expected an amount from %" PRId64 " to %" PRId64
                       " with at most six digits after the point, such as 1.25",
                       v->name, v->key->min / MICROS_PER_ONE, v->key->max / MICROS_PER_ONE);
    v->number = micros;
    return 0;
}

static int take_number(struct config_value *v, int64_t number, struct err *err)
{
    int rc = check_number(v, number, err);

    if (rc == 0)
        v->number = number;
    return rc;
}

int config_take_json(struct config *c, struct config_value *v, const struct json *node, struct err *err)
{
    if (node->type == JSON_NULL) {
        config_drop_value(v);
        return 0;
    }
    switch (v->key->type) {
    case CONFIG_BOOL:
        if (node->type != JSON_BOOL)
            return refuse(v, err, "true or false");
        v->truth = node->truth;
        return 0;
    case CONFIG_NUMBER:
        return node->type == JSON_INT ? take_number(v, node->number, err) : refuse(v, err, "a whole number");
    case CONFIG_AMOUNT: /* as it is written, since a double would not hold it */
        return take_amount(v, node->type == JSON_INT || node->type == JSON_REAL ? node->raw : STR_NULL, err);
    case CONFIG_TEXT:
    case CONFIG_WORD:
        return node->type == JSON_STRING ? take_string(c, v, node->text, err) : refuse(v, err, "a text");
    case CONFIG_LIST:
        return take_json_list(c, v, node, err);
    }
    return 0;
}

static int take_text_list(struct config *c, struct config_value *v, struct str text, struct err *err)
{
    struct str items[ITEMS_MAX], rest = text, item;
    struct json *node = NULL;
    size_t n = 0;

    if (str_has_prefix(text, STR("["))) {
        int rc = json_parse(&c->arena, text, &node, err);

        return rc < 0 ? err_wrap(err, "%s", v->name) : take_json_list(c, v, node, err);
    }
    while (text.n > 0 && str_next(&rest, ',', &item)) {
        if (n == ITEMS_MAX)
            return refuse(v, err, "a list of at most 1000 texts");
        items[n++] = str_trim(item);
    }
    return take_list(c, v, items, n, err);
}

int config_take_text(struct config *c, struct config_value *v, struct str text, struct err *err)
{
    int64_t number;

    switch (v->key->type) {
    case CONFIG_BOOL:
        if (!str_is(text, "true") && !str_is(text, "false"))
            return refuse(v, err, "true or false");
        v->truth = str_is(text, "true");
        return 0;
    case CONFIG_NUMBER:
        return str_to_i64(text, &number) ? take_number(v, number, err) : refuse(v, err, "a whole number");
    case CONFIG_AMOUNT:
        return take_amount(v, text, err);
    case CONFIG_TEXT:
    case CONFIG_WORD:
        return take_string(c, v, text, err);
    case CONFIG_LIST:
        return take_text_list(c, v, text, err);
    }
    return 0;
}

int config_set(struct config *c, struct str name, struct str value, enum config_origin origin, struct err *err)
{
    struct str owner;
    const struct config_key *key = config_find_key(name, &owner);
    struct config_value *v;
    int rc;

    if (key == NULL)
        return config_unknown(name, err);
    v = config_put_value(c, key, name, owner);
    if (str_is(value, "null")) {
        config_drop_value(v);
        return 0;
    }
    rc = config_take_text(c, v, value, err);
    if (rc == 0)
        v->origin = origin;
    return rc;
}

/* ---- a file ---- */

/* An object of its own at this depth: a section, or one provider or model (whose name may hold dots). */
static bool is_inner(struct str name, unsigned depth)
{
    struct str section, rest = name;

    if (depth == 2) {
        enum config_family family;

        if (!str_next(&rest, '.', &section) || rest.p == NULL)
            return false;
        family = str_is(section, "providers") ? CONFIG_OF_PROVIDER
                 : str_is(section, "models")  ? CONFIG_OF_MODEL
                                              : CONFIG_PLAIN;
        return config_owner_is_valid(family, rest);
    }
    for (size_t i = 0; depth == 1 && i < CONFIG_KEY_COUNT; i++)
        if (str_eq(config_section_of(str_of(config_keys[i].name)), name))
            return true;
    return false;
}

static int read_member(struct config *c, struct buf *path, unsigned depth, const struct json *node, struct err *err);

static int read_members(struct config *c, struct buf *path, unsigned depth, const struct json *object, struct err *err)
{
    for (const struct json *m = object->first; m != NULL; m = m->next) {
        size_t before = path->n;
        int rc;

        if (before + m->key.n + 1 > NAME_BYTES)
            return err_set(err, ERR_BAD_REQUEST, "a key of more than %d bytes", NAME_BYTES);
        buf_addf(path, "%s" STR_FMT, before > 0 ? "." : "", STR_ARG(m->key));
        rc = read_member(c, path, depth, m, err);
        if (rc < 0)
            return rc;
        path->n = before;
    }
    return 0;
}

static int read_key(struct config *c, const struct config_key *key, struct str name, struct str owner,
                    const struct json *node, struct err *err)
{
    struct config_value *v = config_put_value(c, key, name, owner);
    int rc = config_take_json(c, v, node, err);

    if (rc == 0 && node->type != JSON_NULL)
        v->origin = CONFIG_FROM_FILE;
    return rc;
}

static int read_member(struct config *c, struct buf *path, unsigned depth, const struct json *node, struct err *err)
{
    struct str name = buf_str(path), owner;
    const struct config_key *key = config_find_key(name, &owner);
    bool is_filled = node->type == JSON_OBJECT && node->count > 0;

    if (is_inner(name, depth)) {
        if (node->type != JSON_OBJECT)
            return err_set(err, ERR_BAD_REQUEST, STR_FMT ": expected an object", STR_ARG(name));
        return read_members(c, path, depth + 1, node, err);
    }
    if (key != NULL && depth == (config_family_of(key) == CONFIG_PLAIN ? 2 : 3))
        return read_key(c, key, name, owner, node, err);
    if (key != NULL)
        return err_set(err, ERR_BAD_REQUEST, STR_FMT ": sections are objects of their own: {\"server\": {\"port\": 1}}",
                       STR_ARG(name));
    /* What is unknown is named down to its first key, so that the nearest known one means something. */
    if (is_filled)
        return read_members(c, path, depth + 1, node, err);
    config_unknown(name, err);
    if (err != NULL)
        err->code = ERR_BAD_REQUEST;
    return -ERR_BAD_REQUEST;
}

static int read_revisions(struct config *c, const struct json *node, struct err *err)
{
    for (const struct json *m = node->first; m != NULL; m = m->next) {
        if (m->type != JSON_INT || m->number < 0)
            return err_set(err, ERR_BAD_REQUEST, "revisions: expected numbers from 0");
        config_set_revision(c, m->key, (uint64_t)m->number);
    }
    return 0;
}

int config_read_text(struct config *c, struct str text, struct err *err)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT;
    struct json *root = NULL;
    int rc = json_parse(&c->arena, text, &root, err);

    if (rc < 0)
        return rc;
    if (root->type != JSON_OBJECT)
        return err_set(err, ERR_BAD_REQUEST, "expected one JSON object");
    for (struct json *m = root->first, **link = &root->first; m != NULL; link = &m->next, m = m->next) {
        if (!str_is(m->key, "revisions"))
            continue;
        if (m->type != JSON_OBJECT)
            return err_set(err, ERR_BAD_REQUEST, "revisions: expected an object");
        rc = read_revisions(c, m, err);
        if (rc < 0)
            return rc;
        *link = m->next;
        break;
    }
    return read_members(c, &path, 1, root, err);
}

int config_read_file(struct config *c, const char *path, bool must_exist, struct err *err)
{
    CLEANUP(buf_done) struct buf text = BUF_CAPPED(FILE_BYTES);
    int rc = small_file_read(path, &text, err);

    if (rc == -ERR_NOT_FOUND && !must_exist)
        return 0;
    if (rc < 0)
        return rc;
    rc = config_read_text(c, arena_str(&c->arena, buf_str(&text)), err);
    return rc < 0 ? err_wrap(err, "%s", path) : 0;
}
