/* SPDX-License-Identifier: MIT */
#include "store/sqlite/repair.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "store/sqlite/data_dir.h"
#include "store/sqlite/feed.h"
#include "store/sqlite/lost_file.h"
#include "store/sqlite/receipt_row.h"
#include "store/sqlite/replay.h"
#include "store/sqlite/salvage.h"
#include "store/sqlite/schema.h"

#include <stdio.h>

#define WRITER_BITS 24
#define WRITER_MASK ((UINT64_C(1) << WRITER_BITS) - 1)

struct repair {
    const struct repair_options *o;
    struct repair_report *report;
    struct salvage salvage;
    struct db db; /* the draft */
    struct replay *replay;
    struct lost_file lost;
    struct map *cut; /* sessions that may not be whole, by id */
    uint64_t life;   /* of this repair: a number of its own */
    int64_t now;
    struct err *err;
};

/* ---- lives ---- */

/*
 * Rows of lives have no checksum; the facts say which there were. Above those, numbers count as long as they are dense:
 * lives that stored nothing.
 */
static uint64_t newest_life(const struct salvage *s)
{
    uint64_t newest = 0;

    for (size_t i = 0; i < s->n_facts; i++)
        if (s->facts[i].intact && (s->facts[i].epoch & WRITER_MASK) > newest)
            newest = s->facts[i].epoch & WRITER_MASK;
    for (size_t i = 0; i < s->n_lives; i++)
        newest += s->lives[i].writer == (int64_t)newest + 1;
    return newest;
}

static int put_life(struct repair *r, uint64_t writer, struct str boot, int64_t started_at, bool clean)
{
    static const char sql[] = "INSERT INTO boot(writer, boot, started_at, clean) VALUES(?, ?, ?, ?)";

    return db_run(&r->db, sql, VALUES(V_INT(writer), V_TEXT(boot), V_INT(started_at), V_INT(clean)), r->err);
}

static int put_lives(struct repair *r)
{
    const struct salvage *s = &r->salvage;
    uint64_t newest = newest_life(s);
    char boot[ID_TEXT];
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < s->n_lives; i++) {
        const struct salvaged_life *l = &s->lives[i];

        if (l->writer > 0 && (uint64_t)l->writer <= newest)
            rc = put_life(r, (uint64_t)l->writer, l->boot, l->started_at, l->clean);
    }
    if (rc == 0 && newest >= WRITER_MASK)
        rc = err_set(r->err, ERR_VERSION, "the lives of this database are used up");
    id_random(boot);
    r->life = newest + 1;
    return rc < 0 ? rc : put_life(r, r->life, str_of(boot), r->now, true);
}

/* ---- one session ---- */

struct one {
    struct salvaged_fact *facts; /* of it, in order; a number may stand there twice */
    size_t n, next;              /* the first that was not taken */
    int64_t sid;
    const struct salvaged_session *row; /* NULL: cannot be read */
    struct buf id;
    uint64_t kept;
    bool was_ended;
    char why[240];
};

/* Its own first fact says the name; else its row; else it gets one. */
static void find_id(struct repair *r, struct one *s)
{
    struct fact_row row;
    struct arena scratch;
    struct fact f;

    arena_init(&scratch);
    if (s->n > 0 && s->facts[0].intact && s->facts[0].seq == 1 &&
        salvage_read(&r->salvage, &s->facts[0], &row, r->err) == 0 &&
        fact_row_parse(&row, s->sid, &scratch, &f, r->err) == 0 && f.kind == FACT_SESSION_CREATED)
        buf_add_str(&s->id, f.id);
    arena_done(&scratch);
    if (s->id.n == 0 && s->row != NULL)
        buf_add_str(&s->id, s->row->id);
    if (s->id.n == 0)
        buf_addf(&s->id, "recovered-%" PRId64, s->sid);
}

static int stop_at(struct one *s, const char *why)
{
    snprintf(s->why, sizeof(s->why), "%s", why);
    return 0;
}

