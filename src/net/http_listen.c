/* SPDX-License-Identifier: MIT */
#include "net/http_internal.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024, PAUSE_MS = 200 };

struct http_listener {
    struct list link, all;
    struct http_server *server;
    struct evhttp_bound_socket *bound;
    struct evconnlistener *listener;
    struct timer *pause;
    bool is_pausing; /* since the last accepted connection, said in the log already */
    size_t conns_then;
    char *path; /* of a Unix socket */
    dev_t device;
    ino_t inode;
};

/* evhttp takes the user pointer of the listener for itself, so the error callback has to look its own up. */
static _Thread_local struct list all_listeners;

static struct http_listener *find_listener(const struct evconnlistener *listener)
{
    if (all_listeners.next == NULL)
        list_init(&all_listeners);
    LIST_EACH (it, tmp, &all_listeners) {
        struct http_listener *l = LIST_ITEM(it, struct http_listener, all);

        if (l->listener == listener)
            return l;
    }
    return NULL;
}

static void on_resume(void *arg)
{
    struct http_listener *l = arg;

    evconnlistener_enable(l->listener);
}

/*
 * The library accepts by itself. Its call is bound to this definition, as it stands in the program, so that tests can
 * make it fail.
 */
__attribute__((visibility("default"))) int accept4(int fd, __SOCKADDR_ARG address, socklen_t *restrict len, int flags)
{
    int sys = fault_fails(FAULT_ACCEPT);

    if (sys == 0)
        return (int)syscall(SYS_accept4, fd, address.__sockaddr__, len, flags);
    errno = sys;
    return -1;
}

/* Out of descriptors or memory: the backlog stays readable, so going on at once would spin. */
static void on_accept_error(struct evconnlistener *listener, void *http UNUSED)
{
    int sys = errno;
    struct http_listener *l = find_listener(listener);

    if (l == NULL)
        return;
    evconnlistener_disable(listener);
    timer_start(l->pause, PAUSE_MS);
    if (!l->is_pausing || l->server->stats.connections > l->conns_then)
        LOG_ERROR("http.accept", log_uint("connections", l->server->stats.connections), log_int("pause_ms", PAUSE_MS),
                  log_text("error", strerror(sys)));
    l->is_pausing = true;
    l->conns_then = l->server->stats.connections;
}

/* Takes the listening fd, in any case. */
static struct http_listener *add_listener(struct http_server *s, int fd, struct err *err)
{
    struct http_listener *l = mem_zalloc(sizeof(*l));

    l->server = s;
    l->listener =
        evconnlistener_new(loop_base(s->loop), NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (l->listener == NULL) {
        close(fd);
        mem_free(l);
        err_set(err, ERR_INTERNAL, "cannot watch a listening socket");
        return NULL;
    }
    evconnlistener_set_error_cb(l->listener, on_accept_error);
    l->bound = evhttp_bind_listener(s->http, l->listener);
    if (l->bound == NULL) {
        evconnlistener_free(l->listener);
        mem_free(l);
        err_set(err, ERR_INTERNAL, "cannot hand a listening socket to the HTTP library");
        return NULL;
    }
    l->pause = timer_new(s->loop, "http.accept", on_resume, l);
    find_listener(NULL); /* makes the list */
    list_add_tail(&all_listeners, &l->all);
    list_add_tail(&s->listeners, &l->link);
    return l;
}

static bool parse_address(const char *text, uint16_t port, struct sockaddr_storage *out, socklen_t *len)
{
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

    *out = (struct sockaddr_storage){0};
    if (strcmp(text, "localhost") == 0)
        text = "127.0.0.1";
    if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        *len = sizeof(*in);
        return true;
    }
    if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        *len = sizeof(*in6);
        return true;
    }
    return false;
}

