/* SPDX-License-Identifier: MIT */
#include "life.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdio.h>
#include <time.h>

bool life_begin(struct life *l, const char *dir, struct err *err)
{
    struct server_options server = {0};
    struct client_options client = {0};

    *l = (struct life){.wait_ms = 5000};
    l->config = config_new();
    if (home_init(&l->home, dir, err) < 0 || loop_new(&l->loop, err) < 0)
        return false;
    server = (struct server_options){.loop = l->loop, .home = &l->home, .config = l->config};
    if (server_open(&server, &l->server, err) < 0)
        return false;
    server_recover(l->server);
    if (server_listen(l->server, err) < 0)
        return false;
    client = (struct client_options){.loop = l->loop, .unix_socket = home_socket(&l->home)};
    l->client = client_new(&client);
    return true;
}

struct waiting {
    struct loop *loop;
    int status;
    struct buf *reply;
};

static void on_reply(void *arg, int status, const struct json *body, const struct err *err UNUSED)
{
    struct waiting *w = arg;

    w->status = status;
    if (w->reply != NULL && body != NULL) {
        buf_clear(w->reply);
        buf_add_str(w->reply, body->raw);
    }
    loop_stop(w->loop);
}

int life_call(struct life *l, const char *method, const char *path, const char *body, struct buf *reply)
{
    struct waiting w = {.loop = l->loop, .reply = reply};
    const struct client_request request = {
        .method = method, .path = path, .header = l->header, .body = str_of(body), .timeout_ms = l->wait_ms};
    struct err err;

    l->header = NULL;
    if (client_send(l->client, &request, on_reply, &w, &err) == NULL)
        return 0;
    loop_run(l->loop);
    return w.status;
}

bool life_wait_idle(struct life *l, const char *session)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    CLEANUP(buf_done) struct buf reply = BUF_INIT;
    int64_t until = clock_mono_ms() + l->wait_ms;
    char path[128];

    snprintf(path, sizeof(path), "/api/v1/sessions/%s", session);
    do {
        if (life_call(l, "GET", path, NULL, &reply) == 200 &&
            str_find(buf_str(&reply), STR("\"is_running\":false")) >= 0)
            return true;
        nanosleep(&pause, NULL);
    } while (clock_mono_ms() < until);
    return false;
}

static void on_stopped(void *arg)
{
    struct life *l = arg;

    loop_stop(l->loop);
}

void life_end(struct life *l)
{
    client_free(l->client);
    if (l->client != NULL) {
        server_stop(l->server, on_stopped, l);
        loop_run(l->loop);
    }
    server_free(l->server);
    if (l->loop != NULL)
        loop_free(l->loop);
    home_done(&l->home);
    config_free(l->config);
}
