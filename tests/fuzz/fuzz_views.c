/* SPDX-License-Identifier: MIT */
/*
 * What commands show of what a server tells them, a JSON document a line: events, a question, the status. The first
 * byte says who looks. Whatever the server says, the terminal is only written on, and what is written is UTF-8.
 */
#include "app/question_view.h"
#include "app/tail_view.h"
#include "app/top_view.h"
#include "app/turn_view.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "check.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW INT64_C(1700000000000)

static const struct terminal pipe_end = {0}, narrow = {.is_terminal = true, .width = 40, .height = 12};

static struct loop *loop;
static int written_fd = -1; /* the terminal, or the pipe */

/* Made once: only what is written on it differs from input to input. */
static void make_world(void)
{
    struct err err;

    if (loop != NULL)
        return;
    CHECK(loop_new(&loop, &err) == 0);
    written_fd = memfd_create("culm-fuzz", MFD_CLOEXEC);
    CHECK(written_fd >= 0);
}

static void check_shown(struct str shown)
{
    CHECK(utf8_is_valid(shown));
    for (size_t i = 0; i < shown.n; i++) {
        unsigned char c = (unsigned char)shown.p[i], next = i + 1 < shown.n ? (unsigned char)shown.p[i + 1] : 0xff;

        CHECK((c >= 0x20 || c == '\n' || c == '\t') && c != 0x7f && !(c == 0xc2 && next < 0xa0));
    }
}

static void check_written(void)
{
    off_t n = lseek(written_fd, 0, SEEK_END);
    char *bytes = mem_alloc((size_t)n + 1);

    CHECK(pread(written_fd, bytes, (size_t)n, 0) == n);
    check_shown((struct str){bytes, (size_t)n});
    mem_free(bytes);
    CHECK(ftruncate(written_fd, 0) == 0 && lseek(written_fd, 0, SEEK_SET) == 0);
}

/* ---- who looks ---- */

static void each_event(struct str lines, void (*show)(void *view, const struct json *event, struct str text),
                       void *view)
{
    struct str line;

    while (str_next(&lines, '\n', &line)) {
        struct json *event = NULL;
        struct err err;
        struct arena a;

        arena_init(&a);
        if (json_parse(&a, line, &event, &err) == 0)
            show(view, event, line);
        arena_done(&a);
    }
}

static void show_tail(void *view, const struct json *event, struct str text)
{
    tail_view_event(view, event, text);
}

static void tail(struct str lines, const struct terminal *t, bool is_json)
{
    struct output *out = output_new(loop, written_fd, false, NULL, NULL);
    struct tail_view v;

    tail_view_init(&v, out, t, is_json);
    each_event(lines, show_tail, &v);
    tail_view_finish(&v);
    CHECK(output_is_empty(out));
    output_free(out);
    tail_view_done(&v);
    check_written();
}

/* Nothing that is said on stderr, which is the fuzzer's. */
static void show_turn(void *view, const struct json *event, struct str text)
{
    const struct turn_view *v = view;

    if (v->style != TURN_PLAIN || str_is(json_text(json_find(event, "type")), "token"))
        (void)turn_view_event(view, event, text);
}

static void turn(struct str lines, enum turn_style style)
{
    struct output *out = output_new(loop, written_fd, true, NULL, NULL);
    struct turn_view v;

    turn_view_init(&v, out, style);
    each_event(lines, show_turn, &v);
    turn_view_finish(&v);
    CHECK(output_is_empty(out));
    output_free(out);
    turn_view_done(&v);
    check_written();
}

static void show_question(void *view UNUSED, const struct json *event, struct str text)
{
    CLEANUP(buf_done) struct buf out = BUF_INIT;
    struct question_view q;
    struct err err = {.code = ERR_OK};
    struct str chosen = STR_NULL;

    question_view_init(&q);
    if (question_view_take(&q, event, &err) == 0) {
        question_view_write(&q, &narrow, NOW, &out);
        check_shown(buf_str(&out));
        CHECK((question_view_choose(&q, text, &chosen) == CHOICE_MADE) == (chosen.p != NULL));
    } else {
        CHECK(err.code != ERR_OK);
    }
    question_view_done(&q);
}

static void show_top(void *view, const struct json *document, struct str text UNUSED)
{
    CLEANUP(buf_done) struct buf out = BUF_INIT;

    top_view_write(view, document, "here", &narrow, &out);
    check_shown(buf_str(&out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct top_view top = {0};
    struct str lines;

    if (size == 0)
        return 0;
    make_world();
    lines = (struct str){(const char *)data + 1, size - 1};
    switch (data[0] % 8) {
    case 0:
        tail(lines, &pipe_end, false);
        break;
    case 1:
        tail(lines, &narrow, false);
        break;
    case 2:
        tail(lines, &narrow, true);
        break;
    case 3:
        turn(lines, TURN_JSON);
        break;
    case 4:
        turn(lines, TURN_QUIET);
        break;
    case 5:
        turn(lines, TURN_PLAIN);
        break;
    case 6:
        each_event(lines, show_question, NULL);
        break;
    default:
        each_event(lines, show_top, &top);
        break;
    }
    return 0;
}
