/* SPDX-License-Identifier: MIT */
/*
 * The input is the text of a person's message. A script is found or not, read or refused with a reason, and its text
 * comes in pieces that are the text again, never more of them than were asked for.
 */
#include "base/str.h"
#include "base/utf8.h"
#include "check.h"
#include "model/offline_script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_pieces(struct str text, uint32_t count)
{
    CLEANUP(buf_done) struct buf all = BUF_INIT;
    struct offline_pieces p;
    struct str piece;
    size_t n = 0;

    if (text.n == 0 && count > 1000)
        return; /* filler: only more of the same */
    offline_pieces_init(&p, text, count);
    for (; offline_pieces_next(&p, &piece); n++) {
        CHECK(piece.n > 0 && utf8_is_valid(piece));
        buf_add_str(&all, piece);
    }
    CHECK(text.n == 0 ? n == count : str_eq(buf_str(&all), text));
    CHECK(count == 0 || n <= count);
}

static void check_line(struct str line, size_t number)
{
    struct offline_line out = {0};
    struct err err = {.code = ERR_OK};
    struct arena a;

    arena_init(&a);
    if (offline_script_read(line, number, &a, &out, &err) == 0) {
        const struct offline_tool *tools = out.tools.items;

        CHECK(out.hang >= HANG_NONE && out.hang <= HANG_CHUNK && out.delay_ms >= 0);
        for (size_t i = 0; i < out.tools.count; i++)
            CHECK(utf8_is_valid(tools[i].name));
        check_pieces(out.say, out.tokens);
        check_pieces(out.reason, 0);
    } else {
        CHECK(err.code != ERR_OK && str_has_prefix(str_of(err.text), STR("line ")));
        CHECK(utf8_is_valid(str_of(err.text)));
    }
    arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message m = {.role = ROLE_USER, .text = {(const char *)data, size}};
    struct str line;
    size_t number;

    if (!utf8_is_valid(m.text)) /* what is stored is valid */
        return 0;
    for (uint32_t call = 0; call < 4 && offline_script_find(&m, 1, call, &line, &number); call++) {
        CHECK(number >= 1 && number <= call + 1);
        check_line(line, number);
    }
    return 0;
}
