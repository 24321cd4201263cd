/* SPDX-License-Identifier: MIT */
/* The values themselves, and what the rest of the server reads of them. */
#include "app/config.h"

#include "app/config_internal.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const no_items[] = {NULL};

static struct config_value default_value(const struct config_key *key, const char *name)
{
    return (struct config_value){.key = key, .name = name, .number = key->number, .text = key->text, .list = no_items};
}

struct config *config_new(void)
{
    struct config *c = mem_zalloc(sizeof(*c));

    arena_init(&c->arena);
    c->values = mem_grow(NULL, &c->cap_values, CONFIG_KEY_COUNT, sizeof(*c->values));
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++)
        c->values[i] = default_value(&config_keys[i], config_keys[i].name);
    c->n_values = CONFIG_KEY_COUNT;
    return c;
}

void config_free(struct config *c)
{
    if (c == NULL)
        return;
    arena_done(&c->arena);
    mem_free(c->values);
    for (int i = 0; i < CONFIG_FAMILIES; i++)
        mem_free(c->owners[i].names);
    mem_free(c->revisions);
    mem_free(c->notices);
    mem_free(c);
}

/* ---- names ---- */

struct str config_section_of(struct str name)
{
    struct str section = name, rest = name;

    return str_next(&rest, '.', &section) ? section : name;
}

enum config_family config_family_of(const struct config_key *key)
{
    if (strchr(key->name, '*') == NULL)
        return CONFIG_PLAIN;
    return str_has_prefix(str_of(key->name), STR("models.")) ? CONFIG_OF_MODEL : CONFIG_OF_PROVIDER;
}

bool config_owner_is_valid(enum config_family family, struct str owner)
{
    struct str rest = owner, provider;

    if (family == CONFIG_OF_PROVIDER)
        return id_is_valid(owner);
    for (size_t i = 0; i < owner.n; i++)
        if ((unsigned char)owner.p[i] <= ' ' || owner.p[i] == 0x7f)
            return false;
    return family == CONFIG_OF_MODEL && str_next(&rest, '/', &provider) && id_is_valid(provider) && rest.n > 0 &&
           utf8_is_valid(owner);
}

/* The owner's name stands between the first and the last dot: it may hold dots itself. */
static bool fits_pattern(const struct config_key *key, struct str name, struct str *owner)
{
    const char *pattern = key->name, *star = strchr(pattern, '*');
    struct str head = {pattern, (size_t)(star - pattern)}, tail = str_of(star + 1), middle;

    if (!str_has_prefix(name, head) || name.n <= head.n + tail.n)
        return false;
    if (!str_is(str_skip(name, name.n - tail.n), star + 1))
        return false;
    middle = str_skip(name, head.n);
    middle.n -= tail.n;
    *owner = middle;
    return config_owner_is_valid(config_family_of(key), middle);
}

const struct config_key *config_find_key(struct str name, struct str *owner)
{
    *owner = STR_NULL;
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
        if (config_family_of(&config_keys[i]) != CONFIG_PLAIN) {
            if (fits_pattern(&config_keys[i], name, owner))
                return &config_keys[i];
        } else if (str_is(name, config_keys[i].name)) {
            return &config_keys[i];
        }
    }
    return NULL;
}

/* Of whom the wrong name seems to speak. */
static void owner_alike(enum config_family family, struct str wrong, struct buf *out)
{
    struct str middle = wrong, section;
    const char *last;

    if (!str_next(&middle, '.', &section) || middle.n == 0)
        middle = STR_NULL;
    last = middle.n == 0 ? NULL : memrchr(middle.p, '.', middle.n);
    if (last != NULL)
        middle.n = (size_t)(last - middle.p);
    if (config_owner_is_valid(family, middle))
        buf_add_str(out, middle);
    else if (family == CONFIG_OF_MODEL)
        buf_addf(out, "PROVIDER/" STR_FMT, STR_ARG(id_is_valid(middle) ? middle : STR("MODEL")));
    else
        buf_add_str(out, STR("NAME"));
}

/* What the key would be called for that owner. */
static void name_alike(const struct config_key *key, struct str wrong, struct buf *out)
{
    enum config_family family = config_family_of(key);
    const char *star = strchr(key->name, '*');

    if (family == CONFIG_PLAIN) {
        buf_add_str(out, str_of(key->name));
        return;
    }
    buf_add(out, key->name, (size_t)(star - key->name));
    owner_alike(family, wrong, out);
    buf_add_str(out, str_of(star + 1));
}

