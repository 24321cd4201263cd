/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The configuration in force: for each key the value of the command line, else of the file, else
 * of the environment, else the default. Built once and then only read; a reload builds a new one.
 * Errors name the key (and for unknown ones the nearest), never a secret's value. Any thread may
 * read; everything handed out lives as long as the configuration.
 */
#include "app/config_table.h"
#include "base/buf.h"
#include "base/err.h"
#include "session/price.h"

struct config;

enum config_origin { CONFIG_FROM_DEFAULT, CONFIG_FROM_ENVIRONMENT, CONFIG_FROM_FILE, CONFIG_FROM_OPTION };

struct config *config_new(void); /* all defaults */
void config_free(struct config *c);

/* Layers, in the order of these calls. `text` is one JSON object. ERR_BAD_REQUEST. */
NODISCARD int config_read_text(struct config *c, struct str text, struct err *err);
/* A file that is not there is empty unless it must exist (ERR_NOT_FOUND). Errors begin with the path. */
NODISCARD int config_read_file(struct config *c, const char *path, bool must_exist, struct err *err);
/*
 * Fills what the file left open; `environment` is NULL-terminated and outlives the configuration. What it cannot use
 * becomes a notice. ERR_BAD_REQUEST: a value that its key does not take.
 */
NODISCARD int config_read_environment(struct config *c, char *const *environment, struct err *err);
/* The value as a person writes it; "null" takes it away. ERR_NOT_FOUND: no such key, ERR_BAD_REQUEST: not its value. */
NODISCARD int config_set(struct config *c, struct str name, struct str value, enum config_origin origin,
                         struct err *err);

/* After the last layer: what does not fit together becomes a notice. */
void config_look_over(struct config *c);

bool config_truth(const struct config *c, enum config_id id);
int64_t config_number(const struct config *c, enum config_id id);
int64_t config_amount(const struct config *c, enum config_id id);          /* micros */
const char *config_text(const struct config *c, enum config_id id);        /* NULL: none */
const char *const *config_list(const struct config *c, enum config_id id); /* NULL-terminated, never NULL */
uint64_t config_revision(const struct config *c, struct str section);      /* 0: never set by `culm config set` */
/* Lines for the person who started this; NULL-terminated. */
const char *const *config_notices(const struct config *c);

struct config_provider {
    const char *name, *driver, *base_url, *api_key; /* NULL: none; env:NAME is resolved */
    const char *const *models;
};
size_t config_provider_count(const struct config *c);
/* ERR_BAD_REQUEST: the variable that holds its key is not set. */
NODISCARD int config_provider(const struct config *c, size_t i, struct config_provider *out, struct err *err);

/* A new reference. Models that have no price for input and output are not in it. */
struct price_list *config_prices(const struct config *c);

/* What every run may use at most. */
struct run_limits config_run_limits(const struct config *c);

/* A secret stands in the file itself, not in a variable that it names. */
bool config_holds_secrets(const struct config *c);

/* First key that differs and that a running server does not take over; NULL: none. */
const char *config_needs_restart(const struct config *before, const struct config *after);

/* Indented JSON of all that is under `name` (empty: everything); secrets as ***. ERR_NOT_FOUND: no such key. */
NODISCARD int config_show(const struct config *c, struct str name, struct buf *out, struct err *err);
/* For people: one key, or all of them. ERR_NOT_FOUND: no such key. */
NODISCARD int config_explain(const struct config *c, struct str name, struct buf *out, struct err *err);
/* docs/configuration.md */
void config_write_markdown(struct buf *out);

/*
 * Changes one value in the file: read, changed, checked and put in place in one step that no other `culm` can share.
 * Raises the revision of the key's section; `expected` is the one the caller has seen, -1: whichever. ERR_CONFLICT:
 * another one, or the file was changed meanwhile.
 */
NODISCARD int config_change_file(const char *path, struct str name, struct str value, int64_t expected,
                                 uint64_t *out_revision, struct err *err);
