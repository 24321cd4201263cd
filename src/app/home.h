/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Where a culm keeps what it has, and how others find the server that works there: the Unix
 * socket, and `server.json` for people and tools. A server is there when its socket answers; the
 * lock of the store says whether another may begin.
 */
#include "base/buf.h"
#include "base/err.h"

struct home {
    char *path;        /* absolute */
    char *socket;      /* `path`/culm.sock, whatever its length: for people and server.json */
    char *near_socket; /* the same, short enough for the kernel; NULL: not opened, or there is no way */
    int fd;            /* keeps near_socket alive; -1: not needed */
};

/* `given`, else CULM_DATA_DIR, else ~/.culm. ERR_BAD_REQUEST: nothing says where. The directory need not exist. */
NODISCARD int home_init(struct home *h, const char *given, struct err *err);
void home_done(struct home *h);
NODISCARD int home_make(struct home *h, struct err *err);
void home_file(const struct home *h, const char *name, struct buf *out);
/* A path of the socket that fits into a socket address (108 bytes); NULL: the directory is not there. */
const char *home_socket(struct home *h);
bool home_has_server(struct home *h); /* something accepts connections there */

struct server_info {
    const char *boot, *version, *socket;
    const char *address; /* NULL: no TCP */
    uint16_t port;
};
NODISCARD int server_info_write(const struct home *h, const struct server_info *info, struct err *err);
void server_info_remove(const struct home *h);
/* The server that wrote the file was one to stay (`culm serve`), not that of a single command. */
bool server_info_is_lasting(const struct home *h);
/* "http://127.0.0.1:9562", with brackets where they belong. */
void server_url(const char *address, uint16_t port, struct buf *out);
