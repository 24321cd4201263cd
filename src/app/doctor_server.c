/* SPDX-License-Identifier: MIT */
/* culm doctor: the server, if there is one, and what one that was killed has left. */
#include "app/client.h"
#include "app/doctor.h"
#include "base/str.h"

#include <stdio.h>
#include <sys/stat.h>

enum { ASK_MS = 5000 };

/* What the answer to one question was; `err.code` is ERR_OK where there is one. */
struct asked {
    struct loop *loop;
    int status;
    struct buf version, text;
    struct err err;
};

static void on_answer(void *arg, int status, const struct json *body, const struct err *err)
{
    struct asked *a = arg;

    a->status = status;
    a->err = err == NULL ? (struct err){.code = ERR_OK} : *err;
    buf_clear(&a->text);
    if (err == NULL && status != 200)
        client_error_text(status, body, &a->text);
    if (json_find(body, "version") != NULL) {
        buf_clear(&a->version);
        buf_add_str(&a->version, json_text(json_find(body, "version")));
    }
    loop_stop(a->loop);
}

static void ask(struct client *c, const char *path, struct asked *a)
{
    const struct client_request q = {.method = "GET", .path = path, .timeout_ms = ASK_MS};

    if (client_send(c, &q, on_answer, a, &a->err) != NULL)
        loop_run(a->loop);
}

static void judge(struct doctor *d, const struct asked *a)
{
    const char *version = a->version.p == NULL ? "?" : a->version.p;

    if (a->err.code != ERR_OK) {
        doctor_say(d, VERDICT_FAIL, "server", "%s takes connections and does not answer: %s", d->home.socket,
                   a->err.text);
        doctor_advise(d, "see its log; if it hangs, kill it and start it again: nothing acknowledged is lost");
    } else if (a->status != 200) {
        doctor_say(d, VERDICT_WARN, "server", "it runs, and takes no work: %s", a->text.p);
        doctor_advise(d, "wait; if it stays so, see its log");
    } else if (strcmp(version, CULM_VERSION) != 0) {
        doctor_say(d, VERDICT_WARN, "server", "culm %s runs, and this is culm %s", version, CULM_VERSION);
        doctor_advise(d, "restart the server to run this one");
    } else {
        doctor_say(d, VERDICT_OK, "server", "culm %s answers at %s and takes work", version, d->home.socket);
    }
}

static int ask_server(struct doctor *d, struct asked *a)
{
    struct client_options o = {.unix_socket = home_socket(&d->home)};
    struct client *client = NULL;
    int rc = loop_new(&a->loop, &a->err);

    o.loop = a->loop;
    if (rc == 0) {
        client = client_new(&o);
        ask(client, "/healthz", a);
        if (a->err.code == ERR_OK && a->status == 200)
            ask(client, "/readyz", a);
    }
    client_free(client);
    loop_free(a->loop);
    return rc;
}

/* ---- without one ---- */

/* Trying the lock would be in the way of a server that starts now; the kernel's list is not. */
static bool is_locked(const char *path)
{
    CLEANUP(buf_done) struct buf locks = BUF_INIT, inode = BUF_INIT;
    struct str rest, line;
    struct stat st;

    if (stat(path, &st) != 0 || !doctor_read("/proc/locks", &locks))
        return false;
    buf_addf(&inode, ":%ju ", (uintmax_t)st.st_ino);
    rest = buf_str(&locks);
    while (str_next(&rest, '\n', &line))
        if (str_find(line, STR("FLOCK")) >= 0 && str_find(line, buf_str(&inode)) >= 0)
            return true;
    return false;
}

static void look_at_remains(struct doctor *d)
{
    CLEANUP(buf_done) struct buf lock = BUF_INIT, info = BUF_INIT;
    struct stat st;

    home_file(&d->home, "culm.lock", &lock);
    home_file(&d->home, "server.json", &info);
    if (is_locked(lock.p)) {
        doctor_say(d, VERDICT_WARN, "server", "a process holds %s, and nobody answers at the socket", lock.p);
        doctor_advise(d, "it may be starting or stopping; %s names it", lock.p);
    } else if (stat(info.p, &st) == 0) {
        doctor_say(d, VERDICT_WARN, "server", "%s is left of a server that was killed", info.p);
        doctor_advise(d, "start culm serve: it takes up the runs that were cut, and replaces the file");
    } else {
        doctor_say(d, VERDICT_OK, "server", "none is running");
    }
}

void doctor_server(struct doctor *d)
{
    struct asked a = {0};

    d->has_server = home_has_server(&d->home);
    if (!d->has_server) {
        look_at_remains(d);
        return;
    }
    if (ask_server(d, &a) < 0 && a.err.code == ERR_OK)
        err_set(&a.err, ERR_INTERNAL, "it could not be asked");
    judge(d, &a);
    buf_done(&a.version);
    buf_done(&a.text);
}
