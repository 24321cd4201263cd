/* SPDX-License-Identifier: MIT */
#include "base/record.h"

#include "base/str.h"
#include "base/utf8.h"

#define PATH_SHOWN 100       /* bytes of a path in an error text */
#define KEY_SHOWN 40         /* bytes of an unknown name in it */
#define NAMES_SHOWN 100      /* bytes of the list of choices in it */
#define SUGGEST_KEY_BYTES 64 /* longer names are nobody's slip, and the distance costs the product of lengths */
#define SUGGEST_DISTANCE(n) ((n) / 3 + 1)

/* Where we are, as a chain on the stack: a member of the record, or item `index` of a list. */
struct place {
    const struct place *up;
    const char *name; /* NULL: an item */
    size_t index;
};

struct reader {
    const struct record *root;
    struct arena *arena;
    struct err *err;
};

static int read_members(const struct reader *rd, const struct record *r, const struct json *node,
                        const struct place *at, void *out);
static bool is_zero(const struct record_field *f, const void *in);

static void write_path(struct buf *path, const struct place *at)
{
    if (at == NULL)
        return;
    write_path(path, at->up);
    if (at->name == NULL)
        buf_addf(path, "[%zu]", at->index);
    else
        buf_addf(path, "%s%s", path->n > 0 ? "." : "", at->name);
}

static int refuse(const struct reader *rd, const struct place *at, struct str what)
{
    CLEANUP(buf_done) struct buf path = BUF_CAPPED(PATH_SHOWN);

    write_path(&path, at);
    return err_set(rd->err, ERR_BAD_REQUEST, "%s: " STR_FMT "%s%s" STR_FMT, rd->root->what, STR_ARG(buf_str(&path)),
                   path.full ? "..." : "", path.n > 0 ? ": " : "", STR_ARG(what));
}

static void *member(void *out, const struct record_field *f)
{
    return (char *)out + f->offset;
}

static const void *member_of(const void *in, const struct record_field *f)
{
    return (const char *)in + f->offset;
}

static int read_number(const struct reader *rd, const struct record_field *f, const struct json *node,
                       const struct place *at, void *to)
{
    int64_t low = f->type == RECORD_I64 ? INT64_MIN : 0;
    int64_t high = f->type == RECORD_U32 ? UINT32_MAX : INT64_MAX;

    if (node->type != JSON_INT)
        return refuse(rd, at, STR("expected an integer"));
    if (f->max > f->min) {
        low = f->min > low ? f->min : low;
        high = f->max < high ? f->max : high;
    }
    if (node->number < low)
        return refuse(rd, at, arena_strf(rd->arena, "must be at least %" PRId64, low));
    if (node->number > high)
        return refuse(rd, at, arena_strf(rd->arena, "must be at most %" PRId64, high));
    if (f->type == RECORD_U32)
        *(uint32_t *)to = (uint32_t)node->number;
    else if (f->type == RECORD_U64)
        *(uint64_t *)to = (uint64_t)node->number;
    else
        *(int64_t *)to = node->number;
    return 0;
}

static int read_bool(const struct reader *rd, const struct json *node, const struct place *at, bool *to)
{
    if (node->type != JSON_BOOL)
        return refuse(rd, at, STR("expected true or false"));
    *to = node->truth;
    return 0;
}

/* RECORD_STR and RECORD_RAW. */
static int read_text(const struct reader *rd, const struct record_field *f, const struct json *node,
                     const struct place *at, struct str *to)
{
    struct str s = f->type == RECORD_RAW ? node->raw : node->text;

    if (f->type == RECORD_STR && node->type != JSON_STRING)
        return refuse(rd, at, STR("expected a string"));
    if (f->max > 0 && s.n > (uint64_t)f->max)
        return refuse(rd, at, arena_strf(rd->arena, "longer than %" PRId64 " bytes", f->max));
    *to = s;
    return 0;
}

