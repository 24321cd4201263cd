/* SPDX-License-Identifier: MIT */
#include "store/sqlite/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_HEADER 100
#define SIZE_AT 16
#define SIZE_DEFAULT 4096 /* of SQLite, and nothing here asks for another */

static uint32_t size_of_pages(const uint8_t header[FILE_HEADER])
{
    uint32_t size = (uint32_t)header[SIZE_AT] << 8 | header[SIZE_AT + 1];

    size = size == 1 ? 65536 : size;
    if (memcmp(header, "SQLite format 3", 16) != 0 || size < 512 || (size & (size - 1)) != 0)
        return SIZE_DEFAULT;
    return size;
}

int pages_open(struct pages *p, const char *path, struct err *err)
{
    uint8_t header[FILE_HEADER] = {0};
    struct stat info = {0};
    int rc;

    *p = (struct pages){.fd = open(path, O_RDONLY | O_CLOEXEC), .log = {.fd = -1}};
    if (p->fd < 0)
        return err_sys(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "%s", path);
    rc = wal_open(&p->log, path, true, err);
    if (rc == 0 && (fstat(p->fd, &info) < 0 || pread(p->fd, header, sizeof(header), 0) < 0))
        rc = err_sys(err, ERR_IO, errno, "%s", path);
    if (rc < 0) {
        pages_close(p);
        return rc;
    }
    p->size = size_of_pages(header);
    if (p->log.page_size != 0)
        p->size = p->log.page_size;
    p->in_file = ((uint64_t)info.st_size + p->size - 1) / p->size;
    p->n_images = p->in_file + p->log.n_images;
    return 0;
}

void pages_close(struct pages *p)
{
    if (p->fd >= 0)
        close(p->fd);
    wal_close(&p->log);
    *p = (struct pages){.fd = -1, .log = {.fd = -1}};
}

static bool read_at(int fd, uint64_t at, uint8_t *out, uint32_t size)
{
    ssize_t n = pread(fd, out, size, (off_t)at);

    if (n <= 0)
        return false;
    memset(out + n, 0, size - (size_t)n);
    return true;
}

bool pages_image_is_first(uint64_t image)
{
    return image == 0;
}

bool pages_read_image(const struct pages *p, uint64_t image, uint8_t *out)
{
    uint64_t offset;

    if (image >= p->in_file)
        return wal_image(&p->log, image - p->in_file, &offset) && read_at(p->log.fd, offset, out, p->size);
    if (p->log.lost_commits == 0 && wal_find(&p->log, (uint32_t)image + 1, &offset))
        return false; /* what the log has of it counts */
    return read_at(p->fd, image * p->size, out, p->size);
}

bool pages_read(const struct pages *p, uint32_t page, uint8_t *out)
{
    uint64_t offset;

    if (wal_find(&p->log, page, &offset))
        return read_at(p->log.fd, offset, out, p->size);
    return page > 0 && page <= p->in_file && read_at(p->fd, (uint64_t)(page - 1) * p->size, out, p->size);
}