/* 1: taken; 0: the session ends before it, and `why` says why. */
static int take_fact(struct repair *r, struct one *s, const struct salvaged_fact *f)
{
    struct fact_row row;
    char text[64];
    int rc;

    if (f->seq != s->kept + 1) {
        snprintf(text, sizeof(text), "fact %" PRIu64 " is missing", s->kept + 1);
        return stop_at(s, text);
    }
    rc = salvage_read(&r->salvage, f, &row, r->err);
    if (rc == 0)
        rc = replay_add(r->replay, &row, NULL, r->err);
    if (rc == -ERR_CORRUPT)
        return stop_at(s, r->err->text);
    if (rc < 0)
        return rc;
    s->kept++;
    return 1;
}

static int take_facts(struct repair *r, struct one *s)
{
    int rc = 1;

    replay_begin(r->replay, s->sid, buf_str(&s->id));
    while (rc > 0 && s->next < s->n) {
        const struct salvaged_fact *f = &s->facts[s->next];

        rc = f->seq <= s->kept ? 1 : take_fact(r, s, f);
        s->next += rc > 0;
    }
    if (rc < 0)
        return rc;
    if (s->next == s->n && s->row != NULL && s->row->last_seq > s->kept) {
        char text[64];

        snprintf(text, sizeof(text), "fact %" PRIu64 " is missing", s->kept + 1);
        return stop_at(s, text);
    }
    return 0;
}

/* The answer whose calls are open. */
static struct facts *find_answer(struct repair *r, const struct one *s, uint64_t seq)
{
    struct facts *found = NULL;
    struct fact_row row;
    struct arena scratch;
    struct fact f;

    arena_init(&scratch);
    for (size_t i = 0; i < s->next && found == NULL; i++)
        if (s->facts[i].seq == seq && salvage_read(&r->salvage, &s->facts[i], &row, r->err) == 0 &&
            fact_row_parse(&row, s->sid, &scratch, &f, r->err) == 0)
            found = facts_new(&f, 1);
    arena_done(&scratch);
    return found;
}

/* Whether there was more is known from its row; without it nobody knows, and the run is not resumed either. */
static int put_to_rest(struct repair *r, struct one *s)
{
    const struct session *fold = replay_session(r->replay);
    bool was_cut = s->why[0] != '\0' || s->row == NULL;
    struct facts *answer, *rest;
    uint64_t generation;
    int rc;

    if (!was_cut || !session_is_unfinished(fold))
        return 0;
    if (s->why[0] == '\0')
        stop_at(s, "nothing says whether this was all");
    answer = find_answer(r, s, fold->assistant_seq);
    rest = r->o->rest(fold, answer, r->now);
    generation = (replay_epoch(r->replay) >> WRITER_BITS) + 1;
    rc = replay_add_own(r->replay, rest, generation << WRITER_BITS | r->life, r->err);
    s->was_ended = true;
    facts_unref(rest);
    facts_unref(answer);
    return rc;
}

static int finish(struct repair *r, struct one *s)
{
    const struct session *fold = replay_session(r->replay);
    int rc = put_to_rest(r, s);
    uint64_t owner = session_is_unfinished(fold) ? replay_epoch(r->replay) & WRITER_MASK : 0;

    return rc < 0 ? rc : replay_end(r->replay, 0, owner, r->err);
}

/* What comes behind the cut, each number once. */
static int put_lost(struct repair *r, struct one *s, uint64_t *n)
{
    uint64_t seq = s->kept;
    int rc = 0;

    for (size_t i = s->next; rc == 0 && i < s->n; i++) {
        struct fact_row row;

        if (s->facts[i].seq <= seq)
            continue;
        seq = s->facts[i].seq;
        rc = salvage_read(&r->salvage, &s->facts[i], &row, r->err);
        if (rc == 0)
            rc = lost_file_add(&r->lost, buf_str(&s->id), s->sid, &row, s->facts[i].intact, r->err);
        *n += rc == 0;
    }
    return rc;
}

