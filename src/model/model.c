/* SPDX-License-Identifier: MIT */
/* The registry: which providers there are, and which of them a model reference means. */
#include "model/model.h"
#include <stdio.h>

#include "base/id.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "model/stream.h"
#include "model/tally.h"

#define NEAREST 3
#define REF_BYTES 256  /* a longer reference is no name of a model */
#define SHOWN_BYTES 48 /* of a name in an error text */

static const struct model_driver *const drivers[] = {&openai_driver, &offline_driver};

struct model_registry {
    struct loop *loop;
    struct http_client *http;
    struct model_instance **instances; /* in the order of their arrival */
    size_t n_instances, cap;
    char *default_provider, *default_model; /* NULL: the first */
    struct model_timers timers;
    struct list streams;
    struct list tallies; /* by name, also of instances that were replaced */
};

int model_registry_new(struct loop *l, struct http_client *http, struct model_registry **out, struct err *err UNUSED)
{
    struct model_registry *r = mem_zalloc(sizeof(*r));

    r->loop = l;
    r->http = http;
    list_init(&r->streams);
    list_init(&r->tallies);
    model_registry_set_timers(r, 0, 0, 0);
    *out = r;
    return 0;
}

void model_registry_free(struct model_registry *r)
{
    if (r == NULL)
        return;
    while (!list_is_empty(&r->streams))
        model_cancel(stream_of(r->streams.next));
    for (size_t i = 0; i < r->n_instances; i++)
        model_instance_unref(r->instances[i]);
    LIST_EACH (it, tmp, &r->tallies)
        model_tally_free(LIST_ITEM(it, struct model_tally, link));
    mem_free(r->instances);
    mem_free(r->default_provider);
    mem_free(r->default_model);
    mem_free(r);
}

void model_registry_set_timers(struct model_registry *r, int64_t headers_ms, int64_t content_ms, int64_t idle_ms)
{
    r->timers = (struct model_timers){
        .headers_ms = headers_ms > 0 ? headers_ms : LIMIT_MODEL_HEADERS_MS,
        .content_ms = content_ms > 0 ? content_ms : LIMIT_MODEL_CONTENT_MS,
        .idle_ms = idle_ms > 0 ? idle_ms : LIMIT_MODEL_IDLE_MS,
    };
}

void model_registry_set_default(struct model_registry *r, const char *provider, const char *model)
{
    mem_free(r->default_provider);
    mem_free(r->default_model);
    r->default_provider = provider == NULL ? NULL : mem_strdup(provider);
    r->default_model = model == NULL ? NULL : mem_strdup(model);
}

static const struct model_driver *find_driver(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(drivers); i++)
        if (strcmp(drivers[i]->name, name) == 0)
            return drivers[i];
    return NULL;
}

void model_probe_url(const struct model_provider *p, struct buf *out)
{
    const struct model_driver *driver = p->driver == NULL ? NULL : find_driver(p->driver);

    if (driver != NULL && driver->probe_url != NULL)
        driver->probe_url(p->base_url == NULL ? driver->base_url : p->base_url, out);
}

static bool is_header_safe(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= 0x20 || s.p[i] == 0x7f)
            return false;
    return true;
}

/* Secrets do not belong into a URL, which is shown and logged; a query would end up before the path we add. */
static int check_url(const char *provider, struct str url, struct err *err)
{
    bool is_http = str_has_prefix(url, STR("http://")), is_https = str_has_prefix(url, STR("https://"));
    struct str rest = str_skip(url, is_https ? 8 : 7), host;

    if ((!is_http && !is_https) || !is_header_safe(url) || !str_next(&rest, '/', &host) || host.n == 0)
        return err_set(err, ERR_BAD_REQUEST, "provider %s: the base URL must be http://host/... or https://host/...",
                       provider);
    if (str_find(url, STR("?")) >= 0 || str_find(url, STR("#")) >= 0 || str_find(url, STR("@")) >= 0)
        return err_set(err, ERR_BAD_REQUEST, "provider %s: the base URL must not hold a query, fragment or user",
                       provider);
    return 0;
}

static int check_provider(const struct model_provider *p, struct err *err)
{
    const struct model_driver *driver;
    const char *url;

    if (!id_is_valid(str_of(p->name)))
        return err_set(err, ERR_BAD_REQUEST, "the name of a provider must be 1 to 128 of A-Za-z0-9._:-");
    driver = p->driver == NULL ? NULL : find_driver(p->driver);
    if (driver == NULL)
        return err_set(err, ERR_BAD_REQUEST, "provider %s: unknown driver; there are \"openai\" and \"offline\"",
                       p->name);
    if (p->api_key != NULL && !is_header_safe(str_trim(str_of(p->api_key))))
        return err_set(err, ERR_BAD_REQUEST, "provider %s: the API key holds blanks or control characters", p->name);
    url = p->base_url == NULL ? driver->base_url : p->base_url;
    return driver->base_url == NULL ? 0 : check_url(p->name, str_of(url), err);
}

