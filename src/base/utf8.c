/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

#define REPLACEMENT STR("\xef\xbf\xbd") /* U+FFFD */

enum kind { WHOLE, PART, BROKEN };

/* The bytes that may follow `lead` (table 3-7 of the Unicode standard); false: not a lead byte. */
static bool lead_byte(unsigned char lead, size_t *need, unsigned char *low, unsigned char *high)
{
    *low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    *high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (lead < 0x80)
        *need = 1;
    else if (lead >= 0xc2 && lead <= 0xdf)
        *need = 2;
    else if ((lead & 0xf0) == 0xe0)
        *need = 3;
    else if (lead >= 0xf0 && lead <= 0xf4)
        *need = 4;
    else
        return false;
    return true;
}

/* *len: the character, the unfinished part, or the maximal broken part. n is not 0. */
static enum kind next_char(const char *p, size_t n, size_t *len)
{
    unsigned char low, high;
    size_t need;

    *len = 1;
    if (!lead_byte((unsigned char)p[0], &need, &low, &high))
        return BROKEN;
    for (size_t i = 1; i < need; i++, low = 0x80, high = 0xbf) {
        *len = i;
        if (i == n)
            return PART;
        if ((unsigned char)p[i] < low || (unsigned char)p[i] > high)
            return BROKEN;
    }
    *len = need;
    return WHOLE;
}

/* How many bytes at the start are ASCII, by words: nearly all of our text is. */
static size_t ascii_run(const char *p, size_t n)
{
    size_t i = 0;

    for (uint64_t word; i + sizeof(word) <= n; i += sizeof(word)) {
        memcpy(&word, p + i, sizeof(word));
        if ((word & 0x8080808080808080u) != 0)
            break;
    }
    while (i < n && (unsigned char)p[i] < 0x80)
        i++;
    return i;
}

/* Length of the valid text at the start; *kind and *len say what comes behind it. */
static size_t valid_run(struct str s, enum kind *kind, size_t *len)
{
    size_t i = 0;

    *kind = WHOLE;
    *len = 0;
    for (;;) {
        if (i < s.n)
            i += ascii_run(s.p + i, s.n - i);
        if (i >= s.n)
            return i;
        *kind = next_char(s.p + i, s.n - i, len);
        if (*kind != WHOLE)
            return i;
        i += *len;
    }
}

bool utf8_is_valid(struct str s)
{
    enum kind kind;
    size_t len;

    return valid_run(s, &kind, &len) == s.n;
}

size_t utf8_floor(struct str s, size_t limit)
{
    if (limit >= s.n)
        return s.n;
    while (limit > 0 && ((unsigned char)s.p[limit] & 0xc0) == 0x80)
        limit--;
    return limit;
}

size_t utf8_next(struct str s, bool *is_whole)
{
    size_t len;

    *is_whole = next_char(s.p, s.n, &len) == WHOLE;
    return len;
}

static void replace(struct utf8_repair *r, struct buf *out)
{
    buf_add_str(out, REPLACEMENT);
    r->repaired = true;
}

static struct str skip(struct str s, size_t n)
{
    return (struct str){s.p + n, s.n - n};
}

/* Completes or gives up the character that an earlier piece began; returns what is left of `piece`. */
static struct str finish_held(struct utf8_repair *r, struct str piece, struct buf *out)
{
    while (r->n > 0 && piece.n > 0) {
        enum kind kind;
        size_t len;

        r->held[r->n++] = piece.p[0];
        kind = next_char(r->held, r->n, &len);
        if (kind == BROKEN) { /* the new byte is not part of it and is looked at afresh */
            r->n = 0;
            replace(r, out);
            break;
        }
        piece = skip(piece, 1);
        if (kind == WHOLE) {
            buf_add(out, r->held, r->n);
            r->n = 0;
        }
    }
    return piece;
}

void utf8_repair_add(struct utf8_repair *r, struct str piece, struct buf *out)
{
    piece = finish_held(r, piece, out);
    while (piece.n > 0) {
        enum kind kind;
        size_t len, run = valid_run(piece, &kind, &len);

        buf_add(out, piece.p, run);
        piece = skip(piece, run);
        if (kind == BROKEN) {
            replace(r, out);
            piece = skip(piece, len);
        } else if (kind == PART) {
            memcpy(r->held, piece.p, len);
            r->n = (uint8_t)len;
            return;
        }
    }
}

void utf8_repair_end(struct utf8_repair *r, struct buf *out)
{
    if (r->n > 0)
        replace(r, out);
    r->n = 0;
}

void utf8_add_line(struct str bytes, struct buf *out)
{
    struct utf8_repair repair = {0};
    size_t at = out->n;

    utf8_repair_add(&repair, bytes, out);
    utf8_repair_end(&repair, out);
    for (; at < out->n; at++)
        if ((unsigned char)out->p[at] < 0x20 || out->p[at] == 0x7f)
            out->p[at] = ' ';
}
