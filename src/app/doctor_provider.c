/* SPDX-License-Identifier: MIT */
/*
 * culm doctor: whether each configured provider can be reached and takes its key. All are asked at once, for the list
 * of their models, which costs nothing.
 */
#include "app/doctor.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "model/model.h"

enum {
    PROBE_MS = 5000,
    /* What err.sys holds after a call: codes of curl. */
    COULDNT_RESOLVE_PROXY = 5,
    COULDNT_RESOLVE_HOST = 6,
    COULDNT_CONNECT = 7,
    SSL_CONNECT_ERROR = 35,
    SSL_CERTPROBLEM = 58,
    PEER_FAILED_VERIFICATION = 60,
    SSL_CACERT_BADFILE = 77,
};

struct probe {
    struct config_provider provider;
    struct err config; /* it cannot be used: why */
    struct probes *all;
    int64_t began, took_ms; /* mono */
    bool was_asked;
    int status; /* 0: none came */
    struct err err;
};

struct probes {
    struct loop *loop;
    struct probe *items;
    size_t n, open;
};

/* ---- what came of it ---- */

static void say_status(struct doctor *d, const struct probe *p)
{
    const char *name = p->provider.name;

    if (p->status >= 200 && p->status < 300) {
        doctor_say(d, VERDICT_OK, "provider", "%s answers in %" PRId64 " ms and takes the key", name, p->took_ms);
    } else if (p->status == 401 || p->status == 403) {
        doctor_say(d, VERDICT_FAIL, "provider", "%s does not take the key (HTTP status %d)", name, p->status);
        doctor_advise(d, "set providers.%s.api_key or its variable to a key that is valid there", name);
    } else if (p->status == 404 || p->status == 405) {
        doctor_say(d, VERDICT_WARN, "provider", "%s answers, but has no list of models (HTTP status %d)", name,
                   p->status);
        doctor_advise(d, "some servers have none; if runs fail too, providers.%s.base_url lacks its path, such as /v1",
                      name);
    } else if (p->status == 429) {
        doctor_say(d, VERDICT_WARN, "provider", "%s answers, and its limits are spent (HTTP status 429)", name);
        doctor_advise(d, "wait, or see the account there");
    } else {
        doctor_say(d, p->status >= 500 ? VERDICT_WARN : VERDICT_FAIL, "provider", "%s answers with HTTP status %d",
                   name, p->status);
        doctor_advise(d, "see whether providers.%s.base_url is the right one, or try again later", name);
    }
}

static const struct {
    int sys;
    const char *what, *remedy;
} failures[] = {
    {COULDNT_RESOLVE_HOST, "the name of its host is not known", "see the base_url and the machine's DNS"},
    {COULDNT_RESOLVE_PROXY, "the name of the proxy is not known", "see http_proxy and https_proxy"},
    {COULDNT_CONNECT, "nothing takes the connection", "see the base_url, and whether a firewall is in the way"},
    {SSL_CONNECT_ERROR, "TLS fails", "see whether the base_url wants http:// instead, and what stands in between"},
    {SSL_CERTPROBLEM, "TLS fails", "see the certificates of this machine"},
    {PEER_FAILED_VERIFICATION, "its certificate is not trusted",
     "see the clock and the package ca-certificates; a proxy may stand in between"},
    {SSL_CACERT_BADFILE, "this machine has no certificates to trust", "install the package ca-certificates"},
};

static void say_failure(struct doctor *d, const struct probe *p)
{
    const char *name = p->provider.name;

    if (p->err.code == ERR_TIMEOUT) {
        doctor_say(d, VERDICT_FAIL, "provider", "%s: no answer within %d s: %s", name, PROBE_MS / 1000, p->err.text);
        doctor_advise(d, "see whether a firewall or proxy swallows it, and whether the host is up");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
        if (p->err.sys != failures[i].sys)
            continue;
        doctor_say(d, VERDICT_FAIL, "provider", "%s: %s: %s", name, failures[i].what, p->err.text);
        doctor_advise(d, "%s", failures[i].remedy);
        return;
    }
    doctor_say(d, VERDICT_FAIL, "provider", "%s: %s", name, p->err.text);
    doctor_advise(d, "see providers.%s.base_url and the network", name);
}

