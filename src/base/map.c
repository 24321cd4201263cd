/* SPDX-License-Identifier: MIT */
#include "base/map.h"

#include "base/mem.h"
#include "base/str.h"

#include <sys/random.h>

struct slot {
    uint64_t hash;
    struct str key;
    void *value; /* NULL: free */
};

struct map {
    struct slot *slots;
    size_t cap, count; /* cap is a power of two */
};

static uint64_t map_seed(void)
{
    static uint64_t seed;

    /* Racing threads may draw twice before the first map is used; both would be before any put. */
    if (__atomic_load_n(&seed, __ATOMIC_ACQUIRE) == 0) {
        uint64_t drawn = 0, none = 0;

        if (getrandom(&drawn, sizeof(drawn), 0) != sizeof(drawn) || drawn == 0)
            drawn = 0x9e3779b97f4a7c15u;
        __atomic_compare_exchange_n(&seed, &none, drawn, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    }
    return __atomic_load_n(&seed, __ATOMIC_ACQUIRE);
}

struct map *map_new(void)
{
    return mem_zalloc(sizeof(struct map));
}

void map_free(struct map *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i].value != NULL)
            mem_free((void *)(uintptr_t)m->slots[i].key.p);
    mem_free(m->slots);
    mem_free(m);
}

size_t map_count(const struct map *m)
{
    return m->count;
}

static struct slot *locate(const struct map *m, struct str key, uint64_t hash)
{
    size_t i = hash & (m->cap - 1);

    while (m->slots[i].value != NULL) {
        if (m->slots[i].hash == hash && str_eq(m->slots[i].key, key))
            break;
        i = (i + 1) & (m->cap - 1);
    }
    return &m->slots[i];
}

void *map_find(const struct map *m, struct str key)
{
    if (m->count == 0)
        return NULL;
    return locate(m, key, str_hash(key, map_seed()))->value;
}

static void grow(struct map *m)
{
    struct map bigger = {.cap = m->cap == 0 ? 16 : m->cap * 2, .count = m->count};

    bigger.slots = mem_zalloc(bigger.cap * sizeof(*bigger.slots));
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i].value != NULL)
            *locate(&bigger, m->slots[i].key, m->slots[i].hash) = m->slots[i];
    mem_free(m->slots);
    *m = bigger;
}

void map_put(struct map *m, struct str key, void *value)
{
    uint64_t hash = str_hash(key, map_seed());
    struct slot *s;

    assert(value != NULL);
    if (m->count * 4 >= m->cap * 3)
        grow(m);
    s = locate(m, key, hash);
    if (s->value == NULL) {
        s->hash = hash;
        s->key = (struct str){mem_strndup(key.p, key.n), key.n};
        m->count++;
    }
    s->value = value;
}

void *map_take(struct map *m, struct str key)
{
    struct slot *hole;
    size_t i;
    void *value;

    if (m->count == 0)
        return NULL;
    hole = locate(m, key, str_hash(key, map_seed()));
    value = hole->value;
    if (value == NULL)
        return NULL;
    mem_free((void *)(uintptr_t)hole->key.p);
    m->count--;
    /* Close the gap: move back whatever would no longer be found across it. */
    i = (size_t)(hole - m->slots);
    for (size_t j = (i + 1) & (m->cap - 1); m->slots[j].value != NULL; j = (j + 1) & (m->cap - 1)) {
        size_t home = m->slots[j].hash & (m->cap - 1);

        if (((j - home) & (m->cap - 1)) >= ((j - i) & (m->cap - 1))) {
            m->slots[i] = m->slots[j];
            i = j;
        }
    }
    m->slots[i] = (struct slot){0};
    return value;
}

static struct str number_key(const uint64_t *key)
{
    return (struct str){(const char *)key, sizeof(*key)};
}

void *map_find_u64(const struct map *m, uint64_t key)
{
    return map_find(m, number_key(&key));
}

void map_put_u64(struct map *m, uint64_t key, void *value)
{
    map_put(m, number_key(&key), value);
}

void *map_take_u64(struct map *m, uint64_t key)
{
    return map_take(m, number_key(&key));
}

bool map_next(const struct map *m, size_t *it, struct str *key, void **value)
{
    for (; *it < m->cap; (*it)++) {
        if (m->slots[*it].value == NULL)
            continue;
        if (key != NULL)
            *key = m->slots[*it].key;
        *value = m->slots[*it].value;
        (*it)++;
        return true;
    }
    return false;
}

/* Before *it all is empty, and stays so: closing a gap moves an entry back to the gap, which is not before *it. */
void *map_any(const struct map *m, size_t *it)
{
    while (*it < m->cap && m->slots[*it].value == NULL)
        (*it)++;
    return *it < m->cap ? m->slots[*it].value : NULL;
}
