/* SPDX-License-Identifier: MIT */
#include "store/sample.h"

#include "base/buf.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>

const char *const sample_names[SAMPLE_SESSIONS] = {"talk", "tools", "busy", "calling", "queue"};

static const struct call two_calls[] = {
    {.id = {"c1", 2}, .name = {"look", 4}, .args = {"{}", 2}, .effect = EFFECT_READ},
    {.id = {"c2", 2}, .name = {"send", 4}, .args = {"{}", 2}, .effect = EFFECT_UNSAFE},
};

static void expect(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "sample: %s\n", what);
    abort();
}

static void commit(struct story *t, struct driver *d)
{
    expect(story_commit(t, d) == 0, "an append was refused");
}

#define CONST(text) {text, sizeof(text) - 1}
static const struct receipt posted = {.key = CONST("post"),
                                      .fingerprint = CONST("f00d"),
                                      .at = 1700000000000,
                                      .reply = CONST("{\"kind\":\"POSTED\",\"message_id\":\"m1\",\"seq\":2}")};
static const struct receipt nothing = {.key = CONST("look"),
                                       .fingerprint = CONST("f00d"),
                                       .at = 1700000000001,
                                       .reply = CONST("{\"kind\":\"NOTHING\",\"seq\":11}")};
static const struct receipt not_found = {.key = CONST("look"),
                                         .fingerprint = CONST("f00d"),
                                         .at = 1700000000002,
                                         .reply = CONST("{\"kind\":\"NOT_FOUND\"}")};

static void begin(struct story *t, struct driver *d, const char *name)
{
    story_open(t, d, str_of(name));
    story_create(t, STR("A title"), STR("Be kind."));
    story_post(t, STR("m1"), STR("CANARY question"));
    t->receipt = &posted;
    commit(t, d);
}

static void begin_run(struct story *t, struct driver *d)
{
    story_run(t, STR("run-1"));
    story_round(t);
    commit(t, d);
}

static void talk(struct story *t, struct driver *d)
{
    static char text[9000]; /* more than a page */

    memset(text, 'w', sizeof(text));
    begin(t, d, "talk");
    begin_run(t, d);
    story_answer(t, STR("a1"), STR("CANARY answer"), NULL, 0);
    story_end(t, END_COMPLETED);
    commit(t, d);
    story_post(t, STR("m2"), (struct str){text, sizeof(text)});
    commit(t, d);
    begin_run(t, d);
    story_answer(t, STR("a2"), (struct str){text, sizeof(text)}, NULL, 0);
    story_end(t, END_ERROR);
    t->receipt = &nothing;
    commit(t, d);
}

static void tools(struct story *t, struct driver *d)
{
    begin(t, d, "tools");
    begin_run(t, d);
    story_answer(t, STR("a1"), STR("let me see"), two_calls, 2);
    story_call(t, 0);
    commit(t, d);
    story_result(t, 0, STR("r1"), STR("CANARY result"));
    story_call(t, 1);
    commit(t, d);
    story_result(t, 1, STR("r2"), STR("sent"));
    story_round(t);
    commit(t, d);
    story_answer(t, STR("a2"), STR("done"), NULL, 0);
    story_end(t, END_COMPLETED);
    commit(t, d);
}

static void busy(struct story *t, struct driver *d)
{
    struct partial p = {.run = 1, .round = 1, .text = STR("CANARY in flight")};

    begin(t, d, "busy");
    begin_run(t, d);
    store_put_partial(driver_store(d), t->sid, t->epoch, &p);
}

static void calling(struct story *t, struct driver *d)
{
    begin(t, d, "calling");
    begin_run(t, d);
    story_answer(t, STR("a1"), STR("let me send"), two_calls, 2);
    story_call(t, 0);
    commit(t, d);
}

void sample_make(struct driver *d)
{
    void (*const parts[])(struct story *, struct driver *) = {talk, tools, busy, calling};
    struct story t;

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        parts[i](&t, d);
    begin(&t, d, "queue");
    story_open(&t, d, STR("nobody"));
    t.receipt = &not_found;
    commit(&t, d);
}

void sample_put(const struct place *p)
{
    struct driver *d;

    place_clear(p);
    d = driver_new(place_open(p));
    sample_make(d);
    driver_free(d);
}

struct sample_files sample_kill(const struct place *p)
{
    struct sample_files f;
    struct driver *d;

    place_clear(p);
    d = driver_new(place_open(p));
    sample_make(d);
    f.database = sample_read(p->database);
    f.index = sample_read(p->index); /* before the log: it must not know more */
    f.log = sample_read(p->log);
    driver_free(d);
    return f;
}

void sample_files_put(const struct sample_files *f, const struct place *p, bool with_index)
{
    place_clear(p);
    sample_write(p->database, &f->database);
    sample_write(p->log, &f->log);
    if (with_index)
        sample_write(p->index, &f->index);
}

void sample_files_free(struct sample_files *f)
{
    buf_done(&f->database);
    buf_done(&f->log);
    buf_done(&f->index);
}

struct buf sample_read(const char *path)
{
    struct buf bytes = BUF_INIT;
    FILE *f = fopen(path, "rb");
    char block[65536];
    size_t n = sizeof(block);

    expect(f != NULL, path);
    while (n == sizeof(block)) { /* a short read is the end */
        n = fread(block, 1, sizeof(block), f);
        buf_add(&bytes, block, n);
    }
    fclose(f);
    return bytes;
}

void sample_write(const char *path, const struct buf *bytes)
{
    FILE *f = fopen(path, "wb");

    expect(f != NULL, path);
    expect(bytes->n == 0 || fwrite(bytes->p, 1, bytes->n, f) == bytes->n, path);
    expect(fclose(f) == 0, path);
}

uint64_t sample_seed(void)
{
    const char *given = getenv("CULM_SEED");

    return given != NULL ? strtoull(given, NULL, 10) : 20261121;
}

uint64_t sample_draw(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}
