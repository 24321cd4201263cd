/* SPDX-License-Identifier: MIT */
/* The receipts on the disk. Nothing is forgotten here: how long a key is known is the engine's to judge. */
#include "base/mem.h"
#include "base/str.h"
#include "sim.h"

struct receipts {
    struct map *rows; /* struct row, by session and key */
};

struct row {
    struct buf name, key, fingerprint, reply;
    struct str session;
    struct receipt receipt;
};

struct receipts *receipts_new(void)
{
    struct receipts *r = mem_zalloc(sizeof(*r));

    r->rows = map_new();
    return r;
}

static void row_free(struct receipts *r, struct row *row)
{
    map_take(r->rows, buf_str(&row->name));
    buf_done(&row->name);
    buf_done(&row->key);
    buf_done(&row->fingerprint);
    buf_done(&row->reply);
    mem_free(row);
}

void receipts_erase(struct receipts *r, struct str session)
{
    size_t it = 0;
    void *value;

    while (map_next(r->rows, &it, NULL, &value)) {
        struct row *row = value;

        if (session.p != NULL && !str_eq(row->session, session))
            continue;
        row_free(r, row);
        it = 0;
    }
}

void receipts_free(struct receipts *r)
{
    receipts_erase(r, STR_NULL);
    map_free(r->rows);
    mem_free(r);
}

static void write_name(struct buf *out, struct str session, struct str key)
{
    buf_add_str(out, session);
    buf_add_char(out, '\n');
    buf_add_str(out, key);
}

const struct receipt *receipts_find(const struct receipts *r, struct str session, struct str key)
{
    CLEANUP(buf_done) struct buf name = BUF_INIT;
    const struct row *row;

    write_name(&name, session, key);
    row = map_find(r->rows, buf_str(&name));
    return row == NULL ? NULL : &row->receipt;
}

void receipts_put(struct receipts *r, struct str session, const struct receipt *receipt)
{
    struct row *row = mem_zalloc(sizeof(*row));

    write_name(&row->name, session, receipt->key);
    buf_add_str(&row->key, receipt->key);
    buf_add_str(&row->fingerprint, receipt->fingerprint);
    buf_add_str(&row->reply, receipt->reply);
    row->session = (struct str){row->name.p, session.n};
    row->receipt = (struct receipt){.key = buf_str(&row->key),
                                    .fingerprint = buf_str(&row->fingerprint),
                                    .at = receipt->at,
                                    .reply = buf_str(&row->reply)};
    map_put(r->rows, buf_str(&row->name), row);
}

struct receipt *receipt_copy(const struct receipt *r)
{
    struct receipt *copy = mem_alloc(sizeof(*copy) + r->key.n + r->fingerprint.n + r->reply.n);
    char *at = (char *)(copy + 1);

    *copy = *r;
    copy->key.p = memcpy(at, r->key.p, r->key.n);
    at += r->key.n;
    copy->fingerprint.p = memcpy(at, r->fingerprint.p, r->fingerprint.n);
    at += r->fingerprint.n;
    copy->reply.p = memcpy(at, r->reply.p, r->reply.n);
    return copy;
}
