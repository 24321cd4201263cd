/* SPDX-License-Identifier: MIT */
#include "store/sqlite/project.h"

#include "base/str.h"

typedef int project_fn(struct projection *p, const struct fact *f);

static int end_of_name(struct str name)
{
    int end = str_find_word(run_end_names, name);

    return end < 0 ? END_NONE : end;
}

void project_load(struct projection *p, sqlite3_stmt *st, int column)
{
    p->now = (struct session_counts){
        .active_run = db_u32(st, column),
        .last_run = db_u32(st, column + 1),
        .next_place = db_u32(st, column + 2),
        .message_count = db_u32(st, column + 3),
        .inbox = db_u32(st, column + 4),
        .last_end = end_of_name(db_bytes(st, column + 5)),
        .metadata_version = db_u64(st, column + 6),
        .title_version = db_u64(st, column + 7),
        .budget_seq = db_u64(st, column + 8),
        .updated_at = sqlite3_column_int64(st, column + 9),
        .open_questions = db_u32(st, column + 10),
        .cost = sqlite3_column_int64(st, column + 11),
    };
}

/* ---- transcript ---- */

static int put_message(struct projection *p, uint32_t place, uint64_t seq, struct str id)
{
    static const char sql[] = "INSERT INTO message(sid, place, seq, id) VALUES(?, ?, ?, ?)";

    p->now.message_count++;
    return db_run(p->db, sql, VALUES(V_INT(p->sid), V_INT(place), V_INT(seq), V_TEXT(id)), p->err);
}

/* The oldest `n` of the inbox get their places in the transcript, in the order they were posted. */
static int admit(struct projection *p, uint32_t n)
{
    static const char oldest[] = "SELECT seq, id FROM inbox WHERE sid = ? AND later = 0 ORDER BY seq LIMIT ?";
    static const char remove[] = "DELETE FROM inbox WHERE sid = ? AND later = 0 AND seq <= ?";
    sqlite3_stmt *st = db_query(p->db, oldest, VALUES(V_INT(p->sid), V_INT(n)), p->err);
    uint64_t last = 0;
    uint32_t found = 0;
    int rc = st == NULL ? -(int)p->err->code : 1;

    while (rc > 0 && (rc = db_step(p->db, st, p->err)) > 0) {
        last = db_u64(st, 0);
        found++;
        rc = put_message(p, p->now.next_place++, last, db_bytes(st, 1));
        if (rc < 0)
            db_end(st);
        else
            rc = 1;
    }
    if (rc < 0)
        return rc;
    if (found < n)
        return err_set(p->err, ERR_CORRUPT, "%u messages are admitted, %u are in the inbox", n, found);
    p->now.inbox -= n;
    return db_run(p->db, remove, VALUES(V_INT(p->sid), V_INT(last)), p->err);
}

/* ---- runs ---- */

static int flush_run(struct projection *p)
{
    static const char sql[] =
        "UPDATE run SET rounds = max(rounds, ?), calls = calls + ?, crashes = crashes + ?,"
        " prompt_tokens = prompt_tokens + ?, completion_tokens = completion_tokens + ?,"
        " reasoning_tokens = reasoning_tokens + ?, cached_tokens = cached_tokens + ?, reported = max(reported, ?)"
        " WHERE sid = ? AND number = ?";
    struct run_counts r = p->run;

    if (r.number == 0)
        return 0;
    p->run = (struct run_counts){0};
    return db_run(p->db, sql,
                  VALUES(V_INT(r.rounds), V_INT(r.calls), V_INT(r.crashes), V_INT(r.usage.prompt_tokens),
                         V_INT(r.usage.completion_tokens), V_INT(r.usage.reasoning_tokens),
                         V_INT(r.usage.cached_tokens), V_INT(r.reported), V_INT(p->sid), V_INT(r.number)),
                  p->err);
}

/* Counts of this run: those of another one are written first. */
static int count_for(struct projection *p, uint32_t run)
{
    int rc = p->run.number != 0 && p->run.number != run ? flush_run(p) : 0;

    p->run.number = run;
    return rc;
}

/* ---- one function per kind ---- */