static int report(struct repair *r, struct one *s)
{
    CLEANUP(buf_done) struct buf id = BUF_INIT, why = BUF_INIT;
    struct repair_session said = {.kept = s->kept, .was_ended = s->was_ended};
    uint64_t should = s->kept;
    int rc = put_lost(r, s, &said.lost);

    if (rc < 0)
        return rc;
    for (size_t i = s->next; i < s->n; i++)
        if (s->facts[i].intact && s->facts[i].seq > should)
            should = s->facts[i].seq;
    if (s->row != NULL && s->row->last_seq > should)
        should = s->row->last_seq;
    said.missing = should > said.kept + said.lost ? should - said.kept - said.lost : 0;
    utf8_add_line(buf_str(&s->id), &id);
    utf8_add_line(str_of(s->why), &why);
    said.id = buf_str(&id);
    said.why = buf_str(&why);
    r->report->sessions += s->kept > 0;
    r->report->kept += said.kept;
    r->report->lost += said.lost;
    r->report->missing += said.missing;
    if (s->why[0] == '\0')
        return 0;
    r->report->damaged++;
    r->o->damaged(r->o->arg, &said);
    return 0;
}

static int rebuild_session(struct repair *r, struct one *s)
{
    int rc;

    find_id(r, s);
    rc = take_facts(r, s);
    if (rc == 0 && s->kept > 0)
        rc = finish(r, s);
    if (s->why[0] != '\0' || s->row == NULL)
        map_put(r->cut, buf_str(&s->id), r);
    if (rc == -ERR_REFUSED) { /* a session of this name is there already: the newer one */
        stop_at(s, r->err->text);
        s->kept = 0;
        s->next = 0;
        s->was_ended = false;
        rc = 0;
    }
    if (rc == 0)
        rc = report(r, s);
    buf_done(&s->id);
    return rc;
}

/* ---- all sessions ---- */

/* From the newest down: where two have the same name, the older one was erased. */
static int rebuild_sessions(struct repair *r)
{
    struct salvage *s = &r->salvage;
    size_t end = s->n_facts, row = s->n_sessions;
    int rc = 0;

    while (rc == 0 && (end > 0 || row > 0)) {
        int64_t of_facts = end > 0 ? s->facts[end - 1].sid : INT64_MIN;
        int64_t of_row = row > 0 ? s->sessions[row - 1].sid : INT64_MIN;
        struct one one = {.sid = of_facts > of_row ? of_facts : of_row};
        size_t begin = end;

        while (begin > 0 && s->facts[begin - 1].sid == one.sid)
            begin--;
        if (row > 0 && of_row == one.sid)
            one.row = &s->sessions[--row];
        one.facts = s->facts + begin;
        one.n = end - begin;
        end = begin;
        rc = rebuild_session(r, &one);
    }
    return rc;
}

/* They are facts of nobody: what was sent and not received yet. */
static int put_letters(struct repair *r)
{
    static const char sql[] = "INSERT OR IGNORE INTO letter(ord, id, dst, src, body)"
                              " SELECT ?1, ?2, ?3, sid, ?5 FROM session WHERE sid = ?4";
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < r->salvage.n_letters; i++) {
        const struct salvaged_letter *l = &r->salvage.letters[i];

        rc = db_run(&r->db, sql, VALUES(V_INT(l->ord), V_INT(l->id), V_TEXT(l->dst), V_INT(l->src), V_BLOB(l->body)),
                    r->err);
    }
    return rc;
}

/* Session by session is not the order in which things happened: the feed begins anew, above every number it has had. */
static int put_feed(struct repair *r)
{
    uint64_t newest = 0;
    int rc = feed_newest(&r->db, &newest, r->err);

    if (newest < r->salvage.newest_place)
        newest = r->salvage.newest_place;
    return rc < 0 ? rc : feed_put_mark(&r->db, newest + 1, r->now, r->err);
}

