/* SPDX-License-Identifier: MIT */
/* Values as JSON: for `culm config show`, and back into the file. */
#include "app/config.h"
#include "app/config_internal.h"
#include "app/small_file.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>

#define FILE_BYTES (1024 * 1024)

/* ---- writing ---- */

/* The name of a variable is none. */
static bool is_secret(const struct config_value *v)
{
    return (v->key->flags & CONFIG_SECRET) != 0 && !str_has_prefix(str_of(v->text), STR("env:"));
}

void config_write_value(struct json_writer *w, const struct config_value *v, bool mask)
{
    CLEANUP(buf_done) struct buf amount = BUF_INIT;

    switch (v->key->type) {
    case CONFIG_BOOL:
        json_put_bool(w, v->truth);
        break;
    case CONFIG_NUMBER:
        json_put_i64(w, v->number);
        break;
    case CONFIG_AMOUNT:
        if (v->number == CONFIG_NO_AMOUNT) {
            json_put_null(w);
            break;
        }
        micros_write(v->number, &amount);
        json_put_raw(w, buf_str(&amount));
        break;
    case CONFIG_TEXT:
    case CONFIG_WORD:
        if (v->text == NULL)
            json_put_null(w);
        else
            json_put_str(w, mask && is_secret(v) ? STR("***") : str_of(v->text));
        break;
    case CONFIG_LIST:
        json_begin_array(w);
        for (const char *const *p = v->list; *p != NULL; p++)
            json_put_str(w, str_of(*p));
        json_end_array(w);
        break;
    }
}

static struct str last_part(const struct config_value *v)
{
    const char *dot = strrchr(v->key->name, '.');

    return str_of(dot + 1);
}

/* What is written: the values that the filter wants, in the order of the table, and of the owners. */
struct selection {
    const struct config *c;
    bool (*wanted)(const struct config_value *v, struct str arg);
    struct str arg;
    bool mask;
};

static void write_owner(const struct selection *s, enum config_family family, const char *owner, struct json_writer *w)
{
    bool begun = false;

    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
        const struct config_value *v;

        if (config_family_of(&config_keys[i]) != family)
            continue;
        v = config_owner_value(s->c, owner, (enum config_id)i);
        if (v == &s->c->values[i] || !s->wanted(v, s->arg))
            continue;
        if (!begun) {
            json_put_key(w, str_of(owner));
            json_begin_object(w);
        }
        begun = true;
        json_put_key(w, last_part(v));
        config_write_value(w, v, s->mask);
    }
    if (begun)
        json_end_object(w);
}

static void write_section(const struct selection *s, struct str section, struct json_writer *w)
{
    CLEANUP(buf_done) struct buf body = BUF_INIT;
    struct json_writer inner = JSON_WRITER(&body);
    enum config_family family = CONFIG_PLAIN;

    json_begin_object(&inner);
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
        const struct config_value *v = &s->c->values[i];

        if (!str_eq(config_section_of(str_of(v->name)), section))
            continue;
        family = config_family_of(v->key);
        if (family != CONFIG_PLAIN || !s->wanted(v, s->arg))
            continue;
        json_put_key(&inner, last_part(v));
        config_write_value(&inner, v, s->mask);
    }
    for (size_t i = 0; i < s->c->owners[family].n; i++)
        write_owner(s, family, s->c->owners[family].names[i], &inner);
    if (body.n == 1) /* nothing of it is wanted */
        return;
    json_end_object(&inner);
    json_put_key(w, section);
    json_put_raw(w, buf_str(&body));
}

void config_write_json(const struct config *c, bool (*wanted)(const struct config_value *v, struct str arg),
                       struct str arg, bool mask, struct buf *out)
{
    const struct selection s = {c, wanted, arg, mask};
    struct json_writer w = JSON_WRITER(out);
    struct str section = STR_NULL;

    json_begin_object(&w);
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
        struct str next = config_section_of(str_of(config_keys[i].name));

        if (str_eq(next, section))
            continue;
        section = next;
        write_section(&s, section, &w);
    }
    if (c->n_revisions > 0 && arg.n == 0) {
        json_key(&w, "revisions");
        json_begin_object(&w);
        for (size_t i = 0; i < c->n_revisions; i++) {
            json_put_key(&w, str_of(c->revisions[i].section));
            json_put_u64(&w, c->revisions[i].revision);
        }
        json_end_object(&w);
    }
    json_end_object(&w);
}

static void new_line(struct buf *out, unsigned depth)
{
    buf_add_char(out, '\n');
    for (unsigned i = 0; i < 2 * depth; i++)
        buf_add_char(out, ' ');
}

