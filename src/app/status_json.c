/* SPDX-License-Identifier: MIT */
/* The tables of the status as one JSON document. */
#include "app/status_fields.h"
#include "base/json_write.h"
#include "base/str.h"

#define PERCENT 100.0

/* Objects inside objects, opened and closed as the paths of the fields want it. */
struct document {
    struct json_writer w;
    struct str open; /* path of the innermost object that is open; empty: the outermost */
};

/* "a.b" of "a.b.c"; empty: it stands at the top. */
static struct str parent_of(struct str path)
{
    while (path.n > 0 && path.p[path.n - 1] != '.')
        path.n--;
    if (path.n > 0)
        path.n--;
    return path;
}

static bool is_in(struct str inner, struct str outer)
{
    return outer.n == 0 || str_eq(inner, outer) ||
           (inner.n > outer.n && inner.p[outer.n] == '.' && str_has_prefix(inner, outer));
}

/* Writes the key too. */
static void go_to(struct document *d, struct str path)
{
    struct str parent = parent_of(path), rest, part;

    while (!is_in(parent, d->open)) {
        json_end_object(&d->w);
        d->open = parent_of(d->open);
    }
    rest = str_skip(parent, d->open.n == 0 ? 0 : d->open.n + 1);
    while (rest.n > 0 && str_next(&rest, '.', &part)) {
        json_put_key(&d->w, part);
        json_begin_object(&d->w);
    }
    d->open = parent;
    json_put_key(&d->w, str_skip(path, parent.n == 0 ? 0 : parent.n + 1));
}

static void put_text(struct json_writer *w, struct str text)
{
    if (text.p == NULL)
        json_put_null(w);
    else
        json_put_str(w, text);
}

static void put_histogram(struct json_writer *w, const struct histogram_reading *r)
{
    static const struct {
        const char *name;
        int percent;
    } quantiles[] = {{"p50_us", 50}, {"p90_us", 90}, {"p99_us", 99}};

    json_begin_object(w);
    json_key_u64(w, "count", r->count);
    json_key_u64(w, "mean_us", r->count == 0 ? 0 : r->sum_us / r->count);
    for (size_t i = 0; i < ARRAY_LEN(quantiles); i++)
        json_key_u64(w, quantiles[i].name, histogram_quantile_us(r, quantiles[i].percent / PERCENT));
    json_end_object(w);
}

static void put_time(struct json_writer *w, int64_t at)
{
    if (at == 0)
        json_put_null(w);
    else
        json_put_time(w, at);
}

static void put_value(struct json_writer *w, enum field_kind kind, const void *at)
{
    switch (kind) {
    case FIELD_TEXT:
    case FIELD_BUILD:
        put_text(w, str_of(*(const char *const *)at));
        break;
    case FIELD_STR:
        put_text(w, *(const struct str *)at);
        break;
    case FIELD_CHARS:
        put_text(w, str_of(at));
        break;
    case FIELD_TIME:
        put_time(w, *(const int64_t *)at);
        break;
    case FIELD_NUMBER:
    case FIELD_COUNT:
    case FIELD_CPU_MS:
        json_put_u64(w, *(const uint64_t *)at);
        break;
    case FIELD_US:
    case FIELD_MS:
        json_put_i64(w, *(const int64_t *)at);
        break;
    case FIELD_RATE:
        json_put_real(w, (double)(int64_t)(*(const double *)at * 10) / 10); /* one digit is what it is worth */
        break;
    case FIELD_U32:
        json_put_u64(w, *(const uint32_t *)at);
        break;
    case FIELD_HISTOGRAM:
        put_histogram(w, at);
        break;
    }
}

static void put_fields(struct document *d, const struct status_list *list, const void *item)
{
    for (size_t i = 0; i < list->n_fields; i++) {
        const struct status_field *f = &list->fields[i];

        if (f->path == NULL)
            continue;
        go_to(d, str_of(f->path));
        put_value(&d->w, f->kind, (const char *)item + f->offset);
    }
    for (; d->open.n > 0; d->open = parent_of(d->open))
        json_end_object(&d->w);
}

static void put_list(struct document *d, const struct status_list *list, const struct status *s)
{
    size_t n;
    const char *items = status_items(list, s, &n);

    json_key(&d->w, list->path);
    json_begin_array(&d->w);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(&d->w);
        put_fields(d, list, items + i * list->item_size);
        json_end_object(&d->w);
    }
    json_end_array(&d->w);
}

void status_write_json(const struct status *s, struct buf *out)
{
    struct document d = {.w = JSON_WRITER(out), .open = STR("")};

    json_begin_object(&d.w);
    for (size_t i = 0; i < STATUS_LISTS; i++) {
        if (status_lists[i].path == NULL)
            put_fields(&d, &status_lists[i], s);
        else
            put_list(&d, &status_lists[i], s);
    }
    json_end_object(&d.w);
}
