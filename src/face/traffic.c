/* SPDX-License-Identifier: MIT */
#include "face/traffic.h"

#include "base/mem.h"
#include "base/str.h"

void traffic_init(struct traffic *t, const struct route *table, size_t n)
{
    *t = (struct traffic){.table = table, .n_routes = n};
    t->routes = mem_zalloc((n + 1) * sizeof(*t->routes));
}

void traffic_done(struct traffic *t)
{
    mem_free(t->routes);
    t->routes = NULL;
}

void traffic_answered(struct traffic *t, const struct route *route, int status, int64_t took_us)
{
    struct route_traffic *r = &t->routes[route == NULL ? t->n_routes : (size_t)(route - t->table)];
    int class = status / 100;

    assert(class >= 1 && class <= STATUS_CLASSES);
    r->by_class[class - 1]++;
    histogram_add(&r->duration, took_us);
}

void traffic_refused(struct traffic *t, enum err_code code)
{
    static const enum err_code codes[] = {
#define X(code, wire) [DOOR_REFUSED_##code] = ERR_##code,
        DOOR_REFUSALS(X)
#undef X
    };

    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (codes[i] == code)
            t->refused[i]++;
}

size_t traffic_rows(const struct traffic *t)
{
    return t->n_routes + 1;
}

bool traffic_read(const struct traffic *t, size_t row, struct route_reading *out)
{
    struct buf path CLEANUP(buf_done) = BUF_INIT;

    *out = (struct route_reading){.method = "other", .path = "other"};
    memcpy(out->by_class, t->routes[row].by_class, sizeof(out->by_class));
    histogram_read(&t->routes[row].duration, &out->duration);
    if (row < t->n_routes) {
        route_write_path(&t->table[row], &path);
        str_copy(out->path, sizeof(out->path), buf_str(&path));
        out->method = route_method_name(t->table[row].method);
    }
    return out->duration.count > 0;
}
