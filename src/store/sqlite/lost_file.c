/* SPDX-License-Identifier: MIT */
#include "store/sqlite/lost_file.h"

#include "base/json_write.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"

#include <errno.h>
#include <unistd.h>

int lost_file_begin(struct lost_file *l, const char *path, struct err *err)
{
    *l = (struct lost_file){0};
    if (access(path, F_OK) == 0)
        return err_set(err, ERR_CONFLICT, "%s is there already and is not overwritten; move it away", path);
    l->path = mem_strdup(path);
    return 0;
}

static int open_stream(struct lost_file *l, struct err *err)
{
    int rc;

    if (l->stream != NULL)
        return 0;
    rc = new_file_begin(&l->file, l->path, err);
    if (rc < 0)
        return rc;
    l->stream = fopen(l->file.draft, "we");
    return l->stream != NULL ? 0 : err_sys(err, ERR_IO, errno, "%s", l->path);
}

static void put_clean(struct json_writer *w, const char *key, struct str text)
{
    CLEANUP(buf_done) struct buf clean = BUF_INIT;
    struct utf8_repair repair = {0};

    utf8_repair_add(&repair, text, &clean);
    utf8_repair_end(&repair, &clean);
    json_key_str(w, key, buf_str(&clean));
}

/* As a value where it is one and fits the line, else as text. */
static void put_body(struct json_writer *w, struct str body)
{
    struct arena scratch;
    struct json *node;
    bool is_value;

    arena_init(&scratch);
    is_value = memchr(body.p, '\n', body.n) == NULL && json_parse(&scratch, body, &node, NULL) == 0;
    arena_done(&scratch);
    if (is_value) {
        json_key(w, "body");
        json_put_raw(w, body);
    } else {
        put_clean(w, "body", body);
    }
}

int lost_file_add(struct lost_file *l, struct str session, int64_t sid, const struct fact_row *row, bool intact,
                  struct err *err)
{
    CLEANUP(buf_done) struct buf line = BUF_INIT;
    struct json_writer w = JSON_WRITER(&line);
    int rc = open_stream(l, err);

    if (rc < 0)
        return rc;
    json_begin_object(&w);
    put_clean(&w, "session", session);
    json_key_i64(&w, "sid", sid);
    json_key_u64(&w, "seq", row->seq);
    json_key_u64(&w, "epoch", row->epoch);
    json_key_i64(&w, "at", row->at);
    put_clean(&w, "kind", row->kind);
    json_key_bool(&w, "damaged", !intact);
    put_body(&w, row->body);
    json_end_object(&w);
    buf_add_char(&line, '\n');
    return fwrite(line.p, 1, line.n, l->stream) == line.n ? 0 : err_sys(err, ERR_IO, errno, "%s", l->path);
}

int lost_file_publish(struct lost_file *l, struct err *err)
{
    FILE *stream = l->stream;

    if (stream == NULL)
        return 0;
    l->stream = NULL;
    if (fclose(stream) != 0)
        return err_sys(err, ERR_IO, errno, "%s", l->path);
    return new_file_publish(&l->file, err);
}

void lost_file_done(struct lost_file *l)
{
    if (l->stream != NULL)
        (void)fclose(l->stream); /* an attempt that failed: its draft goes */
    new_file_done(&l->file);
    mem_free(l->path);
    *l = (struct lost_file){0};
}