#define SHOWN_BYTES 64

int config_unknown(struct str name, struct err *err)
{
    CLEANUP(buf_done) struct buf best = BUF_INIT, candidate = BUF_INIT;
    struct str shown = name;
    size_t least = SIZE_MAX;

    if (shown.n > SHOWN_BYTES)
        shown.n = utf8_floor(shown, SHOWN_BYTES);
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
        size_t distance;

        buf_clear(&candidate);
        name_alike(&config_keys[i], shown, &candidate);
        distance = str_distance(shown, buf_str(&candidate));
        if (distance < least) {
            least = distance;
            buf_clear(&best);
            buf_add_str(&best, buf_str(&candidate));
        }
    }
    return err_set(err, ERR_NOT_FOUND, "unknown key \"" STR_FMT "\"; did you mean \"%s\"?", STR_ARG(shown), best.p);
}

/* ---- values ---- */

const struct config_value *config_find_value(const struct config *c, struct str name)
{
    for (size_t i = 0; i < c->n_values; i++)
        if (str_is(name, c->values[i].name))
            return &c->values[i];
    return NULL;
}

static void add_owner(struct config *c, enum config_family family, struct str name)
{
    struct config_owners *o = &c->owners[family];

    for (size_t i = 0; i < o->n; i++)
        if (str_is(name, o->names[i]))
            return;
    o->names = mem_grow(o->names, &o->cap, o->n + 1, sizeof(*o->names));
    o->names[o->n++] = arena_str(&c->arena, name).p;
}

struct config_value *config_put_value(struct config *c, const struct config_key *key, struct str name, struct str owner)
{
    for (size_t i = 0; i < c->n_values; i++)
        if (str_is(name, c->values[i].name))
            return &c->values[i];
    assert(owner.n > 0);
    add_owner(c, config_family_of(key), owner);
    c->values = mem_grow(c->values, &c->cap_values, c->n_values + 1, sizeof(*c->values));
    c->values[c->n_values] = default_value(key, arena_str(&c->arena, name).p);
    return &c->values[c->n_values++];
}

void config_drop_value(struct config_value *v)
{
    *v = default_value(v->key, v->name);
}

const struct config_value *config_owner_value(const struct config *c, const char *owner, enum config_id id)
{
    const char *pattern = config_keys[id].name, *star = strchr(pattern, '*');
    CLEANUP(buf_done) struct buf name = BUF_INIT;
    const struct config_value *v;

    buf_addf(&name, "%.*s%s%s", (int)(star - pattern), pattern, owner, star + 1);
    v = config_find_value(c, buf_str(&name));
    return v != NULL ? v : &c->values[id];
}

static const struct config_value *plain(const struct config *c, enum config_id id, enum config_type type)
{
    const struct config_value *v = &c->values[id];

    assert(v->key->type == type || (type == CONFIG_TEXT && v->key->type == CONFIG_WORD));
    return v;
}

bool config_truth(const struct config *c, enum config_id id)
{
    return plain(c, id, CONFIG_BOOL)->truth;
}

int64_t config_number(const struct config *c, enum config_id id)
{
    return plain(c, id, CONFIG_NUMBER)->number;
}

int64_t config_amount(const struct config *c, enum config_id id)
{
    return plain(c, id, CONFIG_AMOUNT)->number;
}

const char *config_text(const struct config *c, enum config_id id)
{
    return plain(c, id, CONFIG_TEXT)->text;
}

const char *const *config_list(const struct config *c, enum config_id id)
{
    return plain(c, id, CONFIG_LIST)->list;
}

/* ---- revisions and notices ---- */

uint64_t config_revision(const struct config *c, struct str section)
{
    for (size_t i = 0; i < c->n_revisions; i++)
        if (str_is(section, c->revisions[i].section))
            return c->revisions[i].revision;
    return 0;
}

void config_set_revision(struct config *c, struct str section, uint64_t revision)
{
    for (size_t i = 0; i < c->n_revisions; i++) {
        if (str_is(section, c->revisions[i].section)) {
            c->revisions[i].revision = revision;
            return;
        }
    }
    c->revisions = mem_grow(c->revisions, &c->cap_revisions, c->n_revisions + 1, sizeof(*c->revisions));
    c->revisions[c->n_revisions++] = (struct config_section_revision){arena_str(&c->arena, section).p, revision};
}

