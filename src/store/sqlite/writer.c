/* SPDX-License-Identifier: MIT */
#include "store/sqlite/writer.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "session/feed.h"
#include "store/sqlite/append.h"
#include "store/sqlite/feed.h"
#include "store/sqlite/schema.h"

#include <signal.h>
#include <time.h>

#define BATCH_APPENDS 512
#define BATCH_BYTES (1024 * 1024)
#define WAL_MOST_PAGES 8192 /* 32 MiB: folded back even under load */
#define WAL_IDLE_PAGES 1024 /* 4 MiB: folded back when nothing waits */
#define ERASE_AGAIN_MS 500  /* between two tries to have what was erased leave the disk */
#define WRITER_NUMBERS (1 << 24)

struct writer {
    struct sqlite_store *st;
    pthread_t thread;
    struct db db;
    struct append_scratch scratch;
    struct list pending;  /* append_item taken from the queue, in order */
    struct list partials; /* partial_item of the commit under way */
    int wal_pages;        /* in the write-ahead log, 0 where it was folded back or cannot be at the moment */
    int wal_next;         /* pages at which the log is folded back under load */
    bool erased;          /* what was erased still stands in the log */
    int64_t erase_at;     /* mono; a reader kept it there: not before then once more */
    int64_t partial_at;   /* mono; when texts in flight were written last */
};

static int count_pages(void *arg, sqlite3 *h UNUSED, const char *name UNUSED, int pages)
{
    ((struct writer *)arg)->wal_pages = pages;
    return SQLITE_OK;
}

/* ---- connection ---- */

static int open_db(struct writer *w, struct err *err)
{
    int rc = db_open(&w->db, w->st->dir.db_path, DB_WRITER, err);

    if (rc == 0)
        sqlite3_wal_hook(w->db.h, count_pages, w);
    return rc;
}

/*
 * After an I/O error the connection is not trusted any more, and nothing is synced a second time: the kernel may have
 * dropped what the first sync could not write. A new connection writes the pages again.
 */
static int make_usable(struct writer *w, struct err *err)
{
    if (w->db.h != NULL && (w->db.failed & 0xff) != SQLITE_IOERR)
        return 0;
    db_rollback(&w->db);
    db_close(&w->db);
    w->st->n_reopened++;
    FAULT_POINT("store.reopen");
    return open_db(w, err);
}

/* ---- checkpoints ---- */

static void checkpoint(struct writer *w, int mode)
{
    int rc;

    if (w->db.h == NULL)
        return;
    FAULT_POINT("store.checkpoint.before");
    sqlite3_busy_timeout(w->db.h, 0); /* nobody's append waits for a reader */
    rc = sqlite3_wal_checkpoint_v2(w->db.h, NULL, mode, NULL, NULL);
    sqlite3_busy_timeout(w->db.h, DB_BUSY_MS);
    FAULT_POINT("store.checkpoint.after");
    w->wal_pages = 0; /* the next commit tells how many there are */
    w->st->n_checkpoints++;
    if (rc == SQLITE_OK && mode == SQLITE_CHECKPOINT_TRUNCATE)
        w->erased = false;
    if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY) {
        struct err ignored; /* the log keeps everything; the next one tries again */

        db_fail(&w->db, rc, &ignored);
    }
}

/* Nothing waits: is there enough in the log, or something in it that was erased and must leave the disk? */
static bool wants_checkpoint(const struct writer *w)
{
    return w->erased ? clock_mono_ms() >= w->erase_at : w->wal_pages >= WAL_IDLE_PAGES;
}

static void checkpoint_when_idle(struct writer *w)
{
    struct err ignored; /* nobody asked for it, and it is tried again */

    w->wal_pages = 0;                               /* no second try before the next commit, */
    w->erase_at = clock_mono_ms() + ERASE_AGAIN_MS; /* or then */
    if (make_usable(w, &ignored) == 0)
        checkpoint(w, w->erased ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE);
}