static void copy_models(struct model_instance *i, const char *const *models)
{
    size_t cap = 0;

    for (; models != NULL && *models != NULL; models++) {
        i->models = mem_grow(i->models, &cap, i->n_models + 1, sizeof(*i->models));
        i->models[i->n_models++] = mem_strdup(*models);
    }
}

/* Keys from files end in a newline. */
static char *copy_key(const char *key)
{
    struct str s = str_trim(str_of(key));

    return s.n == 0 ? NULL : mem_strndup(s.p, s.n);
}

const struct model_tally *model_tally_next(const struct model_registry *r, const struct model_tally *before)
{
    const struct list *next = before == NULL ? r->tallies.next : before->link.next;

    return next == &r->tallies ? NULL : LIST_ITEM((uintptr_t)next, struct model_tally, link);
}

static struct model_tally *tally_of(struct model_registry *r, const char *name)
{
    struct model_tally *t;

    LIST_EACH (it, tmp, &r->tallies) {
        t = LIST_ITEM(it, struct model_tally, link);
        if (strcmp(t->name, name) == 0)
            return t;
    }
    t = model_tally_new(name);
    list_add_tail(&r->tallies, &t->link);
    return t;
}

int model_registry_add(struct model_registry *r, const struct model_provider *p, struct err *err)
{
    struct model_instance *new;
    const char *url;
    int rc = check_provider(p, err);
    size_t at = 0;

    if (rc != 0)
        return rc;
    new = mem_zalloc(sizeof(*new));
    new->refs = 1;
    new->driver = find_driver(p->driver);
    new->name = mem_strdup(p->name);
    new->tally = tally_of(r, p->name);
    url = p->base_url == NULL ? new->driver->base_url : p->base_url;
    new->base_url = url == NULL ? NULL : mem_strdup(url);
    new->api_key = copy_key(p->api_key);
    copy_models(new, p->models != NULL && p->models[0] != NULL ? p->models : new->driver->models);
    while (at < r->n_instances && strcmp(r->instances[at]->name, p->name) != 0)
        at++;
    if (at < r->n_instances) {
        model_instance_unref(r->instances[at]);
    } else {
        r->instances = mem_grow(r->instances, &r->cap, at + 1, sizeof(struct model_instance *));
        r->n_instances++;
    }
    r->instances[at] = new;
    return 0;
}

static struct model_instance *find_instance(const struct model_registry *r, struct str name)
{
    for (size_t i = 0; i < r->n_instances; i++)
        if (str_is(name, r->instances[i]->name))
            return r->instances[i];
    return NULL;
}

static struct model_instance *default_instance(const struct model_registry *r)
{
    if (r->default_provider != NULL)
        return find_instance(r, str_of(r->default_provider));
    return r->n_instances == 0 ? NULL : r->instances[0];
}

/* What is shown of a name, which may be a client's. */
static struct str shown(struct str name)
{
    return (struct str){name.p, utf8_floor(name, SHOWN_BYTES)};
}

struct candidate {
    char text[2 * SHOWN_BYTES + 2]; /* as it may be written in a reference */
    size_t distance;
};

struct nearest {
    struct candidate best[NEAREST];
    size_t n;
};

static void consider(struct nearest *near, size_t distance, const char *provider, const char *model)
{
    size_t at = near->n;

    while (at > 0 && near->best[at - 1].distance > distance)
        at--;
    if (at == NEAREST)
        return;
    if (near->n < NEAREST)
        near->n++;
    memmove(&near->best[at + 1], &near->best[at], (near->n - at - 1) * sizeof(near->best[0]));
    near->best[at].distance = distance;
    snprintf(near->best[at].text, sizeof(near->best[at].text), STR_FMT "%s" STR_FMT, STR_ARG(shown(str_of(provider))),
             model == NULL ? "" : "/", STR_ARG(shown(str_of(model))));
}

/* A wrong name is compared with what may stand there: the model alone, or the whole reference. */
static size_t model_distance(struct str ref, const char *provider, const char *model)
{
    CLEANUP(buf_done) struct buf whole = BUF_INIT;
    size_t bare = str_distance(ref, str_of(model)), full;

    buf_addf(&whole, "%s/%s", provider, model);
    full = str_distance(ref, buf_str(&whole));
    return full < bare ? full : bare;
}

