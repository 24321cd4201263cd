/* SPDX-License-Identifier: MIT */
#include "app/table.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/str.h"

enum { GAP = 2, SHRUNK_MIN = 8 };

struct table {
    const struct terminal *terminal;
    const struct table_column *columns;
    size_t n;
    struct arena texts;
    struct table_cell *cells; /* row after row */
    size_t n_cells, cap_cells;
    bool has_heading;
};

struct table *table_new(const struct terminal *terminal, const struct table_column *columns, size_t n)
{
    struct table *t = mem_zalloc(sizeof(*t));

    assert(n > 0 && n <= TABLE_COLUMNS_MAX);
    t->terminal = terminal;
    t->columns = columns;
    t->n = n;
    arena_init(&t->texts);
    return t;
}

void table_free(struct table *t)
{
    if (t == NULL)
        return;
    arena_done(&t->texts);
    mem_free(t->cells);
    mem_free(t);
}

void table_add(struct table *t, const struct table_cell *cells)
{
    t->cells = mem_grow(t->cells, &t->cap_cells, t->n_cells + t->n, sizeof(*t->cells));
    for (size_t i = 0; i < t->n; i++) {
        CLEANUP(buf_done) struct buf line = BUF_INIT;

        terminal_flatten(cells[i].text, &line);
        t->cells[t->n_cells++] = (struct table_cell){arena_str(&t->texts, buf_str(&line)), cells[i].style};
    }
}

/* ---- in a pipe ---- */

static void print_plain(const struct table *t, struct buf *out)
{
    for (size_t row = 0; row < t->n_cells; row += t->n) {
        for (size_t i = 0; i < t->n; i++) {
            buf_add_str(out, t->cells[row + i].text);
            buf_add_char(out, i + 1 < t->n ? '\t' : '\n');
        }
    }
}

/* ---- on a terminal ---- */

static size_t natural_widths(const struct table *t, size_t *widths)
{
    size_t sum = 0;

    for (size_t i = 0; i < t->n; i++)
        widths[i] = terminal_cells(str_of(t->columns[i].title));
    for (size_t row = 0; row < t->n_cells; row += t->n) {
        for (size_t i = 0; i < t->n; i++) {
            size_t cells = terminal_cells(t->cells[row + i].text);

            widths[i] = cells > widths[i] ? cells : widths[i];
        }
    }
    for (size_t i = 0; i < t->n; i++)
        sum += widths[i] + (i > 0 ? GAP : 0);
    return sum;
}

/* The widest of those that may gives way first, cell by cell. */
static void shrink(const struct table *t, size_t *widths, size_t sum)
{
    while (sum > t->terminal->width) {
        size_t widest = t->n;

        for (size_t i = 0; i < t->n; i++)
            if (t->columns[i].may_shrink && widths[i] > SHRUNK_MIN && (widest == t->n || widths[i] > widths[widest]))
                widest = i;
        if (widest == t->n)
            return;
        widths[widest]--;
        sum--;
    }
}

static void pad(size_t cells, struct buf *out)
{
    for (size_t i = 0; i < cells; i++)
        buf_add_char(out, ' ');
}

static void print_row(const struct table *t, const struct table_cell *row, const size_t *widths, struct buf *out)
{
    for (size_t i = 0; i < t->n; i++) {
        CLEANUP(buf_done) struct buf text = BUF_INIT;
        size_t cells;

        terminal_cut(row[i].text, widths[i], &text);
        cells = terminal_cells(buf_str(&text));
        pad(i > 0 ? GAP : 0, out);
        if (t->columns[i].is_number)
            pad(widths[i] - cells, out);
        terminal_put(t->terminal, row[i].style, buf_str(&text), out);
        if (!t->columns[i].is_number && i + 1 < t->n)
            pad(widths[i] - cells, out);
    }
    buf_add_char(out, '\n');
}

static void print_aligned(struct table *t, struct buf *out)
{
    struct table_cell heading[TABLE_COLUMNS_MAX];
    size_t widths[TABLE_COLUMNS_MAX];

    shrink(t, widths, natural_widths(t, widths));
    for (size_t i = 0; i < t->n; i++)
        heading[i] = (struct table_cell){str_of(t->columns[i].title), STYLE_BOLD};
    if (!t->has_heading)
        print_row(t, heading, widths, out);
    t->has_heading = true;
    for (size_t i = 0; i < t->n_cells; i += t->n)
        print_row(t, t->cells + i, widths, out);
}

void table_print(struct table *t, struct buf *out)
{
    if (t->n_cells == 0)
        return;
    if (t->terminal->is_terminal)
        print_aligned(t, out);
    else
        print_plain(t, out);
    t->n_cells = 0;
    arena_reset(&t->texts);
}
