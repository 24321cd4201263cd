/* SPDX-License-Identifier: MIT */
/*
 * The tables of the status in the text format of Prometheus, version 0.0.4: families of samples in base units, each
 * with its HELP and TYPE, all samples of a family together.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */
#include "app/status_fields.h"
#include "base/str.h"

enum { DIGITS_MS = 3, DIGITS_US = 6 };

static void put_escaped(struct str value, struct buf *out)
{
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];

        if (c == '\n') {
            buf_add_str(out, STR("\\n"));
            continue;
        }
        if (c == '"' || c == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, c);
    }
}

/* A number of thousandths or millionths in whole units, with no digit more than needed. */
static void put_decimal(uint64_t value, int digits, struct buf *out)
{
    size_t before = out->n;
    uint64_t unit = 1;

    for (int i = 0; i < digits; i++)
        unit *= 10;
    buf_addf(out, "%" PRIu64 ".%0*" PRIu64, value / unit, digits, value % unit);
    while (out->n > before && (out->p[out->n - 1] == '0' || out->p[out->n - 1] == '.')) {
        bool was_point = out->p[out->n - 1] == '.';

        out->p[--out->n] = '\0';
        if (was_point)
            break;
    }
}

/* ---- one family ---- */

struct sample {
    struct buf *out;
    const struct status_field *field;
    const struct status_list *list;
    const void *item;
};

static const char *type_of(enum field_kind kind)
{
    if (kind == FIELD_HISTOGRAM)
        return "histogram";
    return kind == FIELD_COUNT || kind == FIELD_CPU_MS ? "counter" : "gauge";
}

static void put_family(const struct status_field *f, struct buf *out)
{
    buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", f->metric, f->help, f->metric, type_of(f->kind));
}

static struct str label_text(enum field_kind kind, const void *at)
{
    return str_of(kind == FIELD_CHARS ? at : *(const char *const *)at);
}

static void put_label(const char *name, struct str value, const char **comma, struct buf *out)
{
    buf_addf(out, "%s%s=\"", *comma, name);
    put_escaped(value, out);
    buf_add_char(out, '"');
    *comma = ",";
}

/* Name and labels; `bound` is the one of a histogram's bucket, or NULL. */
static void put_name(const struct sample *s, const char *suffix, const char *bound)
{
    const struct status_field *f = s->field;
    const char *comma = "";
    struct buf *out = s->out;
    size_t before;

    buf_addf(out, "%s%s{", f->metric, suffix);
    before = out->n;
    for (const struct status_label *l = s->list->labels; l->name != NULL; l++)
        put_label(l->name, label_text(l->kind, (const char *)s->item + l->offset), &comma, out);
    if (f->kind == FIELD_BUILD) {
        put_label(f->labels, label_text(f->kind, (const char *)s->item + f->offset), &comma, out);
    } else if (f->labels != NULL) {
        buf_addf(out, "%s%s", comma, f->labels);
        comma = ",";
    }
    if (bound != NULL)
        put_label("le", str_of(bound), &comma, out);
    if (out->n == before)
        out->p[--out->n] = '\0'; /* no braces around nothing */
    else
        buf_add_char(out, '}');
    buf_add_char(out, ' ');
}

static void put_bucket(const struct sample *s, const char *bound, uint64_t count)
{
    put_name(s, "_bucket", bound);
    buf_addf(s->out, "%" PRIu64 "\n", count);
}

static void put_histogram(const struct sample *s, const struct histogram_reading *r)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
        CLEANUP(buf_done) struct buf bound = BUF_INIT;

        put_decimal((uint64_t)histogram_bounds_us[i], DIGITS_US, &bound);
        sum += r->buckets[i];
        put_bucket(s, bound.p, sum);
    }
    put_bucket(s, "+Inf", r->count);
    put_name(s, "_sum", NULL);
    put_decimal(r->sum_us, DIGITS_US, s->out);
    buf_add_char(s->out, '\n');
    put_name(s, "_count", NULL);
    buf_addf(s->out, "%" PRIu64 "\n", r->count);
}

static void put_number(enum field_kind kind, const void *at, struct buf *out)
{
    switch (kind) {
    case FIELD_TIME:
    case FIELD_MS:
        put_decimal((uint64_t)*(const int64_t *)at, DIGITS_MS, out);
        break;
    case FIELD_US:
        put_decimal((uint64_t)*(const int64_t *)at, DIGITS_US, out);
        break;
    case FIELD_CPU_MS:
        put_decimal(*(const uint64_t *)at, DIGITS_MS, out);
        break;
    case FIELD_NUMBER:
    case FIELD_COUNT:
        buf_addf(out, "%" PRIu64, *(const uint64_t *)at);
        break;
    case FIELD_U32:
        buf_addf(out, "%" PRIu32, *(const uint32_t *)at);
        break;
    case FIELD_BUILD:
        buf_add_char(out, '1');
        break;
    case FIELD_RATE: /* Prometheus makes its own */
    case FIELD_TEXT:
    case FIELD_STR:
    case FIELD_CHARS:
    case FIELD_HISTOGRAM:
        assert(!"not one number");
        break;
    }
}

static void put_sample(const struct sample *s)
{
    const void *at = (const char *)s->item + s->field->offset;

    if (s->field->kind == FIELD_HISTOGRAM) {
        put_histogram(s, at);
        return;
    }
    put_name(s, "", NULL);
    put_number(s->field->kind, at, s->out);
    buf_add_char(s->out, '\n');
}

/* ---- all of them ---- */

static void put_list(const struct status_list *list, const struct status *s, struct buf *out)
{
    const char *family = NULL;
    size_t n;
    const char *items = status_items(list, s, &n);

    for (size_t i = 0; i < list->n_fields && n > 0; i++) {
        const struct status_field *f = &list->fields[i];

        if (f->metric == NULL)
            continue;
        if (family == NULL || strcmp(family, f->metric) != 0)
            put_family(f, out);
        family = f->metric;
        for (size_t k = 0; k < n; k++)
            put_sample(&(struct sample){out, f, list, items + k * list->item_size});
    }
}

void status_write_prometheus(const struct status *s, struct buf *out)
{
    for (size_t i = 0; i < STATUS_LISTS; i++)
        put_list(&status_lists[i], s, out);
}
