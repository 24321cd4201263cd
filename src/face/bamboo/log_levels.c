/* SPDX-License-Identifier: MIT */
/* What the log holds, looked at and changed while the server runs; until it reads its configuration again. */
#include "base/log.h"
#include "base/str.h"
#include "face/bamboo/bamboo.h"
#include "face/bamboo/requests.h"

#define AS_BASE "default"

struct log_levels_request {
    int base;                 /* of log_level_names */
    int of[LOG_MODULE_COUNT]; /* of module_words: 0 is as `base` */
};

static const char *const module_words[] = {AS_BASE, "error", "warn", "info", "debug", NULL};
_Static_assert(ARRAY_LEN(module_words) == LOG_LEVEL_COUNT + 2, "one word for each level, and that for none");

static const struct record_field fields[] = {{.name = AS_BASE,
                                              .type = RECORD_ENUM,
                                              .flags = RECORD_REQUIRED | RECORD_STRICT,
                                              .offset = offsetof(struct log_levels_request, base),
                                              .names = log_level_names},
#define X(id, name_)                                                                                                   \
    {.name = (name_),                                                                                                  \
     .type = RECORD_ENUM,                                                                                              \
     .flags = RECORD_NULLABLE,                                                                                         \
     .offset = offsetof(struct log_levels_request, of) + sizeof(int) * LOG_MODULE_##id,                                \
     .names = module_words},
                                             LOG_MODULES(X)
#undef X
};
const struct record log_levels_record = {"log levels", sizeof(struct log_levels_request), fields, ARRAY_LEN(fields)};

static const char *word_of(enum log_level level)
{
    return level == LOG_LEVEL_COUNT ? AS_BASE : log_level_names[level];
}

void log_levels_get(struct exchange *x)
{
    struct log_levels now = log_get_levels();
    struct buf body CLEANUP(buf_done) = BUF_INIT;
    struct json_writer w = JSON_WRITER(&body);

    json_begin_object(&w);
    json_key_text(&w, AS_BASE, word_of(now.base));
    for (size_t i = 0; i < LOG_MODULE_COUNT; i++)
        json_key_text(&w, log_module_names[i], word_of(now.of[i]));
    json_end_object(&w);
    exchange_send(x, 200, &body);
}

void log_levels_put_all(struct exchange *x)
{
    const struct log_levels_request *q = x->in;
    struct log_levels next = log_levels_all((enum log_level)q->base);
    struct buf differ CLEANUP(buf_done) = BUF_INIT;

    for (size_t i = 0; i < LOG_MODULE_COUNT; i++) {
        if (q->of[i] == 0)
            continue;
        next.of[i] = (enum log_level)(q->of[i] - 1);
        buf_addf(&differ, "%s%s=%s", differ.n > 0 ? " " : "", log_module_names[i], word_of(next.of[i]));
    }
    log_set_levels(&next);
    LOG_WARN("log.levels", log_text("request", http_request_id(x->req)), log_text(AS_BASE, word_of(next.base)),
             log_text("modules", differ.p));
    log_levels_get(x);
}
