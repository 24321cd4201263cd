/* SPDX-License-Identifier: MIT */
#include "store/power_disk.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512
#define NOBODY SIZE_MAX

struct image {
    char *p;
    size_t n, cap;
};

struct power_disk {
    const struct power_tape *tape;
    size_t at;
    struct image *files;       /* what is sure of each */
    size_t names[POWER_NAMES]; /* the file of each that is sure, or NOBODY */
    size_t *unsure;            /* events, in order */
    size_t n, cap;
};

/* ---- images ---- */

static void set_length(struct image *m, size_t n)
{
    m->p = mem_grow(m->p, &m->cap, n == 0 ? 1 : n, 1);
    if (n > m->n)
        memset(m->p + m->n, 0, n - m->n);
    m->n = n;
}

static void write_at(struct image *m, size_t at, const char *p, size_t n)
{
    if (n == 0)
        return;
    if (at + n > m->n)
        set_length(m, at + n);
    memcpy(m->p + at, p, n);
}

static void write_file(const char *dir, const char *name, const struct image *m)
{
    char path[512];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "wb");
    if (f == NULL || (m->n > 0 && fwrite(m->p, 1, m->n, f) != m->n) || fclose(f) != 0) {
        perror(path);
        abort();
    }
}

/* ---- what is sure ---- */

static bool is_of_directory(const struct power_event *e)
{
    return e->kind == POWER_CREATE || e->kind == POWER_DELETE;
}

static void apply_name(const struct power_tape *t, const struct power_event *e, size_t names[POWER_NAMES])
{
    size_t name = t->files[e->file].name;

    if (e->kind == POWER_CREATE)
        names[name] = e->file;
    else if (names[name] == e->file)
        names[name] = NOBODY;
}

static void apply(struct power_disk *d, const struct power_event *e)
{
    struct image *m = &d->files[e->file];

    if (is_of_directory(e))
        apply_name(d->tape, e, d->names);
    else if (e->kind == POWER_WRITE)
        write_at(m, e->at, e->bytes, e->n);
    else
        set_length(m, e->at);
}

static bool is_made_sure(const struct power_event *e, const struct power_event *sync)
{
    return sync->kind == POWER_SYNC_DIRECTORY ? is_of_directory(e) : !is_of_directory(e) && e->file == sync->file;
}

static void make_sure(struct power_disk *d, const struct power_event *sync)
{
    size_t kept = 0;

    for (size_t i = 0; i < d->n; i++) {
        const struct power_event *e = &d->tape->events[d->unsure[i]];

        if (is_made_sure(e, sync))
            apply(d, e);
        else
            d->unsure[kept++] = d->unsure[i];
    }
    d->n = kept;
}

bool power_disk_next(struct power_disk *d)
{
    const struct power_event *e = &d->tape->events[d->at];

    if (d->at == d->tape->n)
        return false;
    if (e->kind == POWER_SYNC || e->kind == POWER_SYNC_DIRECTORY) {
        make_sure(d, e);
    } else {
        d->unsure = mem_grow(d->unsure, &d->cap, d->n + 1, sizeof(*d->unsure));
        d->unsure[d->n++] = d->at;
    }
    d->at++;
    return true;
}

struct power_disk *power_disk_new(const struct power_tape *t)
{
    struct power_disk *d = mem_zalloc(sizeof(*d));

    d->tape = t;
    d->files = mem_calloc(t->n_files + 1, sizeof(*d->files));
    for (size_t i = 0; i < POWER_NAMES; i++)
        d->names[i] = NOBODY;
    while (d->at < t->begin && power_disk_next(d))
        ;
    return d;
}

void power_disk_free(struct power_disk *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->tape->n_files; i++)
        mem_free(d->files[i].p);
    mem_free(d->files);
    mem_free(d->unsure);
    mem_free(d);
}

size_t power_disk_at(const struct power_disk *d)
{
    return d->at;
}

bool power_disk_is_sure(const struct power_disk *d)
{
    return d->n == 0;
}

enum power_kind power_disk_last(const struct power_disk *d)
{
    return d->at == 0 ? POWER_SYNC : d->tape->events[d->at - 1].kind;
}

