/* SPDX-License-Identifier: MIT */
#include "store/sqlite/sqlite_store.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/sqlite/reader.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/writer.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

static struct sqlite_store *of(const struct store *st)
{
    return CONTAINER_OF((uintptr_t)st, struct sqlite_store, store);
}

int store_start_thread(pthread_t *thread, void *(*run)(void *), void *arg, struct err *err)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = fault_fails(FAULT_THREAD);
    if (rc == 0)
        rc = pthread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0 ? 0 : err_sys(err, ERR_UNAVAILABLE, rc, "cannot start a thread of the store");
}

/* ---- answers ---- */

void item_free(struct item *it)
{
    struct read_item *r = CONTAINER_OF(it, struct read_item, item);

    if (it->kind == ITEM_APPENDED) {
        facts_unref(CONTAINER_OF(it, struct append_item, item)->a.facts);
    } else {
        opened_free(r->opened);
        answer_free(r->answer);
    }
    mem_free(it);
}

void store_put_done(struct sqlite_store *st, struct list *items)
{
    void (*notify)(void *arg) = NULL;
    void *arg;

    if (list_is_empty(items))
        return;
    pthread_mutex_lock(&st->done_lock);
    if (list_is_empty(&st->done))
        notify = st->callbacks.notify;
    arg = st->callbacks.arg;
    list_move_all(&st->done, items);
    pthread_mutex_unlock(&st->done_lock);
    if (notify != NULL)
        notify(arg);
}

static void hand_out(struct sqlite_store *st, struct item *it)
{
    struct read_item *r = CONTAINER_OF(it, struct read_item, item);
    struct opened *opened;
    struct answer *answer;

    switch (it->kind) {
    case ITEM_APPENDED:
        st->callbacks.on_appended(st->callbacks.arg, &CONTAINER_OF(it, struct append_item, item)->done);
        break;
    case ITEM_OPENED:
        opened = r->opened;
        r->opened = NULL;
        st->callbacks.on_opened(st->callbacks.arg, opened);
        break;
    case ITEM_ANSWER:
        answer = r->answer;
        r->answer = NULL;
        r->done(r->arg, answer);
        break;
    }
    item_free(it);
}

/* Before the completions: whoever acts on one of them finds the feed at least as far. */
static void tell_feed(struct sqlite_store *st)
{
    uint64_t newest = atomic_load(&st->feed_newest);

    if (newest == st->feed_told)
        return;
    st->feed_told = newest;
    if (st->callbacks.on_feed != NULL)
        st->callbacks.on_feed(st->callbacks.arg, newest);
}

static void poll_done(struct store *s)
{
    struct sqlite_store *st = of(s);
    struct list done;

    list_init(&done);
    pthread_mutex_lock(&st->done_lock);
    list_move_all(&done, &st->done);
    pthread_mutex_unlock(&st->done_lock);
    tell_feed(st);
    while (!list_is_empty(&done)) {
        struct item *it = LIST_ITEM(done.next, struct item, link);

        list_remove(&it->link);
        hand_out(st, it);
    }
}

static void set_callbacks(struct store *s, const struct store_callbacks *cb)
{
    struct sqlite_store *st = of(s);

    pthread_mutex_lock(&st->done_lock);
    st->callbacks = *cb;
    pthread_mutex_unlock(&st->done_lock);
}

/* ---- reads ---- */

static void queue_read(struct sqlite_store *st, struct list *queue, struct read_item *it)
{
    list_init(&it->item.link);
    pthread_mutex_lock(&st->read_lock);
    list_add_tail(queue, &it->item.link);
    pthread_cond_signal(&st->read_more);
    pthread_mutex_unlock(&st->read_lock);
}

static void open_session(struct store *s, struct str session_id, uint64_t token)
{
    struct sqlite_store *st = of(s);
    struct read_item *it = mem_zalloc(sizeof(*it) + session_id.n);
    char *at = (char *)(it + 1);

    it->item.kind = ITEM_OPENED;
    it->session_id = str_put(session_id, &at);
    it->opened = opened_new();
    it->opened->token = token;
    queue_read(st, &st->opens, it);
}

static void put_query(struct store *s, const struct query *q, query_fn *done, void *arg)
{
    struct sqlite_store *st = of(s);
    struct read_item *it;
    size_t n = q->session_id.n + q->run_id.n + q->after_message.n + q->search.n + q->state.n + q->cursor.n +
               q->session_kind.n + q->root.n + q->key.n;
    char *at;

    it = mem_zalloc(sizeof(*it) + n);
    at = (char *)(it + 1);
    it->item.kind = ITEM_ANSWER;
    it->answer = answer_new();
    it->done = done;
    it->arg = arg;
    it->query = *q;
    it->until_ms = clock_mono_ms() + (q->within_ms > 0 ? q->within_ms : LIMIT_PAST_MS);
    it->query.session_id = str_put(q->session_id, &at);
    it->query.run_id = str_put(q->run_id, &at);
    it->query.after_message = str_put(q->after_message, &at);
    it->query.search = str_put(q->search, &at);
    it->query.state = str_put(q->state, &at);
    it->query.cursor = str_put(q->cursor, &at);
    it->query.session_kind = str_put(q->session_kind, &at);
    it->query.root = str_put(q->root, &at);
    it->query.key = str_put(q->key, &at);
    queue_read(st, &st->queries, it);
}

