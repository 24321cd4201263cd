/* SPDX-License-Identifier: MIT */
#include "face/expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

struct stand *st;

int stand_begin(void **state UNUSED)
{
    st = stand_new();
    stand_start(st);
    return 0;
}

int stand_end(void **state UNUSED)
{
    stand_free(st);
    st = NULL;
    return 0;
}

void expect(const struct http_request *r, int status, const char *body)
{
    if (r->status != status || strcmp(stand_body(r), body) != 0)
        fail_msg("%d %s\ninstead of %d %s", r->status, stand_body(r), status, body);
}

void expect_part(const struct http_request *r, int status, const char *part)
{
    if (r->status != status || strstr(stand_body(r), part) == NULL)
        fail_msg("%d %s\ninstead of %d … %s …", r->status, stand_body(r), status, part);
}

void expect_text(const struct http_request *r, const char *part)
{
    if (strstr(stand_body(r), part) == NULL)
        fail_msg("%s\nhas no %s", stand_body(r), part);
}

const char *frames_told(const struct http_request *r, frame_word *word)
{
    static char text[16384];
    const char *at = stand_body(r);
    size_t n = 0;

    text[0] = '\0';
    while (*at != '\0') {
        const char *end = strstr(at, "\n\n");
        char one[64] = "";

        assert_non_null(end);
        word(at, one);
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n > 0 ? " " : "", one);
        assert_true(n < sizeof(text));
        at = end + 2;
    }
    return text;
}

void expect_frames(const struct http_request *r, frame_word *word, const char *wanted)
{
    if (strcmp(frames_told(r, word), wanted) != 0)
        fail_msg("\n  %s\ninstead of\n  %s", frames_told(r, word), wanted);
}
