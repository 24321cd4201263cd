/* SPDX-License-Identifier: MIT */
#include "model/call_merge.h"

#include "base/id.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"

struct call_part {
    bool has_index;
    int64_t index;
    struct buf id, name, args;
};

static void part_done(struct call_part *p)
{
    buf_done(&p->id);
    buf_done(&p->name);
    buf_done(&p->args);
}

void call_merge_done(struct call_merge *m)
{
    for (size_t i = 0; i < m->n; i++)
        part_done(&m->parts[i]);
    mem_free(m->parts);
    mem_free(m->known);
    *m = (struct call_merge){0};
}

void call_merge_know(struct call_merge *m, struct str id)
{
    m->known = mem_grow(m->known, &m->known_cap, m->n_known + 1, sizeof(*m->known));
    m->known[m->n_known++] = str_hash(id, 0);
}

/* The newest call with this index. One that names another id and a name has begun anew: some servers count badly. */
static struct call_part *find_by_index(struct call_merge *m, const struct call_fragment *f)
{
    for (size_t i = m->n; i-- > 0;) {
        struct call_part *p = &m->parts[i];

        if (!p->has_index || p->index != f->index)
            continue;
        if (f->id.n > 0 && f->name.n > 0 && p->id.n > 0 && !str_eq(buf_str(&p->id), f->id))
            return NULL;
        return p;
    }
    return NULL;
}

static struct call_part *find_by_id(struct call_merge *m, const struct call_fragment *f)
{
    struct call_part *last = m->n == 0 ? NULL : &m->parts[m->n - 1];

    for (size_t i = 0; i < m->n && f->id.n > 0; i++)
        if (str_eq(buf_str(&m->parts[i].id), f->id))
            return &m->parts[i];
    if (last == NULL || m->is_beyond || (f->id.n > 0 && last->id.n > 0) || (f->name.n > 0 && last->name.n > 0))
        return NULL;
    return last;
}

void call_merge_add(struct call_merge *m, const struct call_fragment *f)
{
    struct call_part *p = f->has_index ? find_by_index(m, f) : find_by_id(m, f);

    m->is_beyond = p == NULL && m->n == LIMIT_CALLS_PER_ROUND;
    if (m->is_beyond) {
        m->has_left_out = true;
        return;
    }
    if (p == NULL) {
        m->parts = mem_grow(m->parts, &m->cap, m->n + 1, sizeof(*m->parts));
        p = &m->parts[m->n++];
        *p = (struct call_part){.has_index = f->has_index, .index = f->index};
    }
    if (p->id.n == 0)
        buf_add_str(&p->id, f->id);
    if (!str_eq(buf_str(&p->name), f->name))
        buf_add_str(&p->name, f->name);
    buf_add_str(&p->args, f->args);
}

static bool is_json(struct str text)
{
    struct arena a;
    struct json *root;
    bool is;

    if (text.n == 0)
        return true; /* none at all */
    arena_init(&a);
    is = json_parse(&a, text, &root, NULL) == 0;
    arena_done(&a);
    return is;
}

bool call_merge_is_whole(const struct call_merge *m)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->parts[i].name.n == 0 || !is_json(buf_str(&m->parts[i].args)))
            return false;
    return true;
}

void call_merge_drop_cut(struct call_merge *m)
{
    struct call_part *last = m->n == 0 ? NULL : &m->parts[m->n - 1];

    if (last == NULL || (last->args.n > 0 && is_json(buf_str(&last->args))))
        return;
    part_done(last);
    m->n--;
}

static struct str repaired_text(struct str text, struct arena *a, bool *repaired)
{
    CLEANUP(buf_done) struct buf out = BUF_INIT;
    struct utf8_repair repair = {0};

    if (utf8_is_valid(text))
        return arena_str(a, text);
    utf8_repair_add(&repair, text, &out);
    utf8_repair_end(&repair, &out);
    *repaired = true;
    return arena_str(a, buf_str(&out));
}

static bool is_usable_id(const struct call_merge *m, struct str id, const struct call *calls, size_t n)
{
    uint64_t hash = str_hash(id, 0);

    if (id.n == 0 || id.n > ID_MAX)
        return false;
    for (size_t i = 0; i < m->n_known; i++)
        if (m->known[i] == hash)
            return false;
    for (size_t i = 0; i < n; i++)
        if (str_eq(calls[i].id, id))
            return false;
    return true;
}

struct record_list call_merge_take(const struct call_merge *m, struct arena *a, bool *repaired)
{
    struct call *calls = arena_zalloc(a, (m->n + 1) * sizeof(*calls));
    size_t n = 0;

    *repaired = *repaired || m->has_left_out;
    for (size_t i = 0; i < m->n; i++) {
        const struct call_part *p = &m->parts[i];
        struct call c = {.id = repaired_text(buf_str(&p->id), a, repaired)};
        char id[ID_TEXT];

        if (p->name.n == 0)
            continue;
        if (!is_usable_id(m, c.id, calls, n)) {
            id_random(id);
            c.id = arena_str(a, str_of(id));
        }
        c.name = repaired_text(buf_str(&p->name), a, repaired);
        c.args = p->args.n == 0 ? STR("{}") : repaired_text(buf_str(&p->args), a, repaired);
        calls[n++] = c;
    }
    return (struct record_list){calls, n};
}