static int project_created(struct projection *p, const struct fact *f)
{
    static const char sql[] =
        "UPDATE session SET title = ?, title_set = ?, provider = ?, model = ?, effort = ?, workspace = ?, parent = ?,"
        " root = ?, child = ?, depth = ?, created_at = ?, source = ?, source_seq = ? WHERE sid = ?";
    int rc =
        db_run(p->db, sql,
               VALUES(V_TEXT(f->title), V_INT(f->title.n > 0), V_TEXT(f->provider), V_TEXT(f->model), V_TEXT(f->effort),
                      V_TEXT(f->workspace), V_TEXT(f->parent), V_TEXT(f->root), V_INT(f->parent.n > 0), V_INT(f->depth),
                      V_INT(f->at), V_TEXT(f->source), V_INT(f->of_seq), V_INT(p->sid)),
               p->err);

    p->now.metadata_version = 1;
    p->now.title_version = 1;
    p->now.updated_at = f->at;
    if (rc == 0 && f->system.n > 0)
        rc = put_message(p, p->now.next_place++, f->seq, f->id);
    return rc;
}

static int project_updated(struct projection *p, const struct fact *f)
{
    static const char title[] = "UPDATE session SET title = ?, title_set = 1 WHERE sid = ?";
    static const char pin[] = "UPDATE session SET pinned = ? WHERE sid = ?";
    static const char model[] = "UPDATE session SET provider = ?, model = ? WHERE sid = ?";
    static const char effort[] = "UPDATE session SET effort = ? WHERE sid = ?";
    int rc = 0;

    p->now.metadata_version++;
    p->now.updated_at = f->at;
    if (f->set_title) {
        p->now.title_version++;
        rc = db_run(p->db, title, VALUES(V_TEXT(f->title), V_INT(p->sid)), p->err);
    }
    if (rc == 0 && f->set_pinned)
        rc = db_run(p->db, pin, VALUES(V_INT(f->pinned), V_INT(p->sid)), p->err);
    if (rc == 0 && f->set_model)
        rc = db_run(p->db, model, VALUES(V_TEXT(f->provider), V_TEXT(f->model), V_INT(p->sid)), p->err);
    if (rc == 0 && f->set_effort)
        rc = db_run(p->db, effort, VALUES(V_TEXT(f->effort), V_INT(p->sid)), p->err);
    return rc;
}

static int project_posted(struct projection *p, const struct fact *f)
{
    static const char sql[] = "INSERT INTO inbox(sid, seq, id, later) VALUES(?, ?, ?, ?)";

    p->now.inbox++;
    p->now.updated_at = f->at;
    return db_run(p->db, sql, VALUES(V_INT(p->sid), V_INT(f->seq), V_TEXT(f->id), V_INT(f->later)), p->err);
}

static int project_withdrawn(struct projection *p, const struct fact *f)
{
    static const char sql[] = "DELETE FROM inbox WHERE sid = ? AND seq = ?";

    p->now.inbox--;
    p->now.updated_at = f->at;
    return db_run(p->db, sql, VALUES(V_INT(p->sid), V_INT(f->of_seq)), p->err);
}

static int project_edited(struct projection *p, const struct fact *f)
{
    static const char sql[] = "UPDATE message SET seq = ? WHERE sid = ? AND place = ?";

    p->now.updated_at = f->at;
    return db_run(p->db, sql, VALUES(V_INT(f->seq), V_INT(p->sid), V_INT(f->place)), p->err);
}

static int project_removed(struct projection *p, const struct fact *f)
{
    static const char sql[] = "DELETE FROM message WHERE sid = ? AND place >= ? AND place < ?";

    p->now.updated_at = f->at;
    p->now.message_count -= f->removed;
    if (f->upto == p->now.next_place)
        p->now.next_place = f->place;
    return db_run(p->db, sql, VALUES(V_INT(p->sid), V_INT(f->place), V_INT(f->upto)), p->err);
}

static int project_imported(struct projection *p, const struct fact *f)
{
    p->now.next_place = f->place + 1;
    return put_message(p, f->place, f->seq, f->id);
}

/* ---- questions ---- */

