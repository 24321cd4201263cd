/* SPDX-License-Identifier: MIT */
#include "figures.h"

#include "base/mem.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

struct figure {
    const char *group, *unit;
    char name[80];
    double value, target;
};

struct figures {
    struct figure *items;
    size_t n, cap;
    const char *group;
};

struct figures *figures_new(void)
{
    return mem_zalloc(sizeof(struct figures));
}

void figures_free(struct figures *f)
{
    if (f == NULL)
        return;
    mem_free(f->items);
    mem_free(f);
}

void figures_begin_group(struct figures *f, const char *group)
{
    f->group = group;
}

void figures_add(struct figures *f, double value, const char *unit, double target, const char *name, ...)
{
    struct figure *one;
    va_list args;

    f->items = mem_grow(f->items, &f->cap, f->n + 1, sizeof(*f->items));
    one = &f->items[f->n++];
    *one = (struct figure){.group = f->group, .unit = unit, .value = value, .target = target};
    va_start(args, name);
    vsnprintf(one->name, sizeof(one->name), name, args);
    va_end(args);
}

size_t figures_count(const struct figures *f)
{
    return f->n;
}

void figure_text(double value, char out[FIGURE_TEXT])
{
    double size = fabs(value);
    int digits = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 3;

    snprintf(out, FIGURE_TEXT, "%.*f", digits, value);
}

void figures_print_from(const struct figures *f, size_t first)
{
    for (size_t i = first; i < f->n; i++) {
        const struct figure *one = &f->items[i];
        char value[FIGURE_TEXT];

        if (i == 0 || strcmp(one->group, f->items[i - 1].group) != 0)
            printf("%s%s\n", i == 0 ? "" : "\n", one->group);
        figure_text(one->value, value);
        printf("  %-56s %10s ", one->name, value);
        if (one->target > 0)
            printf("%-6s target %.4g\n", one->unit, one->target);
        else
            printf("%s\n", one->unit);
    }
    fflush(stdout);
}

void figures_write(const struct figures *f, struct json_writer *w)
{
    json_begin_array(w);
    for (size_t i = 0; i < f->n; i++) {
        const struct figure *one = &f->items[i];

        json_begin_object(w);
        json_key_text(w, "group", one->group);
        json_key_text(w, "name", one->name);
        json_key(w, "value");
        json_put_real(w, round(one->value * 1000) / 1000);
        json_key_text(w, "unit", one->unit);
        if (one->target > 0) {
            json_key(w, "target");
            json_put_real(w, round(one->target * 1000) / 1000);
        }
        json_end_object(w);
    }
    json_end_array(w);
}