/* Of sessions that are as they were. What a reply tells of must be there: its request would not be done again. */
static int put_receipt(struct repair *r, const struct salvaged_receipt *s)
{
    static const char sql[] = "INSERT OR IGNORE INTO receipt(session, key, fingerprint, at, crc, reply)"
                              " SELECT ?1, ?2, ?3, ?4, ?5, ?6 FROM session WHERE id = ?1 AND last_seq >= ?7";
    const struct receipt *kept = &s->receipt;
    struct arena scratch;
    struct reply reply;
    int rc = 0;

    arena_init(&scratch);
    if (map_find(r->cut, s->session) == NULL && reply_read(kept->reply, &scratch, &reply, r->err) == 0)
        rc = db_run(&r->db, sql,
                    VALUES(V_TEXT(s->session), V_TEXT(kept->key), V_TEXT(kept->fingerprint), V_INT(kept->at),
                           V_INT(receipt_crc(s->session, kept)), V_TEXT(kept->reply), V_INT(reply.seq)),
                    r->err);
    arena_done(&scratch);
    return rc;
}

static int put_receipts(struct repair *r)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < r->salvage.n_receipts; i++)
        rc = put_receipt(r, &r->salvage.receipts[i]);
    return rc;
}

static int rebuild(struct repair *r, const char *draft)
{
    static const char begin[] = "BEGIN", commit[] = "COMMIT";
    int (*const parts[])(struct repair *) = {put_lives, rebuild_sessions, put_letters, put_receipts, put_feed};
    int rc = db_open(&r->db, draft, DB_DRAFT, r->err);

    if (rc < 0)
        return rc;
    rc = schema_make(&r->db, r->err);
    if (rc == 0)
        rc = db_run(&r->db, begin, NO_VALUES, r->err);
    r->replay = replay_new(&r->db, false);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(parts); i++)
        rc = parts[i](r);
    if (rc == 0)
        rc = db_run(&r->db, commit, NO_VALUES, r->err);
    replay_free(r->replay);
    db_close(&r->db);
    return rc;
}

/* ---- files ---- */

static int make_files(struct repair *r, const char *to)
{
    struct new_file file;
    int rc = new_file_begin(&file, to, r->err);

    if (rc < 0)
        return rc;
    rc = rebuild(r, file.draft);
    if (rc == 0)
        rc = lost_file_publish(&r->lost, r->err);
    if (rc == 0)
        rc = new_file_publish(&file, r->err);
    new_file_done(&file);
    return rc;
}

static int salvage_and_make(struct repair *r, const char *from, const char *to)
{
    CLEANUP(buf_done) struct buf lost = BUF_INIT;
    int rc;

    buf_addf(&lost, "%s.lost.jsonl", to);
    rc = lost_file_begin(&r->lost, lost.p, r->err);
    if (rc < 0)
        return rc;
    rc = salvage_open(&r->salvage, from, r->o->progress, r->o->arg, r->err);
    if (rc == 0) {
        r->report->lost_commits = r->salvage.pages.log.lost_commits;
        rc = make_files(r, to);
        salvage_close(&r->salvage);
    }
    r->report->has_lost_file = r->report->lost > 0;
    lost_file_done(&r->lost);
    return rc;
}

int store_repair(const char *data_dir, const char *to, const struct repair_options *o, struct repair_report *out,
                 struct err *err)
{
    struct repair r = {.o = o, .report = out, .err = err, .now = clock_wall_ms()};
    struct data_dir dir;
    int rc;

    *out = (struct repair_report){0};
    r.cut = map_new();
    data_dir_init(&dir, data_dir);
    rc = data_dir_hold(&dir, err);
    if (rc == 0)
        rc = salvage_and_make(&r, dir.db_path, to);
    data_dir_done(&dir);
    map_free(r.cut);
    return rc;
}