static void add_notice(struct config *c, const char *text)
{
    c->notices = mem_grow(c->notices, &c->cap_notices, c->n_notices + 2, sizeof(*c->notices));
    c->notices[c->n_notices++] = text;
    c->notices[c->n_notices] = NULL;
}

void config_notice(struct config *c, const char *fmt, ...)
{
    CLEANUP(buf_done) struct buf line = BUF_INIT;
    char text[400];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    utf8_add_line(str_of(text), &line); /* names of variables are any bytes */
    add_notice(c, arena_str(&c->arena, buf_str(&line)).p);
}

const char *const *config_notices(const struct config *c)
{
    return c->n_notices == 0 ? no_items : c->notices;
}

/* ---- limits ---- */

struct run_limits config_run_limits(const struct config *c)
{
    return (struct run_limits){
        .max_tokens = config_number(c, CONFIG_LIMITS_MAX_TOKENS),
        .max_cost = config_amount(c, CONFIG_LIMITS_MAX_COST),
        .max_ms = config_number(c, CONFIG_LIMITS_WALL_MS),
        .max_rounds = (uint32_t)config_number(c, CONFIG_LIMITS_ROUNDS),
        .max_calls = (uint32_t)config_number(c, CONFIG_LIMITS_TOOL_CALLS),
    };
}

/* ---- providers ---- */

size_t config_provider_count(const struct config *c)
{
    return c->owners[CONFIG_OF_PROVIDER].n;
}

const char *config_variable_value(const struct config *c, const char *name)
{
    size_t n = strlen(name);

    for (char *const *p = c->environment; p != NULL && *p != NULL; p++)
        if (strncmp(*p, name, n) == 0 && (*p)[n] == '=')
            return (*p)[n + 1] == '\0' ? NULL : *p + n + 1;
    return NULL;
}

#define ENV_PREFIX "env:"

int config_provider(const struct config *c, size_t i, struct config_provider *out, struct err *err)
{
    const char *name = c->owners[CONFIG_OF_PROVIDER].names[i];
    const char *key = config_owner_value(c, name, CONFIG_PROVIDER_API_KEY)->text;

    if (key != NULL && str_has_prefix(str_of(key), STR(ENV_PREFIX))) {
        const char *variable = key + strlen(ENV_PREFIX);

        key = config_variable_value(c, variable);
        if (key == NULL)
            return err_set(err, ERR_BAD_REQUEST, "providers.%s.api_key: the environment has no %s; set it", name,
                           variable);
    }
    *out = (struct config_provider){
        .name = name,
        .driver = config_owner_value(c, name, CONFIG_PROVIDER_DRIVER)->text,
        .base_url = config_owner_value(c, name, CONFIG_PROVIDER_BASE_URL)->text,
        .api_key = key,
        .models = config_owner_value(c, name, CONFIG_PROVIDER_MODELS)->list,
    };
    return 0;
}

bool config_holds_secrets(const struct config *c)
{
    for (size_t i = 0; i < c->n_values; i++) {
        const struct config_value *v = &c->values[i];

        if (v->key != NULL && (v->key->flags & CONFIG_SECRET) != 0 && v->origin == CONFIG_FROM_FILE &&
            v->text != NULL && !str_has_prefix(str_of(v->text), STR(ENV_PREFIX)))
            return true;
    }
    return false;
}

/* ---- what differs ---- */

static bool same_list(const char *const *a, const char *const *b)
{
    while (*a != NULL && *b != NULL && strcmp(*a, *b) == 0) {
        a++;
        b++;
    }
    return *a == NULL && *b == NULL;
}

static bool same_value(const struct config_value *a, const struct config_value *b)
{
    if ((a->text == NULL) != (b->text == NULL))
        return false;
    return a->truth == b->truth && a->number == b->number && (a->text == NULL || strcmp(a->text, b->text) == 0) &&
           same_list(a->list, b->list);
}

const char *config_needs_restart(const struct config *before, const struct config *after)
{
    const struct config_owners *had = &before->owners[CONFIG_OF_PROVIDER], *has = &after->owners[CONFIG_OF_PROVIDER];

    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++)
        if ((config_keys[i].flags & CONFIG_LIVE) == 0 && !same_value(&before->values[i], &after->values[i]))
            return config_keys[i].name;
    for (size_t i = 0; i < had->n; i++) {
        bool is_there = false;

        for (size_t k = 0; k < has->n; k++)
            is_there = is_there || strcmp(had->names[i], has->names[k]) == 0;
        if (!is_there)
            return "providers: one was taken away";
    }
    return NULL;
}
