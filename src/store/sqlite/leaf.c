/* SPDX-License-Identifier: MIT */
#include "store/sqlite/leaf.h"

#include "base/mem.h"

#define FILE_HEADER 100
#define PAGE_HEADER 8

/* ---- numbers ---- */

static uint32_t u16_of(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t u32_of(const uint8_t *p)
{
    return u16_of(p) << 16 | u16_of(p + 2);
}

/* One to nine bytes; the number of them, 0: they go beyond the end. */
static size_t varint(const uint8_t *p, size_t n, uint64_t *out)
{
    uint64_t v = 0;

    for (size_t i = 0; i < 9 && i < n; i++) {
        if (i == 8) {
            *out = v << 8 | p[i];
            return 9;
        }
        v = v << 7 | (p[i] & 0x7f);
        if ((p[i] & 0x80) == 0) {
            *out = v;
            return i + 1;
        }
    }
    return 0;
}

static int64_t signed_of(const uint8_t *p, size_t n)
{
    uint64_t v = (p[0] & 0x80) != 0 ? UINT64_MAX : 0;

    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return (int64_t)v;
}

/* ---- the page ---- */

/* Whatever kind it says it is of: that byte may be what is damaged, and the rows tell. */
unsigned leaf_count(const uint8_t *page, uint32_t size, bool is_first)
{
    size_t at = is_first ? FILE_HEADER : 0;
    unsigned n = u16_of(page + at + 3);

    if (at + PAGE_HEADER + 2 * (size_t)n > size)
        return 0;
    return n;
}

/* How much of a payload of `n` bytes stands in the page itself. */
static uint64_t local_bytes(uint64_t n, uint32_t size)
{
    uint64_t most = size - 35, least = (size - 12) * 32 / 255 - 23;
    uint64_t kept = least + (n - least) % (size - 4);

    return n <= most ? n : kept <= most ? kept : least;
}

/* What goes on in other pages, each of which names the next. */
static bool read_overflow(const struct pages *p, uint32_t next, uint64_t left, struct buf *out)
{
    uint8_t *page = mem_alloc(p->size);
    bool there = true;

    while (left > 0 && there) {
        uint64_t n = left < p->size - 4 ? left : p->size - 4;

        there = next != 0 && pages_read(p, next, page);
        if (!there)
            break;
        buf_add(out, page + 4, n);
        left -= n;
        next = u32_of(page);
    }
    mem_free(page);
    return there;
}

/* ---- the row ---- */

static size_t size_of_type(uint64_t type)
{
    static const uint8_t sizes[] = {0, 1, 2, 3, 4, 6, 8, 8, 0, 0};

    return type < ARRAY_LEN(sizes) ? sizes[type] : type < 12 ? 0 : (size_t)((type - 12) / 2);
}

static struct column column_of(uint64_t type, const uint8_t *p, size_t n)
{
    struct column c = {.type = COLUMN_INT};

    if (type >= 12) {
        c.type = type % 2 == 0 ? COLUMN_BLOB : COLUMN_TEXT;
        c.bytes = (struct str){(const char *)p, n};
    } else if (type == 0 || type > 9) {
        c.type = COLUMN_NULL;
    } else if (type == 7) {
        c.type = COLUMN_REAL;
    } else {
        c.number = n > 0 ? signed_of(p, n) : (int64_t)type - 8;
    }
    return c;
}

/* A list of types, then the values. */
static bool read_columns(struct row_bytes *row)
{
    const uint8_t *p = (const uint8_t *)row->payload.p;
    size_t n = row->payload.n, at;
    uint64_t header = 0, value;

    at = varint(p, n, &header);
    if (at == 0 || header > n)
        return false;
    value = header;
    row->n = 0;
    while (at < header && row->n < LEAF_COLUMNS_MAX) {
        uint64_t type = 0;
        size_t step = varint(p + at, header - at, &type), size = size_of_type(type);

        if (step == 0 || size > n - value)
            return false;
        row->columns[row->n++] = column_of(type, p + value, size);
        at += step;
        value += size;
    }
    return at == header;
}

bool leaf_read(const struct pages *p, const uint8_t *page, bool is_first, unsigned i, struct row_bytes *out)
{
    size_t at = u16_of(page + (is_first ? FILE_HEADER : 0) + PAGE_HEADER + 2 * (size_t)i), step;
    uint64_t bytes = 0, rowid = 0, local;

    if (at < PAGE_HEADER || at >= p->size)
        return false;
    step = varint(page + at, p->size - at, &bytes);
    at += step;
    if (step == 0 || bytes == 0 || bytes > (p->in_file + p->log.n_images) * p->size)
        return false;
    step = varint(page + at, p->size - at, &rowid);
    at += step;
    local = local_bytes(bytes, p->size);
    if (step == 0 || local + (local < bytes ? 4 : 0) > p->size - at)
        return false;
    out->rowid = (int64_t)rowid;
    buf_clear(&out->payload);
    buf_add(&out->payload, page + at, local);
    if (local < bytes && !read_overflow(p, u32_of(page + at + local), bytes - local, &out->payload))
        return false;
    return read_columns(out);
}