static int refuse(const char *what, struct str name, const struct nearest *near, struct err *err)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;

    for (size_t i = 0; i < near->n; i++)
        buf_addf(&text, "%s%s", i == 0 ? "; did you mean " : i + 1 < near->n ? ", " : " or ", near->best[i].text);
    return err_set(err, ERR_BAD_REQUEST, "unknown %s \"" STR_FMT "\"%s%s", what, STR_ARG(shown(name)),
                   text.n > 0 ? text.p : "", text.n > 0 ? "?" : "");
}

static int refuse_provider(const struct model_registry *r, struct str name, struct err *err)
{
    struct nearest near = {0};

    for (size_t i = 0; i < r->n_instances; i++)
        consider(&near, str_distance(name, str_of(r->instances[i]->name)), r->instances[i]->name, NULL);
    return refuse("provider", name, &near, err);
}

/* `only` NULL: of all providers. */
static int refuse_model(const struct model_registry *r, const struct model_instance *only, struct str ref,
                        struct err *err)
{
    struct nearest near = {0};

    for (size_t i = 0; i < r->n_instances; i++) {
        const struct model_instance *in = r->instances[i];

        for (size_t k = 0; k < in->n_models && (only == NULL || only == in); k++)
            consider(&near, model_distance(ref, in->name, in->models[k]), in->name, in->models[k]);
    }
    return refuse("model", ref, &near, err);
}

static bool means_default(struct str model)
{
    return model.n == 0 || str_is(model, "default") || str_is(model, "unknown");
}

/* A provider that lists no models may have any: it will say itself. What the operator made the default is one. */
static bool has_model(const struct model_registry *r, const struct model_instance *i, struct str model)
{
    if (r->default_model != NULL && i == default_instance(r) && str_is(model, r->default_model))
        return true;
    for (size_t k = 0; k < i->n_models; k++)
        if (str_is(model, i->models[k]))
            return true;
    return i->n_models == 0;
}

static int default_model(const struct model_registry *r, const struct model_instance *i, struct str *out,
                         struct err *err)
{
    if (r->default_model != NULL && i == default_instance(r))
        *out = str_of(r->default_model);
    else if (i->n_models > 0)
        *out = str_of(i->models[0]);
    else
        return err_set(err, ERR_BAD_REQUEST,
                       "provider %.64s lists no models: name one as %.64s/MODEL, or set CULM_MODEL", i->name, i->name);
    return 0;
}

int model_resolve(const struct model_registry *r, struct str provider, struct str ref, struct str *out_provider,
                  struct str *out_model, struct err *err)
{
    const struct model_instance *i = provider.n > 0 ? find_instance(r, provider) : default_instance(r);
    struct str rest = ref, left, model = ref;
    bool named = provider.n > 0;
    int rc = 0;

    if (ref.n > REF_BYTES || provider.n > REF_BYTES)
        return err_set(err, ERR_BAD_REQUEST, "a model reference has at most %d bytes", REF_BYTES);
    if (provider.n == 0 && str_next(&rest, '/', &left) && left.n < ref.n && find_instance(r, left) != NULL) {
        i = find_instance(r, left);
        model = rest;
        named = true;
    }
    if (i == NULL && provider.n > 0)
        return refuse_provider(r, provider, err);
    if (i == NULL)
        return err_set(err, ERR_BAD_REQUEST, "no provider is configured for the default model");
    if (means_default(model))
        rc = default_model(r, i, &model, err);
    else if (!has_model(r, i, model))
        rc = refuse_model(r, named ? i : NULL, ref, err);
    if (rc != 0)
        return rc;
    *out_provider = str_of(i->name);
    *out_model = model;
    return 0;
}

/* The provider and model of a run were resolved when it began; since then the configuration may have changed. */
struct model_stream *model_start(struct model_registry *r, const struct model_request *q,
                                 const struct model_callbacks *cb)
{
    struct model_request resolved = *q;
    struct model_instance *i = q->provider.n > 0 ? find_instance(r, q->provider) : default_instance(r);
    struct model_stream *s;
    struct err err = {0};

    s = stream_new(&(struct stream_options){
        .loop = r->loop,
        .http = r->http,
        .timers = r->timers,
        .instance = i,
        .siblings = &r->streams,
        .is_retry = q->is_retry,
        .callbacks = cb,
    });
    if (i == NULL) {
        stream_fail(s, FAILURE_CONFIG, 0, "there is no provider named \"" STR_FMT "\" any more",
                    STR_ARG(shown(q->provider)));
        return s;
    }
    if (means_default(q->model) && default_model(r, i, &resolved.model, &err) != 0) {
        stream_fail(s, FAILURE_CONFIG, 0, "%s", err.text);
        return s;
    }
    resolved.provider = str_of(i->name);
    stream_start(s, &resolved);
    return s;
}
