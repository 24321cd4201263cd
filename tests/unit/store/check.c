/* SPDX-License-Identifier: MIT */
#include "store/check.h"

#include "base/buf.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* All of the log, page by page, into one sum. */
static void fold_log(struct driver *d, struct str id, struct session *s)
{
    struct query q = {.kind = QUERY_FACTS, .session_id = id};
    uint64_t epoch = 0;
    bool more = true;

    while (more) {
        struct answer *a = driver_query(d, &q);

        assert_int_equal(a->rc, 0);
        for (uint32_t i = 0; i < a->facts->n; i++) {
            const struct fact *f = &a->facts->items[i];

            assert_int_equal(f->seq, s->seq + 1);
            assert_true(f->epoch >= epoch);
            epoch = f->epoch;
            session_fold(s, f);
        }
        q.after = s->seq;
        more = a->more;
        answer_free(a);
    }
}

uint64_t check_session(struct driver *d, struct str id)
{
    struct opened *o = driver_open(d, id);
    struct session s;

    if (o->rc != 0)
        fail_msg("%s", o->err.text);
    session_init(&s);
    if (o->found) {
        fold_log(d, id, &s);
        assert_memory_equal(&s, &o->session, sizeof(s));
    }
    opened_free(o);
    return s.seq;
}

/* ---- the file ---- */

static void add_line(void *arg, const struct check_finding *f)
{
    if (f->session.n > 0)
        buf_addf(arg, "session " STR_FMT ": ", STR_ARG(f->session));
    buf_addf(arg, STR_FMT "\n", STR_ARG(f->what));
}

int check_findings(const char *path, struct buf *lines, struct err *err)
{
    const struct check_options o = {.found = add_line, .arg = lines};
    struct check_report report;
    int rc = store_check(path, &o, &report, err);

    assert_true(rc < 0 || (report.findings == 0) == (lines->n == 0));
    return rc;
}

void check_place(const struct place *p)
{
    CLEANUP(buf_done) struct buf lines = BUF_INIT;
    struct err err;

    if (check_findings(p->database, &lines, &err) < 0)
        fail_msg("%s", err.text);
    if (lines.n > 0)
        fail_msg("%s", lines.p);
}