static int read_enum(const struct reader *rd, const struct record_field *f, const struct json *node,
                     const struct place *at, int *to)
{
    CLEANUP(buf_done) struct buf what = BUF_CAPPED(NAMES_SHOWN);
    int listed = 0;

    if (node->type == JSON_STRING) {
        for (int i = 0; f->names[i] != NULL; i++) {
            if (str_is(node->text, f->names[i])) {
                *to = i;
                return 0;
            }
        }
    }
    buf_add_str(&what, STR("expected one of"));
    for (int i = 0; f->names[i] != NULL; i++)
        if (f->names[i][0] != '\0') /* which stands for none of them */
            buf_addf(&what, "%s \"%s\"", listed++ == 0 ? "" : ",", f->names[i]);
    if (what.full) {
        what.full = false;
        what.max = 0;
        buf_add_str(&what, STR(", ..."));
    }
    return refuse(rd, at, buf_str(&what));
}

static int read_list(const struct reader *rd, const struct record_field *f, const struct json *node,
                     const struct place *at, struct record_list *to)
{
    struct place item = {.up = at};
    char *items;

    if (node->type != JSON_ARRAY)
        return refuse(rd, at, STR("expected an array"));
    if (f->max > 0 && node->count > (uint64_t)f->max)
        return refuse(rd, at, arena_strf(rd->arena, "more than %" PRId64 " items", f->max));
    items = arena_zalloc(rd->arena, node->count * f->of->size);
    for (const struct json *m = node->first; m != NULL; m = m->next, item.index++) {
        int rc = read_members(rd, f->of, m, &item, items + item.index * f->of->size);

        if (rc < 0)
            return rc;
    }
    *to = (struct record_list){items, node->count};
    return 0;
}

static int read_field(const struct reader *rd, const struct record_field *f, const struct json *node,
                      const struct place *at, void *to)
{
    switch (f->type) {
    case RECORD_BOOL:
        return read_bool(rd, node, at, to);
    case RECORD_U32:
    case RECORD_I64:
    case RECORD_U64:
        return read_number(rd, f, node, at, to);
    case RECORD_STR:
    case RECORD_RAW:
        return read_text(rd, f, node, at, to);
    case RECORD_ENUM:
        return read_enum(rd, f, node, at, to);
    case RECORD_OBJECT:
        return read_members(rd, f->of, node, at, to);
    case RECORD_LIST:
        return read_list(rd, f, node, at, to);
    }
    assert(false); /* no such type of field */
    return 0;
}

static int refuse_unknown(const struct reader *rd, const struct record *r, struct str key, const struct place *at)
{
    CLEANUP(buf_done) struct buf what = BUF_INIT;
    struct str shown = {key.p, utf8_floor(key, KEY_SHOWN)};
    const char *nearest = NULL;
    size_t least = SUGGEST_DISTANCE(key.n) + 1;

    for (size_t i = 0; i < r->count && key.n <= SUGGEST_KEY_BYTES; i++) {
        size_t d = str_distance(key, str_of(r->fields[i].name));

        if (d < least) {
            least = d;
            nearest = r->fields[i].name;
        }
    }
    buf_addf(&what, "unknown key \"" STR_FMT "%s\"", STR_ARG(shown), shown.n < key.n ? "..." : "");
    if (nearest != NULL)
        buf_addf(&what, "; did you mean \"%s\"?", nearest);
    return refuse(rd, at, buf_str(&what));
}

static int check_names(const struct reader *rd, const struct record *r, const struct json *node, const struct place *at)
{
    if (r->count == 0 || (r->fields[0].flags & RECORD_STRICT) == 0)
        return 0;
    for (const struct json *m = node->first; m != NULL; m = m->next) {
        size_t i = 0;

        while (i < r->count && !str_is(m->key, r->fields[i].name))
            i++;
        if (i == r->count)
            return refuse_unknown(rd, r, m->key, at);
    }
    return 0;
}

