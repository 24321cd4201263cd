/* SPDX-License-Identifier: MIT */
#include "store/sqlite/wal.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_BYTES 32
#define FRAME_BYTES 24    /* before its page */
#define MAGIC 0x377f0682u /* the lowest bit: numbers of the checksum are big-endian */
#define VERSION 3007000u

struct sum {
    uint32_t a, b;
};

static uint32_t big(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t little(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static struct sum add(struct sum s, const uint8_t *p, size_t n, bool is_big)
{
    for (; n >= 8; n -= 8, p += 8) {
        s.a += (is_big ? big(p) : little(p)) + s.b;
        s.b += (is_big ? big(p + 4) : little(p + 4)) + s.a;
    }
    return s;
}

static bool equal(struct sum s, const uint8_t *stored)
{
    return s.a == big(stored) && s.b == big(stored + 4);
}

static bool is_page_size(uint32_t n)
{
    return n >= 512 && n <= 65536 && (n & (n - 1)) == 0;
}

/* ---- frame by frame ---- */

struct scan {
    struct wal *w;
    uint8_t header[HEADER_BYTES];
    bool is_big;
    uint8_t *frame; /* FRAME_BYTES and a page */
    uint64_t n;     /* frames that the file has room for */
};

/* Numbers from 1. A file that is cut off under our hands gives no more frames. */
static bool read_frame(const struct scan *c, uint64_t number)
{
    size_t size = FRAME_BYTES + c->w->page_size;
    off_t at = (off_t)(HEADER_BYTES + (number - 1) * size);

    return number <= c->n && pread(c->w->fd, c->frame, size, at) == (ssize_t)size;
}

static struct sum sum_of_frame(const struct scan *c, struct sum before)
{
    return add(add(before, c->frame, 8, c->is_big), c->frame + FRAME_BYTES, c->w->page_size, c->is_big);
}

static bool has_our_salt(const struct scan *c)
{
    return memcmp(c->frame + 8, c->header + 16, 8) == 0;
}

static bool ends_commit(const struct scan *c)
{
    return big(c->frame + 4) != 0;
}

static struct sum stored_sum(const struct scan *c)
{
    return (struct sum){big(c->frame + 16), big(c->frame + 20)};
}

/* As SQLite reads it. The number of the first frame that is not whole; *sum is what it should go on from. */
static uint64_t read_whole_frames(struct scan *c, struct sum *sum)
{
    uint64_t number = 1;

    for (; read_frame(c, number); number++) {
        struct sum next = sum_of_frame(c, *sum);

        if (big(c->frame) == 0 || !has_our_salt(c) || !equal(next, c->frame + 16))
            break;
        *sum = next;
        if (ends_commit(c))
            c->w->frames = number;
    }
    return number;
}

/*
 * What stands from the broken frame on (0: the header) and is whole, as seen from the one before it: the most commits
 * that end in one row of such frames, the frame before the row included. Rows end where something else was written over
 * what was never finished. *last is the frame that ends the last of these commits.
 */
static uint64_t count_commits_behind(struct scan *c, uint64_t broken, struct sum before, uint64_t *last)
{
    struct sum stored = before, computed = before;
    uint64_t most = 0, ends = 0;

    *last = 0;
    if (broken > 0) {
        if (!read_frame(c, broken))
            return 0;
        computed = sum_of_frame(c, before);
        stored = stored_sum(c);
        ends = has_our_salt(c) && ends_commit(c);
    }
    for (uint64_t number = broken + 1; read_frame(c, number); number++) {
        bool linked = equal(sum_of_frame(c, stored), c->frame + 16) || equal(sum_of_frame(c, computed), c->frame + 16);

        computed = stored = stored_sum(c);
        if (!linked && broken == 0 && number > 1)
            break; /* the log that this header was of ends here */
        ends = (linked ? ends : 0) + (has_our_salt(c) && ends_commit(c));
        if (linked && ends > most) {
            most = ends;
            *last = number;
        }
    }
    return most;
}

/* A log that was folded back into the file to its end is begun anew, and nothing of it is missed. */
static bool is_folded_back(struct scan *c, const char *path, uint64_t n)
{
    uint8_t *page = mem_alloc(c->w->page_size);
    struct map *newest = map_new();
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool same = fd >= 0;

    for (uint64_t number = 1; number <= n && read_frame(c, number); number++)
        map_put_u64(newest, big(c->frame), (void *)(uintptr_t)number);
    for (uint64_t number = 1; same && number <= n && read_frame(c, number); number++) {
        uint32_t at = big(c->frame);

        if (at == 0 || map_find_u64(newest, at) != (void *)(uintptr_t)number)
            continue;
        same = pread(fd, page, c->w->page_size, (off_t)(at - 1) * c->w->page_size) == (ssize_t)c->w->page_size &&
               memcmp(page, c->frame + FRAME_BYTES, c->w->page_size) == 0;
    }
    if (fd >= 0)
        close(fd);
    map_free(newest);
    mem_free(page);
    return same;
}

/* ---- the index that a life leaves behind ---- */

#define INDEX_BYTES 48 /* of its header, in the byte order of the machine */

struct index_header {
    uint32_t version, unused, change;
    uint8_t is_init, is_big;
    uint16_t page_size;
    uint32_t frames, pages;
    uint32_t frame_sum[2], salt[2], sum[2];
};
_Static_assert(sizeof(struct index_header) == INDEX_BYTES, "as SQLite has it");

static int open_index(const char *path)
{
    char name[4096];

    return snprintf(name, sizeof(name), "%s-shm", path) >= (int)sizeof(name) ? -1 : open(name, O_RDONLY | O_CLOEXEC);
}

/* Frames that it knows of, all of them synced before they were entered; 0: it says nothing of this log. */
static uint64_t frames_of_index(const struct scan *c, const char *path)
{
    uint16_t one = 1;
    bool machine_is_big = *(const uint8_t *)&one == 0;
    uint8_t bytes[INDEX_BYTES];
    struct index_header h;
    struct sum s;
    int fd = open_index(path);
    ssize_t n = fd < 0 ? -1 : pread(fd, bytes, sizeof(bytes), 0);

    if (fd >= 0)
        close(fd);
    if (n != (ssize_t)sizeof(bytes))
        return 0;
    memcpy(&h, bytes, sizeof(h));
    s = add((struct sum){0}, bytes, sizeof(bytes) - 8, machine_is_big);
    if (s.a != h.sum[0] || s.b != h.sum[1] || memcmp(h.salt, c->header + 16, 8) != 0)
        return 0;
    return h.frames;
}

/* Asked without taking anything: whoever uses the log holds a lock on its index. */
static bool is_in_use(const char *path)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open_index(path);
    bool used;

    if (fd < 0)
        return false;
    used = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(fd);
    return used;
}

/* ---- all of it ---- */

static int open_log(const char *path)
{
    char name[4096];

    if (snprintf(name, sizeof(name), "%s-wal", path) >= (int)sizeof(name)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(name, O_RDONLY | O_CLOEXEC);
}

bool wal_is_there(const char *path)
{
    int fd = open_log(path);

    if (fd >= 0)
        close(fd);
    return fd >= 0 || errno != ENOENT;
}

static bool header_is_whole(const struct scan *c)
{
    struct sum none = {0};

    return (big(c->header) & ~1u) == MAGIC && big(c->header + 4) == VERSION && is_page_size(big(c->header + 8)) &&
           equal(add(none, c->header, 24, c->is_big), c->header + 24);
}

/* A header that is not: the salt is that of the first frame, if it is one. */
static void guess_header(struct scan *c)
{
    uint8_t frame[FRAME_BYTES];

    c->w->page_size = 4096;
    if (pread(c->w->fd, frame, sizeof(frame), HEADER_BYTES) == (ssize_t)sizeof(frame))
        memcpy(c->header + 16, frame + 8, 8);
}

/*
 * Two commits: the second was begun when the first was synced. One may be what a power cut tore, unless the index has
 * it. A header that is not whole, or that no frame follows, may be that of a log which was just to begin anew.
 */
static void judge(struct scan *c, const char *path, bool has_header, struct sum sum)
{
    struct wal *w = c->w;
    uint64_t known = frames_of_index(c, path), last;
    uint64_t commits = count_commits_behind(c, w->broken, sum, &last);

    if (!has_header && commits == 0) { /* the order of its bytes may be what is wrong */
        c->is_big = !c->is_big;
        commits = count_commits_behind(c, w->broken, sum, &last);
    }
    if (commits < 2 && known <= (has_header ? w->broken - 1 : 0))
        return;
    if (w->broken <= 1 && is_folded_back(c, path, last > known ? last : known))
        return;
    w->lost_commits = commits > 0 ? commits : 1;
}

static void scan_frames(struct scan *c, const char *path)
{
    struct wal *w = c->w;
    struct sum sum = {big(c->header + 24), big(c->header + 28)};
    bool has_header;

    c->is_big = (big(c->header) & 1) != 0;
    w->page_size = big(c->header + 8);
    has_header = header_is_whole(c);
    if (!has_header)
        guess_header(c);
    c->n = (w->bytes - HEADER_BYTES) / (FRAME_BYTES + w->page_size);
    c->frame = mem_alloc(FRAME_BYTES + w->page_size);
    w->broken = has_header ? read_whole_frames(c, &sum) : 0;
    judge(c, path, has_header, sum);
}

static uint64_t offset_of_frame(const struct wal *w, uint64_t number)
{
    return HEADER_BYTES + (number - 1) * (FRAME_BYTES + (uint64_t)w->page_size);
}

/* The page that it is of; 0: it is not of this log. */
static uint32_t page_of_frame(const struct wal *w, uint64_t number)
{
    uint8_t head[16];

    if (pread(w->fd, head, sizeof(head), (off_t)offset_of_frame(w, number)) != (ssize_t)sizeof(head))
        return 0;
    return memcmp(head + 8, w->salt, sizeof(w->salt)) == 0 ? big(head) : 0;
}

static void find_pages(struct wal *w, uint64_t n)
{
    w->n_images = w->lost_commits > 0 ? n : w->frames;
    w->frame_of = map_new();
    for (uint64_t number = 1; number <= w->n_images; number++) {
        uint32_t page = page_of_frame(w, number);

        if (page > 0)
            map_put_u64(w->frame_of, page, (void *)(uintptr_t)number);
    }
}

int wal_open(struct wal *w, const char *path, bool with_pages, struct err *err)
{
    struct scan c = {.w = w};
    struct stat info;

    *w = (struct wal){.fd = open_log(path)};
    if (w->fd < 0)
        return errno == ENOENT ? 0 : err_sys(err, ERR_IO, errno, "%s-wal", path);
    if (fstat(w->fd, &info) < 0 || info.st_size < HEADER_BYTES || is_in_use(path) ||
        pread(w->fd, c.header, sizeof(c.header), 0) != (ssize_t)sizeof(c.header)) {
        wal_close(w);
        return 0;
    }
    w->bytes = (uint64_t)info.st_size;
    scan_frames(&c, path);
    mem_free(c.frame);
    memcpy(w->salt, c.header + 16, sizeof(w->salt));
    if (with_pages)
        find_pages(w, c.n);
    if (is_in_use(path)) /* somebody came: what was seen may have moved meanwhile */
        wal_close(w);
    return 0;
}

void wal_close(struct wal *w)
{
    if (w->fd >= 0)
        close(w->fd);
    map_free(w->frame_of);
    *w = (struct wal){.fd = -1};
}

bool wal_find(const struct wal *w, uint32_t page, uint64_t *offset)
{
    uint64_t frame = w->frame_of == NULL ? 0 : (uint64_t)(uintptr_t)map_find_u64(w->frame_of, page);

    if (frame == 0)
        return false;
    *offset = offset_of_frame(w, frame) + FRAME_BYTES;
    return true;
}

bool wal_image(const struct wal *w, uint64_t i, uint64_t *offset)
{
    uint32_t page = i < w->n_images ? page_of_frame(w, i + 1) : 0;

    if (page == 0)
        return false;
    *offset = offset_of_frame(w, i + 1) + FRAME_BYTES;
    return w->lost_commits > 0 || map_find_u64(w->frame_of, page) == (void *)(uintptr_t)(i + 1);
}