int http_server_listen_tcp(struct http_server *s, const char *address, uint16_t *port, struct err *err)
{
    struct sockaddr_storage sa;
    socklen_t len = 0;
    const int on = 1;
    int fd, rc;

    if (!parse_address(address, *port, &sa, &len))
        return err_set(err, ERR_BAD_REQUEST, "%s is not a numeric address and not localhost", address);
    fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_sys(err, ERR_NETWORK, errno, "socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 || bind(fd, (struct sockaddr *)&sa, len) != 0 ||
        listen(fd, BACKLOG) != 0 || getsockname(fd, (struct sockaddr *)&sa, &len) != 0) {
        rc = err_sys(err, ERR_NETWORK, errno, "cannot listen on %s port %u", address, *port);
        close(fd);
        return rc;
    }
    if (add_listener(s, fd, err) == NULL)
        return -ERR_INTERNAL;
    *port = ntohs(sa.ss_family == AF_INET ? ((struct sockaddr_in *)&sa)->sin_port
                                          : ((struct sockaddr_in6 *)&sa)->sin6_port);
    return 0;
}

/* Removes a socket nobody listens on. Anything else in the way stays, and binding then says so. */
static void remove_stale(const struct sockaddr_un *sa)
{
    struct stat st;
    int fd;

    if (lstat(sa->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) != 0 && errno == ECONNREFUSED)
        unlink(sa->sun_path);
    close(fd);
}

int http_server_listen_unix(struct http_server *s, const char *path, struct err *err)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct http_listener *l;
    struct stat st;
    int fd, rc;

    if (!str_copy(sa.sun_path, sizeof(sa.sun_path), str_of(path)))
        return err_set(err, ERR_BAD_REQUEST, "socket path longer than %zu bytes: %s", sizeof(sa.sun_path) - 1, path);
    remove_stale(&sa);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_sys(err, ERR_NETWORK, errno, "socket");
    /* Nobody can connect before listen(), so the mode is right in time without the umask, which all threads share. */
    if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 || chmod(path, 0600) != 0 || listen(fd, BACKLOG) != 0 ||
        stat(path, &st) != 0) {
        rc = err_sys(err, ERR_NETWORK, errno, "cannot listen on %s", path);
        close(fd);
        return rc;
    }
    l = add_listener(s, fd, err);
    if (l == NULL)
        return -ERR_INTERNAL;
    l->path = mem_strdup(path);
    l->device = st.st_dev;
    l->inode = st.st_ino;
    return 0;
}

/* Bound to a family alone, a socket gets a name of five digits outside of the file system (unix(7), "Autobind"). */
int http_server_listen_unnamed(struct http_server *s, char out_name[HTTP_UNNAMED_SOCKET], struct err *err)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    socklen_t len = sizeof(sa.sun_family);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;

    if (fd < 0)
        return err_sys(err, ERR_NETWORK, errno, "socket");
    rc = bind(fd, (struct sockaddr *)&sa, len);
    len = sizeof(sa);
    if (rc != 0 || listen(fd, BACKLOG) != 0 || getsockname(fd, (struct sockaddr *)&sa, &len) != 0) {
        rc = err_sys(err, ERR_NETWORK, errno, "cannot listen on a Unix socket without a name");
        close(fd);
        return rc;
    }
    if (add_listener(s, fd, err) == NULL)
        return -ERR_INTERNAL;
    len -= (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1;
    out_name[0] = '@';
    if (!str_copy(out_name + 1, HTTP_UNNAMED_SOCKET - 1, (struct str){sa.sun_path + 1, len}))
        return err_set(err, ERR_INTERNAL, "the kernel's name for a socket is longer than expected");
    return 0;
}

void http_listeners_close(struct http_server *s)
{
    LIST_EACH (it, tmp, &s->listeners) {
        struct http_listener *l = LIST_ITEM(it, struct http_listener, link);
        struct stat st;

        /* A successor may have put its own socket there. */
        if (l->path != NULL && stat(l->path, &st) == 0 && st.st_dev == l->device && st.st_ino == l->inode)
            unlink(l->path);
        list_remove(&l->link);
        list_remove(&l->all);
        timer_free(l->pause);
        evhttp_del_accept_socket(s->http, l->bound); /* frees the listener */
        mem_free(l->path);
        mem_free(l);
    }
}