/* The text is what our writer wrote: no blanks between the values. Ends in a line end. */
void json_indent(struct str json, struct buf *out)
{
    unsigned depth = 0;
    bool in_text = false;

    for (size_t i = 0; i < json.n; i++) {
        char c = json.p[i], next = i + 1 < json.n ? json.p[i + 1] : '\0';

        if (in_text) {
            buf_add_char(out, c);
            if (c == '\\')
                buf_add_char(out, json.p[++i]);
            else if (c == '"')
                in_text = false;
            continue;
        }
        if (c == '}' || c == ']')
            depth--;
        if ((c == '}' || c == ']') && json.p[i - 1] != '{' && json.p[i - 1] != '[')
            new_line(out, depth);
        buf_add_char(out, c);
        in_text = c == '"';
        if (c == '{' || c == '[')
            depth++;
        if (((c == '{' || c == '[') && next != '}' && next != ']') || c == ',')
            new_line(out, depth);
        else if (c == ':')
            buf_add_char(out, ' ');
    }
    buf_add_char(out, '\n');
}

/* ---- show ---- */

static bool is_under(const struct config_value *v, struct str name)
{
    struct str s = str_of(v->name);

    return name.n == 0 || str_eq(s, name) || (str_has_prefix(s, name) && s.p[name.n] == '.');
}

int config_show(const struct config *c, struct str name, struct buf *out, struct err *err)
{
    CLEANUP(buf_done) struct buf json = BUF_INIT;
    struct json_writer w = JSON_WRITER(&json);
    struct str owner;

    if (config_find_key(name, &owner) != NULL) {
        const struct config_value *v = config_find_value(c, name);

        if (v == NULL)
            return err_set(err, ERR_NOT_FOUND, STR_FMT " is not set", STR_ARG(name));
        config_write_value(&w, v, true);
    } else {
        config_write_json(c, is_under, name, true, &json);
        if (name.n > 0 && json.n == 2)
            return config_unknown(name, err);
    }
    json_indent(buf_str(&json), out);
    return 0;
}

/* ---- change ---- */

static bool is_of_file(const struct config_value *v, struct str arg UNUSED)
{
    return v->origin == CONFIG_FROM_FILE;
}

static int raise(struct config *c, struct str section, int64_t expected, uint64_t *out_revision, struct err *err)
{
    uint64_t revision = config_revision(c, section);

    if (expected >= 0 && (uint64_t)expected != revision)
        return err_set(err, ERR_CONFLICT, STR_FMT ": the revision is %" PRIu64 ", not %" PRId64 "; look again first",
                       STR_ARG(section), revision, expected);
    *out_revision = revision + 1;
    config_set_revision(c, section, revision + 1);
    return 0;
}

/* An editor knows nothing of our lock; what it saved meanwhile is not overwritten. */
static int write_if_same(const char *path, struct str before, struct str after, struct err *err)
{
    CLEANUP(buf_done) struct buf now = BUF_CAPPED(FILE_BYTES);
    int rc = small_file_read(path, &now, err);

    if (rc < 0 && rc != -ERR_NOT_FOUND)
        return rc;
    if (!str_eq(buf_str(&now), before))
        return err_set(err, ERR_CONFLICT, "%s was changed meanwhile; try again", path);
    return small_file_write(path, after, err);
}

static int change_locked(const char *path, struct str name, struct str value, int64_t expected, uint64_t *out_revision,
                         struct err *err)
{
    CLEANUP(buf_done) struct buf before = BUF_CAPPED(FILE_BYTES), json = BUF_INIT, after = BUF_INIT;
    struct config *c;
    uint64_t revision = 0;
    int rc = small_file_read(path, &before, err);

    if (rc < 0 && rc != -ERR_NOT_FOUND)
        return rc;
    c = config_new();
    rc = before.n > 0 ? config_read_text(c, buf_str(&before), err) : 0;
    if (rc < 0)
        err_wrap(err, "%s", path);
    if (rc == 0)
        rc = config_set(c, name, value, CONFIG_FROM_FILE, err);
    if (rc == 0)
        rc = raise(c, config_section_of(name), expected, &revision, err);
    if (rc == 0) {
        config_write_json(c, is_of_file, STR_NULL, false, &json);
        json_indent(buf_str(&json), &after);
        rc = write_if_same(path, buf_str(&before), buf_str(&after), err);
    }
    if (rc == 0)
        *out_revision = revision;
    config_free(c);
    return rc;
}

int config_change_file(const char *path, struct str name, struct str value, int64_t expected, uint64_t *out_revision,
                       struct err *err)
{
    int fd, rc = small_file_lock(path, &fd, err);

    if (rc < 0)
        return rc;
    rc = change_locked(path, name, value, expected, out_revision, err);
    small_file_unlock(fd);
    return rc;
}
