/* SPDX-License-Identifier: MIT */
#include "app/home.h"

#include "app/small_file.h"
#include "base/directory.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { INFO_BYTES = 64 * 1024 };

static int absolute(const char *path, struct buf *out, struct err *err)
{
    char *here;

    if (path[0] != '/') {
        here = get_current_dir_name();
        if (here == NULL)
            return err_sys(err, ERR_IO, errno, "the current directory");
        buf_addf(out, "%s/", here);
        mem_free(here);
    }
    buf_add_str(out, str_of(path));
    while (out->n > 1 && out->p[out->n - 1] == '/')
        out->p[--out->n] = '\0';
    return 0;
}

int home_init(struct home *h, const char *given, struct err *err)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT, socket_path = BUF_INIT;
    const char *from = given, *home = getenv("HOME");
    int rc;

    *h = (struct home){.fd = -1};
    if (from == NULL || from[0] == '\0')
        from = getenv("CULM_DATA_DIR");
    if (from != NULL && from[0] != '\0')
        rc = absolute(from, &path, err);
    else if (home == NULL || home[0] == '\0')
        return err_set(err, ERR_BAD_REQUEST, "no data directory: there is no HOME; name one with --data-dir");
    else
        rc = absolute(home, &path, err);
    if (rc < 0)
        return rc;
    if (from == NULL || from[0] == '\0')
        buf_add_str(&path, STR("/.culm"));
    buf_addf(&socket_path, "%s/culm.sock", path.p);
    h->path = mem_strdup(path.p);
    h->socket = mem_strdup(socket_path.p);
    return 0;
}

void home_done(struct home *h)
{
    if (h->fd >= 0)
        close(h->fd);
    mem_free(h->path);
    mem_free(h->socket);
    mem_free(h->near_socket);
    *h = (struct home){.fd = -1};
}

int home_make(struct home *h, struct err *err)
{
    return directory_make(h->path, err);
}

void home_file(const struct home *h, const char *name, struct buf *out)
{
    buf_addf(out, "%s/%s", h->path, name);
}

/* A long path is reached through the open directory: the kernel's own name for it is short. */
const char *home_socket(struct home *h)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT;

    if (strlen(h->socket) < sizeof(((struct sockaddr_un *)NULL)->sun_path))
        return h->socket;
    if (h->near_socket == NULL) {
        h->fd = open(h->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (h->fd < 0)
            return NULL;
        buf_addf(&path, "/proc/self/fd/%d/culm.sock", h->fd);
        h->near_socket = mem_strdup(path.p);
    }
    return h->near_socket;
}

bool home_has_server(struct home *h)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    const char *path = home_socket(h);
    bool answers;
    int fd;

    if (path == NULL || !str_copy(sa.sun_path, sizeof(sa.sun_path), str_of(path)))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    /* EAGAIN: it is there, and its queue of new connections is full. */
    answers = connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0 || errno == EAGAIN;
    close(fd);
    return answers;
}

int server_info_write(const struct home *h, const struct server_info *info, struct err *err)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT, path = BUF_INIT, url = BUF_INIT;
    struct json_writer w = JSON_WRITER(&text);

    json_begin_object(&w);
    json_key_i64(&w, "pid", getpid());
    json_key_text(&w, "boot", info->boot);
    json_key_text(&w, "version", info->version);
    json_key_text(&w, "socket", info->socket);
    if (info->address != NULL) {
        server_url(info->address, info->port, &url);
        json_key_text(&w, "address", url.p);
        json_key_u64(&w, "port", info->port);
    }
    json_end_object(&w);
    buf_add_char(&text, '\n');
    home_file(h, "server.json", &path);
    return small_file_write(path.p, buf_str(&text), err);
}

void server_info_remove(const struct home *h)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT;

    home_file(h, "server.json", &path);
    unlink(path.p);
}

bool server_info_is_lasting(const struct home *h)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT, text = BUF_CAPPED(INFO_BYTES);
    struct json *info = NULL;
    struct arena arena;
    bool lasting;

    home_file(h, "server.json", &path);
    if (small_file_read(path.p, &text, NULL) < 0 || text.n == 0)
        return false;
    arena_init(&arena);
    lasting = json_parse(&arena, buf_str(&text), &info, NULL) == 0 && json_find(info, "port") != NULL;
    arena_done(&arena);
    return lasting;
}

void server_url(const char *address, uint16_t port, struct buf *out)
{
    bool is_v6 = strchr(address, ':') != NULL;

    buf_addf(out, "http://%s%s%s:%u", is_v6 ? "[" : "", address, is_v6 ? "]" : "", port);
}
