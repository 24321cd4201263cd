/* SPDX-License-Identifier: MIT */
/* From the HTTP server to a handler: the door, the router, the answers that need no handler. */
#include "face/face.h"

#include "base/mem.h"
#include "base/str.h"
#include "face/bamboo/bamboo.h"
#include "face/error_body.h"
#include "face/exchange.h"
#include "face/open_stream.h"

#define CORS_HEADERS                                                                                                   \
    "Authorization, Content-Type, If-Match, Idempotency-Key, Last-Event-ID, Bamboo-Run-Id, "                           \
    "X-Request-Id"

#define QUERY_NAME_SHOWN 100 /* bytes of a parameter's name in an error */

struct face *face_new(const struct face_options *o)
{
    struct face *f = mem_zalloc(sizeof(*f));

    f->o = *o;
    f->door = (struct door_rules){.hosts = o->hosts, .origins = o->origins, .open_loopback = o->open_loopback};
    door_set_token(&f->door, str_of(o->token));
    list_init(&f->exchanges);
    list_init(&f->streams);
    list_init(&f->ready);
    list_init(&f->pages);
    f->by_token = map_new();
    traffic_init(&f->traffic, bamboo_routes, bamboo_routes_count);
    f->wake = timer_new(o->loop, "face.streams", open_streams_run, f);
    return f;
}

void face_free(struct face *f)
{
    if (f == NULL)
        return;
    face_close_streams(f);
    LIST_EACH (it, tmp, &f->exchanges)
        exchange_abandon(LIST_ITEM(it, struct exchange, link));
    open_stream_pages_free(f);
    timer_free(f->wake);
    map_free(f->by_token);
    traffic_done(&f->traffic);
    buf_done(&f->frames);
    mem_free(f);
}

const struct traffic *face_traffic(const struct face *f)
{
    return &f->traffic;
}

void face_reply(struct face *f, const struct reply *reply)
{
    struct exchange *x = map_find_u64(f->by_token, reply->to.token);

    if (x != NULL)
        exchange_on_reply(x, reply);
}

size_t face_body_limit(void *arg UNUSED, struct str path)
{
    static const enum http_method methods[] = {HTTP_POST, HTTP_PATCH}; /* which of them it is, is not known yet */

    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        struct route_found found = route_find(bamboo_routes, bamboo_routes_count, methods[i], path);

        if (found.route != NULL && (found.route->flags & ROUTE_LARGE_BODY) != 0)
            return LIMIT_BODY_MESSAGE_BYTES;
    }
    return LIMIT_BODY_BYTES;
}

/* ---- the door ---- */

static struct str one_header(const struct http_request *req, const char *name)
{
    /* Two credentials, origins or types are none that could be trusted. */
    return http_request_header_count(req, name) > 1 ? STR("") : http_request_header(req, name);
}

/* Outside of the API there is nothing but the public paths, and saying so gives nothing away. */
static bool is_public(const struct http_request *req, const struct route_found *found)
{
    static const struct str apis[] = {{"/api/", 5},    {"/v1/", 4},         {"/v2/", 4},
                                      {"/openai/", 8}, {"/anthropic/", 11}, {"/gemini/", 8}};

    if (found->methods != 0)
        return found->route != NULL && (found->route->flags & ROUTE_PUBLIC) != 0;
    for (size_t i = 0; i < ARRAY_LEN(apis); i++)
        if (str_has_prefix(http_request_path(req), apis[i]))
            return false;
    return true;
}

static void knock_at(const struct face *f, const struct http_request *req, const struct route_found *found,
                     struct verdict *out)
{
    struct knock k = {
        .method = http_request_method(req),
        .is_unix = http_request_is_unix(req),
        .peer_is_self = http_request_peer_is_self(req),
        .peer_is_loopback = http_request_peer_is_loopback(req),
        .is_public = is_public(req, found),
        .takes_json = found->route != NULL && found->route->body != NULL,
        .port = http_request_local_port(req),
        .body_bytes = http_request_body(req).n,
        .host = one_header(req, "Host"),
        .origin = one_header(req, "Origin"),
        .fetch_site = one_header(req, "Sec-Fetch-Site"),
        .authorization = one_header(req, "Authorization"),
        .content_type = one_header(req, "Content-Type"),
        .preflight_method = one_header(req, "Access-Control-Request-Method"),
    };

