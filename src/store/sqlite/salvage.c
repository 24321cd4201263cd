/* SPDX-License-Identifier: MIT */
#include "store/sqlite/salvage.h"

#include "base/mem.h"
#include "base/str.h"
#include "store/sqlite/receipt_row.h"

#include <errno.h>
#include <stdlib.h>

#define NO_IMAGE UINT64_MAX
#define PROGRESS_IMAGES 256

/* ---- what a row is ---- */

/* One letter a column: n nothing (the number of the row itself), i integer, t text, b blob. */
static bool has_columns(const struct row_bytes *row, const char *types)
{
    static const char letters[] = {
        [COLUMN_NULL] = 'n', [COLUMN_INT] = 'i', [COLUMN_REAL] = 'r', [COLUMN_TEXT] = 't', [COLUMN_BLOB] = 'b'};

    for (int i = 0; types[i] != '\0'; i++)
        if (i >= row->n || letters[row->columns[i].type] != types[i])
            return false;
    return true;
}

enum { FACT_SID = 1, FACT_SEQ, FACT_EPOCH, FACT_KIND, FACT_AT, FACT_CRC, FACT_BODY, FACT_COLUMN_COUNT };

static bool is_fact(const struct row_bytes *row, int64_t *sid, struct fact_row *out)
{
    const struct column *c = row->columns;

    if (row->n != FACT_COLUMN_COUNT || !has_columns(row, "niiitiit"))
        return false;
    *sid = c[FACT_SID].number;
    *out = (struct fact_row){.seq = (uint64_t)c[FACT_SEQ].number,
                             .epoch = (uint64_t)c[FACT_EPOCH].number,
                             .at = c[FACT_AT].number,
                             .crc = (uint64_t)c[FACT_CRC].number,
                             .kind = c[FACT_KIND].bytes,
                             .body = c[FACT_BODY].bytes};
    return true;
}

static bool is_intact(const struct fact_row *row, int64_t sid)
{
    struct arena scratch;
    struct fact f;
    bool intact;

    if (!fact_row_is_intact(row, sid))
        return false;
    arena_init(&scratch);
    intact = fact_row_parse(row, sid, &scratch, &f, NULL) == 0;
    arena_done(&scratch);
    return intact;
}

#define PLACE_MOST (INT64_C(1) << 50) /* no file has so many: what says so is damaged */

/* The number of a row has no checksum. */
static void take_place(struct salvage *s, int64_t place)
{
    if (place > 0 && place <= PLACE_MOST && (uint64_t)place > s->newest_place)
        s->newest_place = (uint64_t)place;
}

static void take_fact(struct salvage *s, uint64_t image, unsigned cell, int64_t sid, const struct fact_row *row)
{
    bool intact = is_intact(row, sid);

    if (!intact && (row->seq == 0 || row->seq > INT64_MAX || fact_kind_find(row->kind) == FACT_UNKNOWN))
        return; /* nothing in it can be believed */
    take_place(s, s->row.rowid);
    s->facts = mem_grow(s->facts, &s->cap_facts, s->n_facts + 1, sizeof(*s->facts));
    s->facts[s->n_facts++] = (struct salvaged_fact){
        .sid = sid, .seq = row->seq, .epoch = row->epoch, .image = image, .cell = (uint16_t)cell, .intact = intact};
}

#define SESSION_COLUMNS_LEAST 20 /* no other table has so many that begin so */

static void take_session(struct salvage *s, const struct row_bytes *row)
{
    const struct column *c = row->columns;

    s->sessions = mem_grow(s->sessions, &s->cap_sessions, s->n_sessions + 1, sizeof(*s->sessions));
    s->sessions[s->n_sessions++] = (struct salvaged_session){
        .sid = row->rowid, .id = arena_str(&s->arena, c[1].bytes), .last_seq = (uint64_t)c[4].number};
}

static void take_life(struct salvage *s, const struct row_bytes *row)
{
    const struct column *c = row->columns;

    s->lives = mem_grow(s->lives, &s->cap_lives, s->n_lives + 1, sizeof(*s->lives));
    s->lives[s->n_lives++] = (struct salvaged_life){.writer = row->rowid,
                                                    .boot = arena_str(&s->arena, c[1].bytes),
                                                    .started_at = c[2].number,
                                                    .clean = c[3].number == 1};
}

static void take_letter(struct salvage *s, const struct row_bytes *row)
{
    const struct column *c = row->columns;

    s->letters = mem_grow(s->letters, &s->cap_letters, s->n_letters + 1, sizeof(*s->letters));
    s->letters[s->n_letters++] = (struct salvaged_letter){.ord = row->rowid,
                                                          .id = c[1].number,
                                                          .dst = arena_str(&s->arena, c[2].bytes),
                                                          .src = c[3].number,
                                                          .body = arena_str(&s->arena, c[4].bytes)};
}

static void take_receipt(struct salvage *s, const struct row_bytes *row)
{
    const struct column *c = row->columns;
    struct receipt r = {.key = c[2].bytes, .fingerprint = c[3].bytes, .at = c[4].number, .reply = c[6].bytes};

    if (receipt_crc(c[1].bytes, &r) != (uint64_t)c[5].number)
        return;
    s->receipts = mem_grow(s->receipts, &s->cap_receipts, s->n_receipts + 1, sizeof(*s->receipts));
    s->receipts[s->n_receipts++] =
        (struct salvaged_receipt){.session = arena_str(&s->arena, c[1].bytes),
                                  .receipt = {.key = arena_str(&s->arena, r.key),
                                              .fingerprint = arena_str(&s->arena, r.fingerprint),
                                              .at = r.at,
                                              .reply = arena_str(&s->arena, r.reply)}};
}

