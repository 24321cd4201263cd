/* SPDX-License-Identifier: MIT */
#pragma once
/* What was measured: a list of named numbers. A name says what and under which load, and is the same in every run. */
#include "base/buf.h"
#include "base/json_write.h"

struct figures;

#define NO_TARGET 0.0

struct figures *figures_new(void);
void figures_free(struct figures *f);
void figures_begin_group(struct figures *f, const char *group); /* of what is added from here on; borrowed */
/* `target`: at most this much is wanted. `unit` is borrowed. */
void figures_add(struct figures *f, double value, const char *unit, double target, const char *name, ...) PRINTF(5, 6);

void figures_print_from(const struct figures *f, size_t first); /* the table, on stdout */
size_t figures_count(const struct figures *f);
void figures_write(const struct figures *f, struct json_writer *w); /* an array */
/* "12.3": as many digits as mean something. */
#define FIGURE_TEXT 32
void figure_text(double value, char out[FIGURE_TEXT]);