/* A reader may keep the log from beginning anew: then not after each commit, but after each quarter more. */
static void checkpoint_under_load(struct writer *w)
{
    int pages = w->wal_pages;

    if (pages < WAL_MOST_PAGES)
        w->wal_next = WAL_MOST_PAGES;
    if (pages < WAL_MOST_PAGES || pages < w->wal_next)
        return;
    checkpoint(w, SQLITE_CHECKPOINT_PASSIVE);
    w->wal_next = pages + WAL_MOST_PAGES / 4;
}

/* ---- batches ---- */

static struct append_item *append_of(struct list *link)
{
    return CONTAINER_OF(LIST_ITEM(link, struct item, link), struct append_item, item);
}

static void set_outcome(struct writer *w, struct append_item *it, int rc, const struct err *err)
{
    uint64_t n = it->a.facts == NULL ? 0 : it->a.facts->n;

    it->done = (struct appended){.token = it->a.token,
                                 .sid = it->a.sid,
                                 .epoch = it->a.epoch,
                                 .last_seq = it->a.first - 1 + n,
                                 .rc = rc == 0 || rc == -ERR_REFUSED ? rc : -ERR_STORAGE};
    if (rc < 0) {
        it->done.err = *err;
        it->done.err.code = (enum err_code) - it->done.rc;
    }
    if (rc == 0 && it->a.erase)
        w->erased = true;
    if (rc == 0)
        w->st->n_appends++;
    else if (rc == -ERR_REFUSED)
        w->st->n_refused++;
    else
        w->st->n_failed++;
}

/* Only what stands on the feed is worth a look. Before the completions are handed out. */
static void tell_feed(struct writer *w)
{
    if (w->scratch.told > 0)
        atomic_store(&w->st->feed_newest, feed_last(w->scratch.told));
    w->scratch.told = 0;
}

static int commit(struct writer *w, struct err *err)
{
    static const char sql[] = "COMMIT";
    int64_t began = clock_mono_us();
    int rc;

    FAULT_POINT("store.commit.before");
    rc = db_run(&w->db, sql, NO_VALUES, err);
    if (rc < 0)
        return rc;
    FAULT_POINT("store.commit.after");
    histogram_add(&w->st->flush, clock_mono_us() - began);
    w->st->n_commits++;
    tell_feed(w);
    return 0;
}

static int begin(struct writer *w, struct err *err)
{
    static const char sql[] = "BEGIN IMMEDIATE";
    int rc = make_usable(w, err);

    w->scratch.told = 0;
    return rc < 0 ? rc : db_run(&w->db, sql, NO_VALUES, err);
}

static int put_partials(struct writer *w, struct err *err)
{
    int rc = 0;

    LIST_EACH (link, next, &w->partials) {
        const struct partial_item *it = LIST_ITEM(link, struct partial_item, link);

        if (rc == 0)
            rc = append_partial(&w->db, it->sid, it->epoch, &it->p, err);
    }
    return rc;
}

static void drop_partials(struct writer *w)
{
    while (!list_is_empty(&w->partials)) {
        struct partial_item *it = LIST_ITEM(w->partials.next, struct partial_item, link);

        list_remove(&it->link);
        mem_free(it);
    }
}

/* Moves what fits one commit from `pending` to `batch` and applies it. Outcomes hold only once it is committed. */
static int apply_batch(struct writer *w, struct list *batch, struct err *err)
{
    int n = 0;

    w->scratch.bytes = 0;
    while (!list_is_empty(&w->pending) && n < BATCH_APPENDS && w->scratch.bytes < BATCH_BYTES) {
        struct append_item *it = append_of(w->pending.next);
        int rc;

        list_remove(&it->item.link);
        list_add_tail(batch, &it->item.link);
        n++;
        rc = append_apply(&w->db, &it->a, &w->scratch, err);
        it->done.rc = rc;
        if (rc == -ERR_REFUSED)
            it->done.err = *err;
        else if (rc < 0)
            return rc;
    }
    return 0;
}

