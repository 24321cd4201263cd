/* SPDX-License-Identifier: MIT */
#include "face/route.h"

#include "base/str.h"

static const struct {
    unsigned place;
    const char *prefix;
} places[] = {{AT_API, "/api/v1"}, {AT_V1, "/v1"}, {AT_ROOT, ""}};

static bool is_parameter(struct str part)
{
    return part.n > 2 && part.p[0] == '{' && part.p[part.n - 1] == '}';
}

static bool path_fits(struct str pattern, struct str path, struct route_found *out)
{
    struct route_parameter found[2] = {{STR_NULL, STR_NULL}, {STR_NULL, STR_NULL}};
    struct str want, have;
    size_t n = 0;

    for (;;) {
        bool more = str_next(&pattern, '/', &want);

        if (more != str_next(&path, '/', &have))
            return false;
        if (!more)
            break;
        if (is_parameter(want)) {
            if (have.n == 0)
                return false;
            assert(n < ARRAY_LEN(found));
            found[n++] = (struct route_parameter){have, {want.p + 1, want.n - 2}};
        } else if (!str_eq(want, have)) {
            return false;
        }
    }
    out->first = found[0];
    out->second = found[1];
    return true;
}

static bool route_fits(const struct route *r, struct str path, struct route_found *out)
{
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        struct str prefix = str_of(places[i].prefix);

        if ((r->places & places[i].place) != 0 && str_has_prefix(path, prefix) &&
            path_fits(str_of(r->path), (struct str){path.p + prefix.n, path.n - prefix.n}, out))
            return true;
    }
    return false;
}

struct route_found route_find(const struct route *routes, size_t n, enum http_method method, struct str path)
{
    struct route_found found = {0};

    for (size_t i = 0; i < n; i++) {
        const struct route *r = &routes[i];
        struct route_found here = {0};

        if (!route_fits(r, path, &here))
            continue;
        found.methods |= 1u << r->method;
        if (found.route == NULL && r->method == (method == HTTP_HEAD ? HTTP_GET : method)) {
            found.route = r;
            found.first = here.first;
            found.second = here.second;
        }
    }
    if ((found.methods & (1u << HTTP_GET)) != 0)
        found.methods |= 1u << HTTP_HEAD;
    return found;
}

void route_write_parameters(const struct route *r, struct str path, struct buf *out)
{
    struct str pattern = str_of(r->path), want, have;
    struct route_found ignored;

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        struct str prefix = str_of(places[i].prefix), rest = str_skip(path, prefix.n);

        if ((r->places & places[i].place) == 0 || !str_has_prefix(path, prefix) || !path_fits(pattern, rest, &ignored))
            continue;
        while (str_next(&pattern, '/', &want) && str_next(&rest, '/', &have)) {
            if (!is_parameter(want))
                continue;
            buf_add_str(out, have);
            buf_add_char(out, '/');
        }
        return;
    }
}

static const char *const names[] = {
    [HTTP_GET] = "GET",     [HTTP_HEAD] = "HEAD",     [HTTP_POST] = "POST",       [HTTP_PUT] = "PUT",
    [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE", [HTTP_OPTIONS] = "OPTIONS",
};

const char *route_method_name(enum http_method method)
{
    return method < ARRAY_LEN(names) ? names[method] : "other";
}

void route_write_path(const struct route *r, struct buf *out)
{
    size_t i = 0;

    while (i < ARRAY_LEN(places) && (r->places & places[i].place) == 0)
        i++;
    assert(i < ARRAY_LEN(places));
    buf_addf(out, "%s%s", places[i].prefix, r->path);
}

void route_write_methods(unsigned methods, struct buf *out)
{
    const char *comma = "";

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if ((methods & (1u << i)) != 0) {
            buf_addf(out, "%s%s", comma, names[i]);
            comma = ", ";
        }
    }
}