static int read_members(const struct reader *rd, const struct record *r, const struct json *node,
                        const struct place *at, void *out)
{
    int rc;

    if (node == NULL || node->type != JSON_OBJECT)
        return refuse(rd, at, STR("expected an object"));
    rc = check_names(rd, r, node, at);
    for (size_t i = 0; i < r->count && rc == 0; i++) {
        const struct record_field *f = &r->fields[i];
        const struct json *m = json_find(node, f->name);
        struct place here = {.up = at, .name = f->name};

        if (m != NULL && m->type == JSON_NULL && (f->flags & RECORD_NULLABLE) != 0)
            m = NULL;
        if (m != NULL)
            rc = read_field(rd, f, m, &here, member(out, f));
        else if ((f->flags & RECORD_REQUIRED) != 0)
            rc = refuse(rd, &here, STR("is missing"));
    }
    return rc;
}

int record_read(const struct record *r, const struct json *node, struct arena *a, void *out, struct err *err)
{
    struct reader rd = {.root = r, .arena = a, .err = err};
    void *draft = arena_alloc(a, r->size); /* a failure leaves *out alone */
    int rc;

    memcpy(draft, out, r->size);
    rc = read_members(&rd, r, node, NULL, draft);
    if (rc == 0)
        memcpy(out, draft, r->size);
    return rc;
}

static bool all_zero(const struct record *r, const void *in)
{
    for (size_t i = 0; i < r->count; i++)
        if (!is_zero(&r->fields[i], member_of(in, &r->fields[i])))
            return false;
    return true;
}

static bool is_zero(const struct record_field *f, const void *in)
{
    switch (f->type) {
    case RECORD_BOOL:
        return !*(const bool *)in;
    case RECORD_U32:
        return *(const uint32_t *)in == 0;
    case RECORD_I64:
        return *(const int64_t *)in == 0;
    case RECORD_U64:
        return *(const uint64_t *)in == 0;
    case RECORD_STR:
    case RECORD_RAW:
        return ((const struct str *)in)->n == 0;
    case RECORD_ENUM:
        return *(const int *)in == 0;
    case RECORD_OBJECT:
        return all_zero(f->of, in);
    case RECORD_LIST:
        return ((const struct record_list *)in)->count == 0;
    }
    return false;
}

static const char *enum_name(const struct record_field *f, int value)
{
    for (int i = 0; f->names[i] != NULL; i++)
        if (i == value)
            return f->names[i];
    assert(false); /* no such value of the enum */
    return "";
}

static void write_list(const struct record *of, const struct record_list *list, struct json_writer *w)
{
    json_begin_array(w);
    for (size_t i = 0; i < list->count; i++) {
        json_begin_object(w);
        record_write(of, (const char *)list->items + i * of->size, w);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_u64(uint64_t v, struct json_writer *w)
{
    assert(v <= INT64_MAX); /* could not be read again */
    json_put_u64(w, v);
}

static void write_raw(struct str raw, struct json_writer *w)
{
    json_put_raw(w, raw.n == 0 ? STR("null") : raw);
}

static void write_field(const struct record_field *f, const void *in, struct json_writer *w)
{
    switch (f->type) {
    case RECORD_BOOL:
        json_put_bool(w, *(const bool *)in);
        break;
    case RECORD_U32:
        json_put_u64(w, *(const uint32_t *)in);
        break;
    case RECORD_I64:
        json_put_i64(w, *(const int64_t *)in);
        break;
    case RECORD_U64:
        write_u64(*(const uint64_t *)in, w);
        break;
    case RECORD_STR:
        json_put_str(w, *(const struct str *)in);
        break;
    case RECORD_RAW:
        write_raw(*(const struct str *)in, w);
        break;
    case RECORD_ENUM:
        json_put_str(w, str_of(enum_name(f, *(const int *)in)));
        break;
    case RECORD_OBJECT:
        json_begin_object(w);
        record_write(f->of, in, w);
        json_end_object(w);
        break;
    case RECORD_LIST:
        write_list(f->of, in, w);
        break;
    }
}

void record_write(const struct record *r, const void *in, struct json_writer *w)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct record_field *f = &r->fields[i];

        if ((f->flags & RECORD_ALWAYS) == 0 && is_zero(f, member_of(in, f)))
            continue;
        json_key(w, f->name);
        write_field(f, member_of(in, f), w);
    }
}
