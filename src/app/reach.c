/* SPDX-License-Identifier: MIT */
#include "app/reach.h"

#include "app/commands.h"
#include "app/exit_code.h"
#include "app/server.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>

enum {
    ASK_MS = 60 * 1000,
    LOCKED_MS = 10 * 1000, /* for a server that starts or stops to be there or gone */
    LOCKED_STEP_MS = 50,
};

struct reach {
    struct home home;
    struct config *config;
    const char *url, *token;
    enum reach_for what;
    struct loop *loop;
    struct server *server; /* ours; NULL: another process's */
    struct client *client;
};

/* What one request waits with. */
struct asking {
    struct reach *reach;
    reach_take_fn *take;
    void *arg;
    int code;
};

/* ---- who answers ---- */

static void on_pause_over(void *arg)
{
    loop_stop(arg);
}

void reach_pause(struct reach *r, int64_t ms)
{
    struct timer *t = timer_new(r->loop, "reach.pause", on_pause_over, r->loop);

    timer_start(t, ms);
    loop_run(r->loop);
    timer_free(t);
}

static void on_stopped(void *arg)
{
    loop_stop(arg);
}

static void close_server(struct reach *r)
{
    if (r->server != NULL && r->what == REACH_CHANGING) {
        server_stop(r->server, on_stopped, r->loop);
        loop_run(r->loop);
    }
    server_free(r->server);
    r->server = NULL;
}

static int open_server(struct reach *r, struct err *err)
{
    const struct server_options o = {
        .loop = r->loop, .home = &r->home, .config = r->config, .read_only = r->what == REACH_READING};
    int rc = server_open(&o, &r->server, err);

    return rc < 0 ? rc : server_listen(r->server, err);
}

/* Somebody holds the lock and does not answer: he is on his way in or out. */
static int find_server(struct reach *r, struct err *err)
{
    int64_t until = clock_mono_ms() + LOCKED_MS;
    int rc;

    for (;;) {
        if (home_has_server(&r->home))
            return 0;
        rc = open_server(r, err);
        if (rc != -ERR_LOCKED || r->what == REACH_READING || clock_mono_ms() >= until)
            return rc;
        reach_pause(r, LOCKED_STEP_MS);
    }
}

bool reach_has_server(struct reach *r)
{
    return r->url != NULL || home_has_server(&r->home);
}

int reach_again(struct reach *r, struct err *err)
{
    struct client_options o = {.loop = r->loop, .base_url = r->url, .token = r->token};
    int rc = 0;

    client_free(r->client);
    r->client = NULL;
    close_server(r);
    if (r->url == NULL)
        rc = find_server(r, err);
    if (rc < 0)
        return rc;
    if (r->url == NULL) {
        o.unix_socket = r->server != NULL ? server_socket(r->server) : home_socket(&r->home);
        o.where = r->home.socket;
    }
    r->client = client_new(&o);
    return 0;
}

static int set_up(struct reach *r, const struct command_line *line)
{
    int code = command_open_home(line, &r->home);
    struct err err;

    if (code != 0)
        return code;
    if (r->what == REACH_CHANGING && r->url == NULL) {
        code = command_read_config(line, &r->home, &r->config);
        if (code != 0)
            return code;
    } else {
        r->config = config_new(); /* who only reads depends on no setting */
    }
    if (loop_new(&r->loop, &err) < 0)
        return command_fail(CODE_ERROR, "%s", err.text);
    return 0;
}

int reach_open(const struct command_line *line, enum reach_for what, struct reach **out)
{
    struct reach *r = mem_zalloc(sizeof(*r));
    struct err err;
    int code, rc;

    r->home.fd = -1;
    r->what = what;
    r->url = line->server;
    r->token = line->server != NULL ? getenv("CULM_TOKEN") : NULL;
    log_set_level(LOG_LEVEL_ERROR); /* what a person is to know is said by the command */
    code = set_up(r, line);
    if (code == 0) {
        rc = reach_again(r, &err);
        if (rc < 0)
            code =
                command_fail(rc == -ERR_NOT_FOUND || rc == -ERR_BAD_REQUEST ? CODE_SETUP : CODE_ERROR, "%s", err.text);
    }
    if (code != 0)
        reach_close(r);
    else
        *out = r;
    return code;
}

void reach_close(struct reach *r)
{
    if (r == NULL)
        return;
    client_free(r->client);
    close_server(r);
    loop_free(r->loop);
    config_free(r->config);
    home_done(&r->home);
    mem_free(r);
}

struct client *reach_client(struct reach *r)
{
    return r->client;
}

struct loop *reach_loop(struct reach *r)
{
    return r->loop;
}

bool reach_is_alone(const struct reach *r)
{
    return r->server != NULL;
}

/* ---- requests ---- */

int reach_refused(const struct reach *r, int status, const struct json *body)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    struct str id = json_text(json_find(body, "session_id"));

    if (status == 404 && id.n > 0)
        return command_fail(CODE_ERROR, "there is no session " STR_FMT "; see: culm sessions", STR_ARG(id));
    client_error_text(status, body, &text);
    return command_fail(CODE_ERROR, "%s: %s", client_where(r->client), text.p);
}

static void on_answer(void *arg, int status, const struct json *body, const struct err *err)
{
    struct asking *a = arg;
    const char *where = client_where(a->reach->client);

    if (err != NULL && client_is_unreachable(err))
        a->code = command_fail(CODE_ERROR, "no server answers at %s: %s", where, err->text);
    else if (err != NULL)
        a->code = command_fail(CODE_ERROR, "%s: %s", where, err->text);
    else
        a->code = a->take(a->arg, status, body);
    loop_stop(a->reach->loop);
}

int reach_ask(struct reach *r, const struct client_request *q, reach_take_fn *take, void *arg)
{
    struct asking a = {r, take, arg, CODE_ERROR};
    struct client_request request = *q;
    struct err err;

    if (request.timeout_ms == 0)
        request.timeout_ms = ASK_MS;
    if (client_send(r->client, &request, on_answer, &a, &err) == NULL)
        return command_fail(CODE_ERROR, "%s", err.text);
    loop_run(r->loop);
    return a.code;
}

struct getting {
    struct reach *reach;
    reach_take_fn *take;
    void *arg;
};

static int take_good(void *arg, int status, const struct json *body)
{
    struct getting *g = arg;

    if (status != 200)
        return reach_refused(g->reach, status, body);
    if (body == NULL)
        return command_fail(CODE_ERROR, "%s answers with something that is not JSON", client_where(g->reach->client));
    return g->take(g->arg, status, body);
}

int reach_get(struct reach *r, const char *path, reach_take_fn *take, void *arg)
{
    return reach_get_long(r, path, 0, take, arg);
}

int reach_get_long(struct reach *r, const char *path, size_t max_bytes, reach_take_fn *take, void *arg)
{
    const struct client_request q = {.method = "GET", .path = path, .max_bytes = max_bytes};
    struct getting g = {r, take, arg};

    return reach_ask(r, &q, take_good, &g);
}

void reach_add_query(struct buf *path, const char *name, struct str value)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    if (value.n == 0)
        return;
    buf_addf(path, "%c%s=", strchr(path->p, '?') == NULL ? '?' : '&', name);
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];

        if (c != '\0' && strchr(plain, c) != NULL)
            buf_add_char(path, (char)c);
        else
            buf_addf(path, "%%%02X", c);
    }
}