    door_check(&f->door, &k, out);
}

static void tell_origin(struct exchange *x)
{
    struct str origin = arena_str(&x->arena, exchange_header(x, "Origin"));

    http_reply_header(x->req, "Access-Control-Allow-Origin", origin.p);
    http_reply_header(x->req, "Access-Control-Expose-Headers", "ETag, Idempotency-Replayed, Retry-After, X-Request-Id");
    http_reply_header(x->req, "Vary", "Origin");
}

static void answer_preflight(struct exchange *x, unsigned methods)
{
    struct buf names CLEANUP(buf_done) = BUF_INIT;

    route_write_methods(methods, &names);
    if (names.n > 0)
        http_reply_header(x->req, "Access-Control-Allow-Methods", names.p);
    http_reply_header(x->req, "Access-Control-Allow-Headers", CORS_HEADERS);
    http_reply_header(x->req, "Access-Control-Max-Age", "600");
    exchange_send_text(x, 204, STR("text/plain"), STR(""));
}

static void refuse(struct exchange *x, const struct verdict *v)
{
    traffic_refused(&x->face->traffic, v->code);
    if (v->code == ERR_UNAUTHORIZED)
        http_reply_header(x->req, "WWW-Authenticate", "Bearer realm=\"culm\"");
    exchange_fail_as(x, err_http_status(v->code), err_wire_name(v->code), v->why);
}

/* ---- the router ---- */

static void refuse_method(struct exchange *x, unsigned methods)
{
    struct buf names CLEANUP(buf_done) = BUF_INIT;

    route_write_methods(methods, &names);
    http_reply_header(x->req, "Allow", names.p);
    exchange_fail(x, ERR_METHOD, "This path takes %s.", names.p);
}

/* False: it is not an id, and the exchange is answered. */
static bool read_parameter(struct exchange *x, const struct route_parameter *p, struct str *out)
{
    struct buf id CLEANUP(buf_done) = BUF_INIT;

    if (p->value.p == NULL)
        return true;
    if (!http_decode(p->value, false, &id) || !id_is_valid(buf_str(&id))) {
        exchange_fail(x, ERR_BAD_REQUEST,
                      "path: " STR_FMT "_id: 1 to %d characters of A-Za-z0-9._:- and neither \".\" nor \"..\"",
                      STR_ARG(p->name), ID_MAX);
        return false;
    }
    *out = arena_str(&x->arena, buf_str(&id));
    if (str_is(p->name, "session"))
        x->label.session = *out;
    else if (str_is(p->name, "run"))
        x->label.run = *out;
    return true;
}

/* False: what cannot be decoded would count as not given at all; the exchange is answered. */
static bool check_query(struct exchange *x)
{
    struct str bad;

    if (http_query_is_sound(http_request_query(x->req), &bad))
        return true;
    bad.n = bad.n < QUERY_NAME_SHOWN ? bad.n : QUERY_NAME_SHOWN;
    exchange_fail(x, ERR_BAD_REQUEST,
                  "query: " STR_FMT ": cannot be decoded: expected UTF-8 without NUL, with %%25 for a percent sign",
                  STR_ARG(bad));
    return false;
}

void face_set_default_effort(struct face *f, const char *effort)
{
    str_copy(f->effort, sizeof(f->effort), str_of(effort));
}

void face_set_limits(struct face *f, const struct run_limits *limits)
{
    f->o.limits = *limits;
}

void face_request(void *arg, struct http_request *req)
{
    struct face *f = arg;
    struct route_found found =
        route_find(bamboo_routes, bamboo_routes_count, http_request_method(req), http_request_path(req));
    struct exchange *x = exchange_new(f, req);
    struct verdict v;

    x->route = found.route;
    x->label.route = found.route != NULL ? found.route->path : NULL;
    knock_at(f, req, &found, &v);
    x->credential = v.credential;
    if (v.cors)
        tell_origin(x);
    if (v.code != ERR_OK)
        refuse(x, &v);
    else if (v.preflight)
        answer_preflight(x, found.methods);
    else if (found.methods == 0)
        exchange_send_text(x, 404, STR("text/plain"), STR(""));
    else if (found.route == NULL)
        refuse_method(x, found.methods);
    else if (read_parameter(x, &found.first, &x->id) && read_parameter(x, &found.second, &x->part_id) && check_query(x))
        exchange_begin(x);
}
