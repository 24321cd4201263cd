/* SPDX-License-Identifier: MIT */
#include "app/terminal.h"

#include "app/output.h"
#include "base/str.h"

#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

enum { WIDTH_DEFAULT = 80, WIDTH_MIN = 20, WIDTH_MAX = 10000, HEIGHT_MAX = 10000 };

/* ---- what it is ---- */

static size_t width_of(int fd)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size;
    int64_t n;

    if (columns != NULL && str_to_i64(str_of(columns), &n) && n >= WIDTH_MIN && n <= WIDTH_MAX)
        return (size_t)n;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= WIDTH_MIN)
        return size.ws_col;
    return WIDTH_DEFAULT;
}

static size_t height_of(int fd)
{
    const char *lines = getenv("LINES");
    struct winsize size;
    int64_t n;

    if (lines != NULL && str_to_i64(str_of(lines), &n) && n > 0 && n <= HEIGHT_MAX)
        return (size_t)n;
    return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
}

/* https://no-color.org: set and not empty; CLICOLOR=0 is the older word for it. */
static bool may_colour(void)
{
    const char *no = getenv("NO_COLOR"), *cli = getenv("CLICOLOR"), *term = getenv("TERM");

    if (no != NULL && no[0] != '\0')
        return false;
    if (cli != NULL && strcmp(cli, "0") == 0)
        return false;
    return term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
}

struct terminal terminal_of(int fd)
{
    struct terminal t = {.is_terminal = isatty(fd) == 1};

    if (t.is_terminal) {
        t.has_colour = may_colour();
        t.width = width_of(fd);
        t.height = height_of(fd);
    }
    return t;
}

/* ---- colours ---- */

static const char *const codes[] = {
    [STYLE_PLAIN] = "",         [STYLE_BOLD] = "\033[1m",    [STYLE_DIM] = "\033[2m",   [STYLE_RED] = "\033[31m",
    [STYLE_GREEN] = "\033[32m", [STYLE_YELLOW] = "\033[33m", [STYLE_BLUE] = "\033[34m",
};

const char *terminal_begin(const struct terminal *t, enum style style)
{
    return t->has_colour ? codes[style] : "";
}

const char *terminal_end(const struct terminal *t, enum style style)
{
    return t->has_colour && style != STYLE_PLAIN ? "\033[0m" : "";
}

void terminal_put(const struct terminal *t, enum style style, struct str text, struct buf *out)
{
    buf_add_str(out, str_of(terminal_begin(t, style)));
    buf_add_str(out, text);
    buf_add_str(out, str_of(terminal_end(t, style)));
}

/* ---- cells ---- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static locale_t utf8_locale;

/* wcwidth() answers for the thread's locale; the process itself stays in "C". */
static void open_locale(void)
{
    utf8_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

static locale_t enter_utf8(void)
{
    pthread_once(&once, open_locale);
    return utf8_locale == (locale_t)0 ? (locale_t)0 : uselocale(utf8_locale);
}

static void leave_utf8(locale_t before)
{
    if (before != (locale_t)0)
        uselocale(before);
}

static size_t bytes_of(unsigned char first)
{
    return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

static wchar_t character(const char *p, size_t n)
{
    static const unsigned char first_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    unsigned c = (unsigned char)p[0] & first_bits[n];

    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((unsigned char)p[i] & 0x3f);
    return (wchar_t)c;
}

/* Bytes of `text` that take at most `cells`; *taken is how many they take. */
static size_t fitting(struct str text, size_t cells, size_t *taken)
{
    locale_t before = enter_utf8();
    size_t at = 0, used = 0;

    while (at < text.n) {
        size_t n = bytes_of((unsigned char)text.p[at]);
        int width;

        if (n > text.n - at)
            n = text.n - at;
        width = wcwidth(character(text.p + at, n));
        if (width < 0)
            width = 1;
        if ((size_t)width > cells - used)
            break;
        used += (size_t)width;
        at += n;
    }
    leave_utf8(before);
    *taken = used;
    return at;
}

size_t terminal_cells(struct str text)
{
    size_t cells;

    fitting(text, SIZE_MAX, &cells);
    return cells;
}

void terminal_cut(struct str text, size_t cells, struct buf *out)
{
    size_t used, n = fitting(text, cells, &used);

    if (n == text.n) {
        buf_add_str(out, text);
    } else if (cells > 0) {
        n = fitting(text, cells - 1, &used);
        buf_add(out, text.p, n);
        buf_add_str(out, STR("…"));
    }
}

void terminal_flatten(struct str text, struct buf *out)
{
    size_t from = out->n;

    output_escape(text, out);
    for (size_t i = from; i < out->n; i++)
        if (out->p[i] == '\n' || out->p[i] == '\t')
            out->p[i] = ' ';
}