static int project_asked(struct projection *p, const struct fact *f)
{
    static const char sql[] = "INSERT INTO question(sid, call, seq, at, due) VALUES(?, ?, ?, ?, ?)";

    p->now.open_questions++;
    p->now.updated_at = f->at;
    return db_run(p->db, sql, VALUES(V_INT(p->sid), V_INT(f->call), V_INT(f->seq), V_INT(f->at), V_INT(f->due)),
                  p->err);
}

static int project_closed(struct projection *p, const struct fact *f)
{
    static const char sql[] = "DELETE FROM question WHERE sid = ? AND call = ?";

    p->now.open_questions--;
    p->now.updated_at = f->at;
    return db_run(p->db, sql, VALUES(V_INT(p->sid), V_INT(f->call)), p->err);
}

static int project_run_started(struct projection *p, const struct fact *f)
{
    static const char sql[] = "INSERT INTO run(sid, number, id, status, origin, provider, model, effort, started_at)"
                              " VALUES(?, ?, ?, 'running', ?, ?, ?, ?, ?)";

    p->now.active_run = f->run;
    p->now.last_run = f->run;
    p->now.updated_at = f->at;
    return db_run(p->db, sql,
                  VALUES(V_INT(p->sid), V_INT(f->run), V_TEXT(f->id), V_TEXT(str_of(run_origin_names[f->origin])),
                         V_TEXT(f->provider), V_TEXT(f->model), V_TEXT(f->effort), V_INT(f->at)),
                  p->err);
}

static int project_run_recovered(struct projection *p, const struct fact *f)
{
    int rc = count_for(p, f->run);

    p->partial_is_void = true;
    p->run.crashes += f->charged;
    return rc;
}

static int project_round_started(struct projection *p, const struct fact *f)
{
    int rc = count_for(p, f->run);

    p->partial_is_void = true;
    p->run.rounds = f->round > p->run.rounds ? f->round : p->run.rounds;
    return rc < 0 || f->admitted == 0 ? rc : admit(p, f->admitted);
}

static int project_model_failed(struct projection *p, const struct fact *f)
{
    int rc = count_for(p, f->run);

    p->partial_is_void = true;
    if (f->usage.reported)
        usage_add(&p->run.usage, &f->usage);
    return rc;
}

static int project_assistant(struct projection *p, const struct fact *f)
{
    int rc = count_for(p, f->run);

    p->partial_is_void = true;
    usage_add(&p->run.usage, &f->usage);
    p->run.reported |= f->usage.reported;
    p->now.next_place = f->place + 1 + (uint32_t)f->calls.count; /* room for one result per call */
    return rc < 0 ? rc : put_message(p, f->place, f->seq, f->id);
}

static int project_budget(struct projection *p, const struct fact *f)
{
    p->now.budget_seq = f->seq;
    return 0;
}

static int project_call_started(struct projection *p, const struct fact *f)
{
    int rc = count_for(p, f->run);

    p->run.calls++;
    return rc;
}

static int project_call_ended(struct projection *p, const struct fact *f)
{
    return put_message(p, f->place, f->seq, f->id);
}

/* In one column: why it failed, who stopped it, which limit it met, what it waits for. */
static struct str kind_of_end(const struct fact *f)
{
    if (f->end == END_ERROR)
        return str_of(failure_names[f->failure]);
    return f->end == END_CANCELLED ? f->by : f->reason;
}

static const char *status_of(int end)
{
    switch (end) {
    case END_CANCELLED:
        return "cancelled";
    case END_ERROR:
        return "error";
    default:
        return "completed";
    }
}

static int project_run_ended(struct projection *p, const struct fact *f)
{
    static const char sql[] =
        "UPDATE run SET status = ?, end = ?, failure = ?, error = ?, ended_at = ?, rounds = ?, prompt_tokens = ?,"
        " completion_tokens = ?, reasoning_tokens = ?, cached_tokens = ?, reported = ?, cost = ? WHERE sid = ? AND "
        "number = ?";
    static const char take_later[] = "UPDATE inbox SET later = 0 WHERE sid = ? AND later <> 0";
    const struct usage *u = &f->usage;
    int rc = flush_run(p);

    p->partial_is_void = true;
    p->now.active_run = 0;
    p->now.last_end = f->end;
    p->now.cost = amount_add(p->now.cost, f->cost);
    p->now.updated_at = f->at;
    if (rc == 0 && p->now.inbox > 0)
        rc = db_run(p->db, take_later, VALUES(V_INT(p->sid)), p->err);
    if (rc < 0)
        return rc;
    return db_run(p->db, sql,
                  VALUES(V_TEXT(str_of(status_of(f->end))), V_TEXT(str_of(run_end_names[f->end])),
                         V_TEXT(kind_of_end(f)), V_TEXT(f->text), V_INT(f->at), V_INT(f->rounds),
                         V_INT(u->prompt_tokens), V_INT(u->completion_tokens), V_INT(u->reasoning_tokens),
                         V_INT(u->cached_tokens), V_INT(u->reported), V_INT(f->cost), V_INT(p->sid), V_INT(f->run)),
                  p->err);
}