/* On its own, so that it fails for its own sake only. */
static void commit_one(struct writer *w, struct append_item *it)
{
    struct err err;
    int rc = begin(w, &err);

    if (rc == 0)
        rc = append_apply(&w->db, &it->a, &w->scratch, &err);
    if (rc == 0)
        rc = commit(w, &err);
    if (rc < 0)
        db_rollback(&w->db);
    set_outcome(w, it, rc, &err);
}

/* The batch as a whole was refused by the disk. */
static void commit_one_by_one(struct writer *w, struct list *batch)
{
    struct err err;

    db_rollback(&w->db);
    if (list_is_empty(batch) && !list_is_empty(&w->pending)) { /* it did not even begin */
        struct list *first = w->pending.next;

        list_remove(first);
        list_add_tail(batch, first);
    }
    if (make_usable(w, &err) == 0)
        checkpoint(w, SQLITE_CHECKPOINT_PASSIVE); /* a log that begins anew needs no room */
    LIST_EACH (link, next, batch)
        commit_one(w, append_of(link));
}

static void commit_batch(struct writer *w)
{
    struct list batch;
    struct err err;
    int rc = begin(w, &err);

    list_init(&batch);
    if (rc == 0)
        rc = put_partials(w, &err);
    if (rc == 0)
        rc = apply_batch(w, &batch, &err);
    if (rc == 0)
        rc = commit(w, &err);
    drop_partials(w);
    if (rc < 0) {
        commit_one_by_one(w, &batch);
    } else {
        LIST_EACH (link, next, &batch) {
            struct append_item *it = append_of(link);
            struct err why = it->done.err;

            set_outcome(w, it, it->done.rc, &why);
        }
    }
    store_put_done(w->st, &batch);
    checkpoint_under_load(w);
}

/* ---- the thread ---- */

/* Milliseconds until texts in flight may be written for their own sake. */
static int64_t partial_pause(const struct writer *w)
{
    int64_t passed = clock_mono_ms() - w->partial_at;

    return passed >= LIMIT_PARTIAL_MS || passed < 0 ? 0 : LIMIT_PARTIAL_MS - passed;
}

/* Milliseconds until the writer has something to do of its own accord; 0: never. */
static int64_t pause_of(const struct writer *w, int64_t partial)
{
    int64_t erase = w->erased ? w->erase_at - clock_mono_ms() : 0;

    if (!w->erased || (partial > 0 && partial < erase))
        return partial;
    return erase > 0 ? erase : 1;
}

static void wait_at_most(struct sqlite_store *st, int64_t ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&st->queue_more, &st->queue_lock, &t);
}

/* Holding the lock: sleeps until there is something to commit. False: the end. */
static bool wait_for_work(struct writer *w)
{
    struct sqlite_store *st = w->st;

    for (;;) {
        int64_t pause = partial_pause(w);

        if (!list_is_empty(&st->appends) || !list_is_empty(&w->pending))
            return true;
        if (!list_is_empty(&st->partials) && (pause == 0 || st->stopping))
            return true;
        if (st->stopping)
            return false;
        if (wants_checkpoint(w)) {
            pthread_mutex_unlock(&st->queue_lock);
            checkpoint_when_idle(w);
            pthread_mutex_lock(&st->queue_lock);
            continue;
        }
        pause = pause_of(w, list_is_empty(&st->partials) ? 0 : pause > 0 ? pause : 1);
        if (pause == 0)
            pthread_cond_wait(&st->queue_more, &st->queue_lock);
        else
            wait_at_most(st, pause);
    }
}

static void take_work(struct writer *w)
{
    struct sqlite_store *st = w->st;

    list_move_all(&w->pending, &st->appends);
    list_move_all(&w->partials, &st->partials);
    LIST_EACH (link, next, &w->partials)
        map_take_u64(st->partial_of, (uint64_t)LIST_ITEM(link, struct partial_item, link)->sid);
    if (!list_is_empty(&w->partials))
        w->partial_at = clock_mono_ms();
}

