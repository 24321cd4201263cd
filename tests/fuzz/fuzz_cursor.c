/* SPDX-License-Identifier: MIT */
/*
 * How a watcher says where it is: lines "Last-Event-ID", after, message_id, offset, follow, deltas, batch_ms (an empty
 * one is absent, "-" is there and empty), then the first and the last number of a log. What is accepted keeps the
 * promises of cursor.h, and said again in its plainest form it means the same.
 */
#include "base/buf.h"
#include "base/id.h"
#include "base/str.h"
#include "check.h"
#include "face/bamboo/requests.h"
#include "face/cursor.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str number_text(uint64_t n, char out[24])
{
    return (struct str){out, (size_t)snprintf(out, 24, "%" PRIu64, n)};
}

static void check_same(const struct watch_wish *a, const struct watch_wish *b)
{
    CHECK(a->at.has_cursor == b->at.has_cursor && a->at.after == b->at.after && a->at.offset == b->at.offset);
    CHECK(str_eq(a->at.message_id, b->at.message_id));
    CHECK(a->follow == b->follow && a->deltas == b->deltas && a->batch_ms == b->batch_ms);
}

static void check_again(const struct watch_wish *wish)
{
    char after[24], offset[24], batch[24];
    struct watch_words plain = {.follow = wish->follow ? STR("1") : STR_NULL,
                                .deltas = wish->deltas ? STR_NULL : STR("0"),
                                .batch_ms = number_text(wish->batch_ms, batch)};
    struct watch_wish again = {.follow = false};
    struct err err;

    if (wish->at.has_cursor)
        plain.after = number_text(wish->at.after, after);
    if (wish->at.message_id.n > 0) {
        plain.message_id = wish->at.message_id;
        plain.offset = number_text(wish->at.offset, offset);
    }
    CHECK(watch_wish_parse(&plain, &again, &err) == 0);
    check_same(wish, &again);
    plain.last_event_id = plain.after; /* the header means the same, and wins */
    plain.after = STR("nonsense");
    if (!wish->at.has_cursor)
        plain.after = STR_NULL;
    CHECK(watch_wish_parse(&plain, &again, &err) == 0);
    check_same(wish, &again);
}

static void check_range(const struct position *at, uint64_t first, uint64_t last)
{
    struct err err = {.code = ERR_OK};
    int rc = cursor_check(at, first, last, &err);

    if (at->has_cursor && at->after > last)
        CHECK(rc == -ERR_BAD_REQUEST);
    else if (at->has_cursor && at->after < first - 1)
        CHECK(rc == -ERR_GONE);
    else
        CHECK(rc == 0);
    CHECK(rc == 0 || err.text[0] != '\0');
}

static struct str next_word(struct str *rest)
{
    struct str word = STR_NULL;

    if (!str_next(rest, '\n', &word) || word.n == 0)
        return STR_NULL;
    return str_is(word, "-") ? STR("") : word;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct watch_words words = {.after = STR_NULL};
    struct str *all[] = {&words.last_event_id, &words.after,  &words.message_id, &words.offset,
                         &words.follow,        &words.deltas, &words.batch_ms};
    struct watch_wish wish = {.batch_ms = 77};
    struct str rest = {(const char *)data, size};
    uint64_t first = 1, last = 100, version;
    struct err err = {.code = ERR_OK};

    if (size > 4096)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        *all[i] = next_word(&rest);
    if (!str_to_u64(next_word(&rest), &first) || first == 0 || first > INT64_MAX)
        first = 1;
    if (!str_to_u64(next_word(&rest), &last) || last < first || last > INT64_MAX)
        last = first;
    if (watch_wish_parse(&words, &wish, &err) == 0) {
        CHECK(wish.batch_ms <= BATCH_MS_MAX);
        CHECK(wish.at.message_id.n == 0 || (wish.at.has_cursor && id_is_valid(wish.at.message_id)));
        CHECK(wish.at.message_id.n > 0 || wish.at.offset == 0);
        check_again(&wish);
        check_range(&wish.at, first, last);
    } else {
        CHECK(err.code == ERR_BAD_REQUEST && err.text[0] != '\0' && wish.batch_ms == 77);
    }
    if (etag_parse(words.last_event_id, &version)) /* the other place where a number comes in a header */
        CHECK(words.last_event_id.n > 0);
    return 0;
}