/* Kinds that are not here leave the tables alone. */
static project_fn *const functions[FACT_KIND_COUNT] = {
    [FACT_SESSION_CREATED] = project_created,
    [FACT_SESSION_UPDATED] = project_updated,
    [FACT_MESSAGE_POSTED] = project_posted,
    [FACT_MESSAGE_WITHDRAWN] = project_withdrawn,
    [FACT_MESSAGE_EDITED] = project_edited,
    [FACT_MESSAGES_REMOVED] = project_removed,
    [FACT_MESSAGE_IMPORTED] = project_imported,
    [FACT_QUESTION_ASKED] = project_asked,
    [FACT_QUESTION_CLOSED] = project_closed,
    [FACT_RUN_STARTED] = project_run_started,
    [FACT_RUN_RECOVERED] = project_run_recovered,
    [FACT_ROUND_STARTED] = project_round_started,
    [FACT_MODEL_FAILED] = project_model_failed,
    [FACT_ASSISTANT] = project_assistant,
    [FACT_BUDGET] = project_budget,
    [FACT_CALL_STARTED] = project_call_started,
    [FACT_CALL_ENDED] = project_call_ended,
    [FACT_RUN_ENDED] = project_run_ended,
};

int project_fact(struct projection *p, const struct fact *f)
{
    return functions[f->kind] == NULL ? 0 : functions[f->kind](p, f);
}

/* ---- the row ---- */

static int write_row(struct projection *p, const struct append *a, uint64_t last_seq)
{
    /* What lists are sorted and filtered by stands in an index: it is written only when it changes. */
    static const char often[] =
        "UPDATE session SET epoch = ?, owner = ?, last_seq = ?, active_run = ?, last_run = ?, last_end = ?,"
        " next_place = ?, message_count = ?, inbox = ?, metadata_version = ?, title_version = ?, budget_seq = ?,"
        " open_questions = ?, cost = ? WHERE sid = ?";
    static const char listed[] = "UPDATE session SET state = ?2, updated_at = ?3, unfinished = ?4 WHERE sid = ?1"
                                 " AND (state <> ?2 OR updated_at <> ?3 OR unfinished <> ?4)";
    const struct session_counts *n = &p->now;
    int rc = db_run(p->db, often,
                    VALUES(V_INT(a->epoch), V_INT(a->owner), V_INT(last_seq), V_INT(n->active_run), V_INT(n->last_run),
                           V_TEXT(str_of(run_end_names[n->last_end])), V_INT(n->next_place), V_INT(n->message_count),
                           V_INT(n->inbox), V_INT(n->metadata_version), V_INT(n->title_version), V_INT(n->budget_seq),
                           V_INT(n->open_questions), V_INT(n->cost), V_INT(p->sid)),
                    p->err);

    return rc < 0 ? rc
                  : db_run(p->db, listed,
                           VALUES(V_INT(p->sid), V_TEXT(str_of(a->state)), V_INT(n->updated_at), V_INT(a->unfinished)),
                           p->err);
}

int project_finish(struct projection *p, const struct append *a, uint64_t last_seq)
{
    static const char drop_partial[] = "DELETE FROM partial WHERE sid = ?";
    int rc = flush_run(p);

    if (rc == 0 && p->partial_is_void)
        rc = db_run(p->db, drop_partial, VALUES(V_INT(p->sid)), p->err);
    return rc < 0 ? rc : write_row(p, a, last_seq);
}