static void say_probe(struct doctor *d, const struct probe *p)
{
    if (p->config.code != ERR_OK) {
        doctor_say(d, VERDICT_SET_UP, "provider", "%s", p->config.text);
        doctor_advise(d, "export that variable where the server starts");
    } else if (!p->was_asked && p->err.code == ERR_OK) {
        doctor_say(d, VERDICT_OK, "provider", "%s is built in", p->provider.name);
    } else if (p->status == 0) {
        say_failure(d, p);
    } else {
        say_status(d, p);
    }
}

/* ---- asking ---- */

static void on_headers(void *arg, int status)
{
    struct probe *p = arg;

    p->status = status;
    p->took_ms = clock_mono_ms() - p->began;
}

/* What fails after the headers changes nothing: the status says it all. */
static void on_end(void *arg, const struct err *err)
{
    struct probe *p = arg;

    if (err != NULL)
        p->err = *err;
    if (--p->all->open == 0)
        loop_stop(p->all->loop);
}

static void ask(struct probe *p, struct http_client *http)
{
    const struct config_provider *c = &p->provider;
    const struct model_provider provider = {c->name, c->driver, c->base_url, c->api_key, c->models};
    CLEANUP(buf_done) struct buf url = BUF_INIT, key = BUF_INIT;
    const char *headers[] = {"Accept: application/json", NULL, NULL};
    struct http_call_options o = {.method = "GET",
                                  .headers = headers,
                                  .connect_ms = PROBE_MS,
                                  .total_ms = PROBE_MS,
                                  .on_headers = on_headers,
                                  .on_end = on_end,
                                  .arg = p};

    model_probe_url(&provider, &url);
    if (url.n == 0)
        return;
    o.url = url.p;
    if (c->api_key != NULL) {
        buf_addf(&key, "Authorization: Bearer %s", c->api_key);
        headers[1] = key.p;
    }
    p->began = clock_mono_ms();
    p->was_asked = http_call_start(http, &o, &p->err) != NULL;
    p->all->open += p->was_asked;
}

static int ask_all(struct probes *all, struct err *err)
{
    struct http_client *http = NULL;
    int rc = loop_new(&all->loop, err);

    if (rc == 0)
        http = http_client_new(all->loop);
    for (size_t i = 0; rc == 0 && i < all->n; i++)
        if (all->items[i].config.code == ERR_OK)
            ask(&all->items[i], http);
    if (all->open > 0)
        loop_run(all->loop);
    http_client_free(http);
    loop_free(all->loop);
    return rc;
}

void doctor_providers(struct doctor *d)
{
    struct probes all = {0};
    struct err err;

    if (d->config == NULL)
        return;
    all.n = config_provider_count(d->config);
    if (all.n == 0) {
        doctor_say(d, VERDICT_WARN, "provider", "none is configured: the built-in offline model answers");
        doctor_advise(d,
                      "set OPENAI_API_KEY (or OPENAI_BASE_URL) and CULM_MODEL, or see culm config explain providers");
        return;
    }
    all.items = mem_zalloc(all.n * sizeof(*all.items));
    for (size_t i = 0; i < all.n; i++) {
        all.items[i].all = &all;
        if (config_provider(d->config, i, &all.items[i].provider, &all.items[i].config) == 0)
            all.items[i].config.code = ERR_OK;
    }
    if (ask_all(&all, &err) < 0) {
        doctor_say(d, VERDICT_FAIL, "provider", "they cannot be asked: %s", err.text);
        doctor_advise(d, "see the memory and the file limit of this machine");
    }
    for (size_t i = 0; i < all.n; i++)
        say_probe(d, &all.items[i]);
    mem_free(all.items);
}