static void take_row(struct salvage *s, uint64_t image, unsigned cell)
{
    const struct row_bytes *row = &s->row;
    struct fact_row fact;
    int64_t sid;

    if (is_fact(row, &sid, &fact))
        take_fact(s, image, cell, sid, &fact);
    else if (row->n >= SESSION_COLUMNS_LEAST && has_columns(row, "ntiiiit"))
        take_session(s, row);
    else if (row->n == 4 && has_columns(row, "ntii"))
        take_life(s, row);
    else if (row->n == 5 && has_columns(row, "nitib"))
        take_letter(s, row);
    else if (row->n == 7 && has_columns(row, "ntttiit"))
        take_receipt(s, row);
    else if (row->n == 3 && has_columns(row, "nit"))
        take_place(s, row->rowid);
}

/* ---- order ---- */

static int by_number(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static int order_of_facts(const void *a, const void *b)
{
    const struct salvaged_fact *x = a, *y = b;
    int order = by_number(x->sid, y->sid);

    if (order == 0)
        order = by_number((int64_t)x->seq, (int64_t)y->seq);
    if (order == 0)
        order = y->intact - x->intact;
    if (order == 0)
        order = x->epoch > y->epoch ? -1 : x->epoch < y->epoch;
    return order != 0 ? order : by_number((int64_t)y->image, (int64_t)x->image);
}

/* Of a session that stands in several images of a page, the one that reaches furthest. */
static int order_of_sessions(const void *a, const void *b)
{
    const struct salvaged_session *x = a, *y = b;
    int order = by_number(x->sid, y->sid);

    return order != 0 ? order : by_number((int64_t)y->last_seq, (int64_t)x->last_seq);
}

static int order_of_lives(const void *a, const void *b)
{
    const struct salvaged_life *x = a, *y = b;
    int order = by_number(x->writer, y->writer);

    return order != 0 ? order : y->clean - x->clean;
}

static int order_of_letters(const void *a, const void *b)
{
    return by_number(((const struct salvaged_letter *)a)->ord, ((const struct salvaged_letter *)b)->ord);
}

static int order_of_receipts(const void *a, const void *b)
{
    return by_number(((const struct salvaged_receipt *)b)->receipt.at,
                     ((const struct salvaged_receipt *)a)->receipt.at);
}

static void sort(void *items, size_t n, size_t size, int (*order)(const void *, const void *))
{
    if (n > 0)
        qsort(items, n, size, order);
}

static void put_in_order(struct salvage *s)
{
    size_t n = 0;

    sort(s->facts, s->n_facts, sizeof(*s->facts), order_of_facts);
    sort(s->sessions, s->n_sessions, sizeof(*s->sessions), order_of_sessions);
    sort(s->lives, s->n_lives, sizeof(*s->lives), order_of_lives);
    sort(s->letters, s->n_letters, sizeof(*s->letters), order_of_letters);
    sort(s->receipts, s->n_receipts, sizeof(*s->receipts), order_of_receipts);
    for (size_t i = 0; i < s->n_sessions; i++)
        if (n == 0 || s->sessions[n - 1].sid != s->sessions[i].sid)
            s->sessions[n++] = s->sessions[i];
    s->n_sessions = n;
    n = 0;
    for (size_t i = 0; i < s->n_lives; i++)
        if (n == 0 || s->lives[n - 1].writer != s->lives[i].writer)
            s->lives[n++] = s->lives[i];
    s->n_lives = n;
}

/* ---- all of it ---- */

static bool load(struct salvage *s, uint64_t image)
{
    if (s->image == image)
        return true;
    s->image = pages_read_image(&s->pages, image, s->page) ? image : NO_IMAGE;
    return s->image == image;
}

static void read_image(struct salvage *s, uint64_t image)
{
    bool is_first = pages_image_is_first(image);
    unsigned n = load(s, image) ? leaf_count(s->page, s->pages.size, is_first) : 0;

    for (unsigned i = 0; i < n; i++)
        if (leaf_read(&s->pages, s->page, is_first, i, &s->row))
            take_row(s, image, i);
}

int salvage_open(struct salvage *s, const char *path, salvage_progress_fn *progress, void *arg, struct err *err)
{
    int rc;

    memset(s, 0, sizeof(*s));
    arena_init(&s->arena);
    s->image = NO_IMAGE;
    rc = pages_open(&s->pages, path, err);
    if (rc < 0) {
        salvage_close(s);
        return rc;
    }
    s->page = mem_alloc(s->pages.size);
    for (uint64_t i = 0; i < s->pages.n_images; i++) {
        read_image(s, i);
        if (progress != NULL && i % PROGRESS_IMAGES == 0)
            progress(arg, i, s->pages.n_images);
    }
    put_in_order(s);
    return 0;
}

void salvage_close(struct salvage *s)
{
    pages_close(&s->pages);
    arena_done(&s->arena);
    buf_done(&s->row.payload);
    mem_free(s->facts);
    mem_free(s->sessions);
    mem_free(s->lives);
    mem_free(s->letters);
    mem_free(s->receipts);
    mem_free(s->page);
    memset(s, 0, sizeof(*s));
    s->pages.fd = s->pages.log.fd = -1;
}

int salvage_read(struct salvage *s, const struct salvaged_fact *f, struct fact_row *out, struct err *err)
{
    int64_t sid;

    if (!load(s, f->image) || !leaf_read(&s->pages, s->page, pages_image_is_first(f->image), f->cell, &s->row) ||
        !is_fact(&s->row, &sid, out))
        return err_set(err, ERR_IO, "fact %" PRIu64 " could be read before, and now it cannot", f->seq);
    return 0;
}