/* ---- writes ---- */

static size_t text_bytes(const struct append *a)
{
    size_t n = a->session_id.n;

    for (size_t i = 0; i < a->n_letters; i++)
        n += a->letters[i].to.n + a->letters[i].body.n;
    return a->receipt == NULL ? n : n + a->receipt->key.n + a->receipt->fingerprint.n + a->receipt->reply.n;
}

/* One block: the item, the head, the letters, the receipt, the text. */
static struct append_item *copy_append(const struct append *a)
{
    size_t head = a->head == NULL ? 0 : sizeof(*a->head), letters = a->n_letters * sizeof(*a->letters);
    size_t receipt_size = a->receipt == NULL ? 0 : sizeof(*a->receipt);
    struct append_item *it;
    struct receipt *receipt;
    struct letter *copy;
    char *at;

    _Static_assert(sizeof(struct append_item) % 8 == 0 && sizeof(struct session) % 8 == 0, "they stand in a row");
    it = mem_zalloc(sizeof(*it) + head + letters + receipt_size + text_bytes(a));
    it->item.kind = ITEM_APPENDED;
    list_init(&it->item.link);
    it->a = *a;
    it->a.facts = a->facts == NULL ? NULL : facts_ref(a->facts);
    at = (char *)(it + 1);
    if (a->head != NULL)
        it->a.head = memcpy(at, a->head, head);
    copy = (struct letter *)(void *)(at + head);
    it->a.letters = copy;
    receipt = (struct receipt *)(void *)(at + head + letters);
    at += head + letters + receipt_size;
    it->a.session_id = str_put(a->session_id, &at);
    if (a->receipt != NULL) {
        *receipt = *a->receipt;
        receipt->key = str_put(a->receipt->key, &at);
        receipt->fingerprint = str_put(a->receipt->fingerprint, &at);
        receipt->reply = str_put(a->receipt->reply, &at);
        it->a.receipt = receipt;
    }
    for (size_t i = 0; i < a->n_letters; i++)
        copy[i] = (struct letter){
            .id = a->letters[i].id, .to = str_put(a->letters[i].to, &at), .body = str_put(a->letters[i].body, &at)};
    return it;
}

static void refuse_append(struct sqlite_store *st, struct append_item *it)
{
    struct list one;

    it->done = (struct appended){.token = it->a.token, .sid = it->a.sid, .epoch = it->a.epoch};
    it->done.rc = err_set(&it->done.err, ERR_STORAGE, "the store was opened for reading only");
    list_init(&one);
    list_add_tail(&one, &it->item.link);
    store_put_done(st, &one);
}

static void append(struct store *s, const struct append *a)
{
    struct sqlite_store *st = of(s);
    struct append_item *it = copy_append(a);

    if (st->read_only) {
        refuse_append(st, it);
        return;
    }
    st->n_queued++;
    pthread_mutex_lock(&st->queue_lock);
    if (list_is_empty(&st->appends))
        pthread_cond_signal(&st->queue_more);
    list_add_tail(&st->appends, &it->item.link);
    pthread_mutex_unlock(&st->queue_lock);
}

static void put_partial(struct store *s, int64_t sid, uint64_t epoch, const struct partial *p)
{
    struct sqlite_store *st = of(s);
    struct partial_item *it, *old;
    char *at;

    if (st->read_only)
        return;
    it = mem_alloc(sizeof(*it) + p->text.n + p->reasoning.n);
    it->sid = sid;
    it->epoch = epoch;
    it->p = *p;
    at = it->text;
    it->p.text = str_put(p->text, &at);
    it->p.reasoning = str_put(p->reasoning, &at);
    pthread_mutex_lock(&st->queue_lock);
    old = map_find_u64(st->partial_of, (uint64_t)sid);
    if (old != NULL)
        list_remove(&old->link);
    if (list_is_empty(&st->partials))
        pthread_cond_signal(&st->queue_more);
    map_put_u64(st->partial_of, (uint64_t)sid, it);
    list_add_tail(&st->partials, &it->link);
    pthread_mutex_unlock(&st->queue_lock);
    mem_free(old);
}

/* ---- begin and end ---- */

static uint64_t writer_number(const struct store *s)
{
    return of(s)->writer_number;
}

static bool was_clean(const struct store *s)
{
    return of(s)->was_clean;
}

static void stop_readers(struct sqlite_store *st)
{
    pthread_mutex_lock(&st->read_lock);
    st->reading = false;
    pthread_cond_broadcast(&st->read_more);
    pthread_mutex_unlock(&st->read_lock);
    for (unsigned i = 0; i < st->n_readers; i++)
        reader_join(st->readers[i]);
    st->n_readers = 0;
}

