/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The document of GET /api/v1/status as lines for people: what the server is and does, a line per
 * provider that was asked, and the runs at work. Made to fit the terminal; whole in a pipe. It
 * keeps the document before only to say what happened since. One thread.
 */
#include "app/terminal.h"
#include "base/json.h"

struct top_view {
    int64_t cpu_ms, uptime_ms; /* of the document before; 0: there was none */
};

/* `where` names the server. Fields that the document lacks are shown as zero. */
void top_view_write(struct top_view *v, const struct json *document, const char *where, const struct terminal *t,
                    struct buf *out);