void power_disk_tell(const struct power_disk *d, struct buf *out)
{
    static const char *const words[] = {
#define X(kind, words) words,
        POWER_KINDS(X)
#undef X
    };
    const struct power_event *e = &d->tape->events[d->at - 1];

    if (d->at == 0)
        buf_addf(out, "the power went before anything was done");
    else
        buf_addf(out, "the power went after event %zu of %zu, %s of %s at %zu, %zu bytes; %zu events were not sure",
                 d->at, d->tape->n, words[e->kind], d->tape->names[d->tape->files[e->file].name], e->at, e->n, d->n);
}

/* ---- the power goes ---- */

struct chance {
    uint64_t state;
    unsigned lost; /* of 16 */
    size_t torn;   /* sectors until the one that is torn */
};

static uint64_t draw(struct chance *c)
{
    uint64_t z = c->state += 0x9e3779b97f4a7c15u; /* splitmix64 */

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static bool lasts(struct chance *c)
{
    return draw(c) % 16 >= c->lost;
}

static size_t sector_at(size_t at, size_t end)
{
    size_t n = SECTOR - at % SECTOR;

    return n < end - at ? n : end - at;
}

static size_t count_sectors(const struct power_disk *d)
{
    size_t count = 0;

    for (size_t i = 0; i < d->n; i++) {
        const struct power_event *e = &d->tape->events[d->unsure[i]];

        for (size_t at = e->at; e->kind == POWER_WRITE && at < e->at + e->n; at += sector_at(at, e->at + e->n))
            count++;
    }
    return count;
}

/* One half of the sector is as it was: a write that is wholly in the other is not torn. */
static void write_torn(struct chance *c, struct image *m, size_t at, const char *p, size_t n)
{
    size_t middle = at - at % SECTOR + SECTOR / 2;
    size_t first = middle <= at ? 0 : middle - at < n ? middle - at : n;
    bool has_first = draw(c) % 2 == 0;

    if (has_first && first > 0)
        write_at(m, at, p, first);
    else if (!has_first && first < n)
        write_at(m, at + first, p + first, n - first);
}

static void write_perhaps(struct chance *c, struct image *m, const struct power_event *e)
{
    size_t end = e->at + e->n, n;

    for (size_t at = e->at; at < end; at += n) {
        const char *p = e->bytes + (at - e->at);

        n = sector_at(at, end);
        if (c->torn-- == 0)
            write_torn(c, m, at, p, n);
        else if (lasts(c))
            write_at(m, at, p, n);
        else if (draw(c) % 2 == 0 && at + n > m->n)
            set_length(m, at + n);
    }
}

static struct chance chance_of(const struct power_disk *d, uint64_t seed)
{
    static const unsigned losses[] = {0, 1, 8, 15, 16};
    struct chance c = {.state = seed * 0x2545f4914f6cdd1du + d->at};
    size_t sectors = count_sectors(d);

    c.lost = losses[draw(&c) % ARRAY_LEN(losses)];
    c.torn = sectors > 0 && draw(&c) % 2 == 0 ? draw(&c) % sectors : SIZE_MAX;
    return c;
}

void power_disk_cut(const struct power_disk *d, uint64_t seed, const char *dir)
{
    const struct power_tape *t = d->tape;
    struct image *files = mem_calloc(t->n_files + 1, sizeof(*files));
    struct chance c = chance_of(d, seed);
    size_t names[POWER_NAMES];

    memcpy(names, d->names, sizeof(names));
    for (size_t i = 0; i < t->n_files; i++)
        write_at(&files[i], 0, d->files[i].p, d->files[i].n);
    for (size_t i = 0; i < d->n; i++) {
        const struct power_event *e = &t->events[d->unsure[i]];

        if (e->kind == POWER_WRITE)
            write_perhaps(&c, &files[e->file], e);
        else if (!lasts(&c))
            continue;
        else if (is_of_directory(e))
            apply_name(t, e, names);
        else
            set_length(&files[e->file], e->at);
    }
    for (size_t i = 0; i < t->n_names; i++)
        if (names[i] != NOBODY)
            write_file(dir, t->names[i], &files[names[i]]);
    for (size_t i = 0; i < t->n_files; i++)
        mem_free(files[i].p);
    mem_free(files);
}