static void drop_items(struct list *items)
{
    while (!list_is_empty(items)) {
        struct item *it = LIST_ITEM(items->next, struct item, link);

        list_remove(&it->link);
        item_free(it);
    }
}

static void store_free(struct sqlite_store *st)
{
    drop_items(&st->opens);
    drop_items(&st->queries);
    drop_items(&st->done);
    assert(list_is_empty(&st->appends) && list_is_empty(&st->partials));
    map_free(st->partial_of);
    data_dir_done(&st->dir);
    pthread_mutex_destroy(&st->queue_lock);
    pthread_mutex_destroy(&st->read_lock);
    pthread_mutex_destroy(&st->done_lock);
    pthread_cond_destroy(&st->queue_more);
    pthread_cond_destroy(&st->read_more);
    mem_free(st);
}

/* Readers first, so that the writer's last checkpoint finds nobody in its way. */
static void close_store(struct store *s)
{
    struct sqlite_store *st = of(s);

    stop_readers(st);
    if (st->writer != NULL)
        writer_stop(st->writer);
    store_free(st);
}

static const struct store_ops ops = {
    .set_callbacks = set_callbacks,
    .open_session = open_session,
    .append = append,
    .put_partial = put_partial,
    .query = put_query,
    .poll = poll_done,
    .close = close_store,
    .writer = writer_number,
    .was_clean = was_clean,
};

static void init_threads(struct sqlite_store *st)
{
    pthread_condattr_t monotonic;

    pthread_mutex_init(&st->queue_lock, NULL);
    pthread_mutex_init(&st->read_lock, NULL);
    pthread_mutex_init(&st->done_lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&st->queue_more, &monotonic);
    pthread_cond_init(&st->read_more, &monotonic);
    pthread_condattr_destroy(&monotonic);
    list_init(&st->appends);
    list_init(&st->partials);
    list_init(&st->opens);
    list_init(&st->queries);
    list_init(&st->done);
    st->partial_of = map_new();
    st->reading = true;
}

/* The file is of our version, and how the life before ended. */
static int look_at_file(struct sqlite_store *st, struct err *err)
{
    static const char before[] = "SELECT clean FROM boot ORDER BY writer DESC LIMIT 1";
    int64_t clean = 1;
    struct db db;
    int rc = db_open(&db, st->dir.db_path, DB_READER, err);

    if (rc < 0)
        return rc;
    rc = schema_check(&db, st->dir.db_path, err);
    if (rc == 0)
        rc = db_number(&db, before, NO_VALUES, &clean, err);
    st->was_clean = clean != 0;
    db_close(&db);
    return rc < 0 ? rc : 0;
}

static int start(struct sqlite_store *st, struct err *err)
{
    unsigned readers = st->read_only ? 1 : READERS;
    int rc;

    if (st->read_only) {
        rc = data_dir_visit(&st->dir, err);
        if (rc == 0)
            rc = look_at_file(st, err);
    } else {
        rc = data_dir_own(&st->dir, err);
        if (rc == 0)
            rc = writer_start(st, err);
    }
    while (rc == 0 && st->n_readers < readers) {
        rc = reader_start(st, &st->readers[st->n_readers], err);
        st->n_readers += rc == 0;
    }
    return rc;
}

int sqlite_store_open(const struct sqlite_options *o, struct store **out, struct err *err)
{
    struct sqlite_store *st = mem_zalloc(sizeof(*st));
    struct err ours;
    int rc;

    err = err == NULL ? &ours : err;
    st->store.ops = &ops;
    st->read_only = o->read_only;
    st->feed_facts = o->feed_facts == 0 || o->feed_facts > LIMIT_FEED_FACTS ? LIMIT_FEED_FACTS : o->feed_facts;
    data_dir_init(&st->dir, o->data_dir);
    init_threads(st);
    rc = start(st, err);
    if (rc < 0) {
        close_store(&st->store);
        return rc;
    }
    *out = &st->store;
    return 0;
}

static uint64_t file_bytes(const char *path, const char *suffix)
{
    struct stat info;
    char name[4096];

    snprintf(name, sizeof(name), "%s%s", path, suffix);
    return stat(name, &info) == 0 ? (uint64_t)info.st_size : 0;
}

static uint64_t disk_free(const char *path)
{
    struct statvfs fs;

    return statvfs(path, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
}

void sqlite_store_stats(const struct store *s, struct sqlite_stats *out)
{
    struct sqlite_store *st = of(s);
    uint64_t queued;

    *out = (struct sqlite_stats){.appends = st->n_appends,
                                 .refused = st->n_refused,
                                 .failed = st->n_failed,
                                 .commits = st->n_commits,
                                 .checkpoints = st->n_checkpoints,
                                 .reopened = st->n_reopened,
                                 .file_bytes = file_bytes(st->dir.db_path, "") + file_bytes(st->dir.db_path, "-wal"),
                                 .disk_free_bytes = disk_free(st->dir.db_path)};
    queued = st->n_queued; /* read last: what was completed meanwhile was queued before */
    out->queued = queued - out->appends - out->refused - out->failed;
    histogram_read(&st->flush, &out->flush);
}
