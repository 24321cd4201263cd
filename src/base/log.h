/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One structured line per event, for the owner of an operation; library code does not log. An event is named
 * "module.what" and carries typed fields with short names in snake case. The text of users and secrets are never among
 * them. Any thread; no allocation, and no waiting: a line that its reader does not take at once is dropped and counted,
 * and the next line that passes says how many.
 *
 *     LOG_INFO("run.end", log_str("session", id), log_uint("rounds", n));
 */
#include "base/err.h"

/* X(ID, name): what may stand before the dot, each with a level of its own. tools/check_log.py checks the calls. */
#define LOG_MODULES(X)                                                                                                 \
    X(CONFIG, "config")                                                                                                \
    X(HTTP, "http")                                                                                                    \
    X(LOG, "log")                                                                                                      \
    X(LOOP, "loop")                                                                                                    \
    X(MODEL, "model")                                                                                                  \
    X(RUN, "run")                                                                                                      \
    X(SERVER, "server")                                                                                                \
    X(STORE, "store")

enum log_module {
#define X(id, name) LOG_MODULE_##id,
    LOG_MODULES(X)
#undef X
        LOG_MODULE_COUNT
};
extern const char *const log_module_names[]; /* NULL-terminated, as the next two */

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, LOG_LEVEL_COUNT };
extern const char *const log_level_names[];

enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_TEXT, LOG_FORMAT_JSON, LOG_FORMAT_JOURNALD };
extern const char *const log_format_names[];

/* ---- fields ---- */

enum log_type { LOG_TYPE_STR, LOG_TYPE_INT, LOG_TYPE_UINT, LOG_TYPE_BOOL };

struct log_field {
    const char *key; /* NULL: left out */
    enum log_type type;
    union {
        struct str text;
        int64_t number;
        uint64_t count;
        bool truth;
    };
};

#define LOG_MESSAGE "message" /* the key of the sentence for people */

/* Any bytes, repaired and escaped as the format wants; STR_NULL leaves the field out. */
static inline struct log_field log_str(const char *key, struct str value)
{
    return (struct log_field){.key = value.p == NULL ? NULL : key, .type = LOG_TYPE_STR, .text = value};
}

static inline struct log_field log_text(const char *key, const char *value) /* NULL leaves it out */
{
    return log_str(key, value == NULL ? STR_NULL : (struct str){value, strlen(value)});
}

static inline struct log_field log_message(const char *sentence)
{
    return log_text(LOG_MESSAGE, sentence);
}

static inline struct log_field log_int(const char *key, int64_t value)
{
    return (struct log_field){.key = key, .type = LOG_TYPE_INT, .number = value};
}

static inline struct log_field log_uint(const char *key, uint64_t value)
{
    return (struct log_field){.key = key, .type = LOG_TYPE_UINT, .count = value};
}

static inline struct log_field log_bool(const char *key, bool value)
{
    return (struct log_field){.key = key, .type = LOG_TYPE_BOOL, .truth = value};
}

/* ---- writing ---- */

/* Fields are not even made where the event is not wanted. */
#define LOG_AT(level, event, ...)                                                                                      \
    do {                                                                                                               \
        if (log_wants((level), (event)))                                                                               \
            log_write((level), (event), (const struct log_field[]){__VA_ARGS__},                                       \
                      ARRAY_LEN(((const struct log_field[]){__VA_ARGS__})));                                           \
    } while (0)
#define LOG_ERROR(event, ...) LOG_AT(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define LOG_WARN(event, ...) LOG_AT(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define LOG_INFO(event, ...) LOG_AT(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define LOG_DEBUG(event, ...) LOG_AT(LOG_LEVEL_DEBUG, event, __VA_ARGS__)

bool log_wants(enum log_level level, const char *event);
void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n);
uint64_t log_dropped(void); /* lines nobody took */

/* ---- where lines go ---- */

struct log_target {
    enum log_format format; /* AUTO: to the journal where `fd` is its stream, else text */
    int fd;                 /* borrowed */
    const char *journal;    /* the journal's socket, for JOURNALD */
};
#define LOG_TARGET(format_)                                                                                            \
    ((struct log_target){.format = (format_), .fd = 2, .journal = "/run/systemd/journal/socket"})

/* Before other threads log. Until then lines are text on stderr. */
void log_open(const struct log_target *target);
enum log_format log_format(void); /* what it came to; never AUTO */

/* ---- levels ---- */

struct log_levels {
    enum log_level base;
    enum log_level of[LOG_MODULE_COUNT]; /* LOG_LEVEL_COUNT: as `base` */
};

struct log_levels log_levels_all(enum log_level base); /* no module differs */
/* "store=debug". ERR_BAD_REQUEST names the nearest module, or the levels. */
NODISCARD int log_levels_put(struct log_levels *l, struct str item, struct err *err);
void log_set_levels(const struct log_levels *l);
void log_set_level(enum log_level base); /* of all modules */
struct log_levels log_get_levels(void);
