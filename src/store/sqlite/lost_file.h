/* SPDX-License-Identifier: MIT */
#pragma once
/* Facts that fit no session any more, one JSON object a line. The file is made with the first of them. */
#include "store/sqlite/fact_row.h"
#include "store/sqlite/new_file.h"

#include <stdio.h>

struct lost_file {
    char *path;
    struct new_file file;
    FILE *stream; /* NULL: nothing was lost so far */
};

/* ERR_CONFLICT: the name is taken. */
NODISCARD int lost_file_begin(struct lost_file *l, const char *path, struct err *err);
NODISCARD int lost_file_add(struct lost_file *l, struct str session, int64_t sid, const struct fact_row *row,
                            bool intact, struct err *err);
NODISCARD int lost_file_publish(struct lost_file *l, struct err *err);
void lost_file_done(struct lost_file *l);
