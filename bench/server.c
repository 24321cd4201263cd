/* SPDX-License-Identifier: MIT */
#include "server.h"

#include "base/json.h"
#include "base/str.h"
#include "conn.h"
#include "fail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void no_reply(void *arg UNUSED, int status UNUSED)
{
}

static int ask(struct bench *b, uint16_t port, struct str request, struct buf *reply)
{
    struct conn *c = conn_open(&b->poller, port, &(struct conn_user){.on_end = no_reply});
    int status = conn_exchange(c, &b->poller, request, reply);

    conn_close(c);
    return status;
}

/* ---- the stand-in ---- */

void stand_in_start(struct bench *b, struct stand_in *out)
{
    const char *const argv[] = {b->self, "provider", NULL};
    uint64_t port = 0;
    char line[64];

    process_start(&out->process, "the stand-in", argv, NULL, NULL);
    process_read_line(&out->process, line, sizeof(line));
    if (!str_to_u64(str_of(line), &port))
        fail("the stand-in says \"%s\" instead of its port", line);
    out->port = (uint16_t)port;
}

void stand_in_stop(struct stand_in *s)
{
    process_stop(&s->process);
}

void stand_in_stats(struct bench *b, const struct stand_in *s, struct stand_in_stats *out)
{
    CLEANUP(buf_done) struct buf request = BUF_INIT;
    CLEANUP(buf_done) struct buf reply = BUF_INIT;
    struct json *root = NULL;
    struct arena a;

    arena_init(&a);
    request_write(&request, s->port, "GET", "/stats", NULL, STR(""));
    if (ask(b, s->port, buf_str(&request), &reply) != 200 || json_parse(&a, buf_str(&reply), &root, NULL) < 0)
        fail("the stand-in gives no figures");
    *out = (struct stand_in_stats){.requests = json_number(json_find(root, "requests"), 0),
                                   .body_bytes = json_number(json_find(root, "body_bytes"), 0),
                                   .connections = json_number(json_find(root, "connections"), 0)};
    arena_done(&a);
}

/* ---- culm ---- */

static void read_token(struct server *s, const char *data_dir)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT;
    ssize_t n;
    int fd;

    buf_addf(&path, "%s/token", data_dir);
    fd = open(path.p, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, s->token, sizeof(s->token) - 1);
    if (n <= 0)
        fail_sys("%s", path.p);
    s->token[n] = '\0';
    s->token[strcspn(s->token, "\n")] = '\0';
    close(fd);
}

/* "culm 0.1.0 listening on http://127.0.0.1:40123 (data: …)" */
static uint16_t port_of(const char *line)
{
    static const char before[] = "http://127.0.0.1:";
    const char *at = strstr(line, before);

    if (at == NULL)
        fail("culm says \"%s\" instead of its address", line);
    return (uint16_t)strtoul(at + sizeof(before) - 1, NULL, 10);
}

void server_start(struct bench *b, const char *name, const char *data_dir, const struct stand_in *provider,
                  struct server *out)
{
    const char *const argv[] = {b->culm, "serve", "--port", "0", "--data-dir", data_dir, NULL};
    char base_url[80], line[1024];
    const char *env[] = {NULL, "CULM_MODEL=openai/pieces-50", NULL};

    *out = (struct server){.name = name};
    buf_addf(&out->log, "%s.log", data_dir);
    unlink(out->log.p);
    if (provider != NULL) {
        snprintf(base_url, sizeof(base_url), "OPENAI_BASE_URL=http://127.0.0.1:%u/v1", provider->port);
        env[0] = base_url;
    }
    process_start(&out->process, "culm", argv, provider != NULL ? env : NULL, out->log.p);
    process_read_line(&out->process, line, sizeof(line));
    out->port = port_of(line);
    read_token(out, data_dir);
}

/* Stalls of its loop and the like are said there and nowhere else. */
static void look_through_log(const struct server *s)
{
    FILE *log = fopen(s->log.p, "re");
    char line[1024], first[1024] = "";
    unsigned n = 0;

    if (log == NULL)
        return;
    while (fgets(line, sizeof(line), log) != NULL) {
        if (strstr(line, " warn ") == NULL && strstr(line, " error ") == NULL)
            continue;
        if (n++ == 0)
            str_copy(first, sizeof(first), str_of(line));
    }
    fclose(log);
    if (n > 0)
        fprintf(stderr, "%s: %u warnings in the log of culm, the first: %s", s->name, n, first);
}

void server_stop(struct bench *b, struct server *s)
{
    bench_say(b, "%s: stopping", s->name);
    process_stop(&s->process);
    look_through_log(s);
    unlink(s->log.p);
    buf_done(&s->log);
}

void server_ask(struct bench *b, const struct server *s, const char *method, const char *path, struct str body,
                struct buf *reply)
{
    CLEANUP(buf_done) struct buf request = BUF_INIT;
    CLEANUP(buf_done) struct buf own = BUF_INIT;
    struct buf *to = reply != NULL ? reply : &own;
    int status;

    request_write(&request, s->port, method, path, s->token, body);
    status = ask(b, s->port, buf_str(&request), to);
    if (status < 200 || status >= 300)
        fail("%s %s: HTTP %d: " STR_FMT, method, path, status, STR_ARG(buf_str(to)));
}