static void *run(void *arg)
{
    struct writer *w = arg;
    struct sqlite_store *st = w->st;

    pthread_mutex_lock(&st->queue_lock);
    while (wait_for_work(w)) {
        take_work(w);
        pthread_mutex_unlock(&st->queue_lock);
        commit_batch(w);
        pthread_mutex_lock(&st->queue_lock);
    }
    pthread_mutex_unlock(&st->queue_lock);
    return NULL;
}

/* ---- begin and end of a life ---- */

static int enter_life(struct writer *w, struct err *err)
{
    static const char before[] = "SELECT clean FROM boot ORDER BY writer DESC LIMIT 1";
    static const char enter[] = "INSERT INTO boot(boot, started_at) VALUES(?, ?)";
    static const char highest[] = "SELECT max(sid) FROM session";
    struct sqlite_store *st = w->st;
    int64_t clean = 1, sid = 0;
    int rc = begin(w, err);

    if (rc == 0)
        rc = db_number(&w->db, before, NO_VALUES, &clean, err);
    if (rc >= 0)
        rc = db_run(&w->db, enter,
                    VALUES(V_TEXT(((struct str){st->dir.boot, strlen(st->dir.boot)})), V_INT(st->dir.started_at)), err);
    if (rc == 0)
        rc = db_number(&w->db, highest, NO_VALUES, &sid, err);
    if (rc >= 0)
        rc = feed_newest(&w->db, &w->scratch.pos, err);
    if (rc >= 0)
        rc = commit(w, err);
    if (rc < 0) {
        db_rollback(&w->db);
        return rc;
    }
    FAULT_POINT("store.boot.after");
    st->was_clean = clean != 0;
    st->feed_newest = st->feed_told = feed_last(w->scratch.pos);
    st->writer_number = (uint64_t)sqlite3_last_insert_rowid(w->db.h);
    st->next_sid = sid + 1;
    if (st->writer_number >= WRITER_NUMBERS)
        return err_set(err, ERR_VERSION, "%s: its %d lives are used up; move its sessions to a new data directory",
                       st->dir.db_path, WRITER_NUMBERS - 1);
    return 0;
}

static void writer_free(struct writer *w)
{
    db_close(&w->db);
    buf_done(&w->scratch.body);
    mem_free(w);
}

int writer_start(struct sqlite_store *st, struct err *err)
{
    struct writer *w = mem_zalloc(sizeof(*w));
    int rc;

    w->st = st;
    list_init(&w->pending);
    list_init(&w->partials);
    rc = open_db(w, err);
    if (rc == 0)
        rc = schema_upgrade(&w->db, st->dir.db_path, err);
    if (rc == 0)
        rc = enter_life(w, err);
    if (rc == 0)
        rc = store_start_thread(&w->thread, run, w, err);
    if (rc < 0) {
        writer_free(w);
        return rc;
    }
    st->writer = w;
    return 0;
}

static void leave_life(struct writer *w)
{
    static const char leave[] = "UPDATE boot SET clean = 1 WHERE writer = ?";
    struct err err;
    int rc = begin(w, &err);

    FAULT_POINT("store.close.before");
    if (rc == 0)
        rc = db_run(&w->db, leave, VALUES(V_INT(w->st->writer_number)), &err);
    if (rc == 0)
        rc = commit(w, &err);
    if (rc < 0)
        db_rollback(&w->db); /* then it did not end in order */
    checkpoint(w, SQLITE_CHECKPOINT_TRUNCATE);
    if (rc == 0)
        sqlite3_db_config(w->db.h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL); /* closing removes the empty log */
    FAULT_POINT("store.close.after");
}

void writer_stop(struct writer *w)
{
    pthread_mutex_lock(&w->st->queue_lock);
    w->st->stopping = true;
    pthread_cond_signal(&w->st->queue_more);
    pthread_mutex_unlock(&w->st->queue_lock);
    pthread_join(w->thread, NULL);
    leave_life(w);
    w->st->writer = NULL;
    writer_free(w);
}
