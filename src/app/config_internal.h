/* SPDX-License-Identifier: MIT */
#pragma once
/* Inside the configuration: values by their full names. Only config*.c include it. */
#include "app/config.h"
#include "base/json.h"
#include "base/json_write.h"

struct config_value {
    const struct config_key *key;
    const char *name; /* in full: "providers.openai.driver" */
    enum config_origin origin;
    const char *variable; /* FROM_ENVIRONMENT */
    bool truth;
    int64_t number;
    const char *text;
    const char *const *list;
};

/* Whose keys have a `*` in their names. */
enum config_family { CONFIG_PLAIN, CONFIG_OF_PROVIDER, CONFIG_OF_MODEL, CONFIG_FAMILIES };

struct config_owners {
    const char **names; /* in the order of their arrival */
    size_t n, cap;
};

struct config_section_revision {
    const char *section;
    uint64_t revision;
};

struct config {
    struct arena arena;
    struct config_value *values; /* the plain keys first, in the order of the table (gaps where it has a `*`) */
    size_t n_values, cap_values;
    struct config_owners owners[CONFIG_FAMILIES];
    struct config_section_revision *revisions;
    size_t n_revisions, cap_revisions;
    const char **notices;
    size_t n_notices, cap_notices;
    char *const *environment;
};

struct str config_section_of(struct str name);
enum config_family config_family_of(const struct config_key *key);
/* A provider's name, or PROVIDER/MODEL. */
bool config_owner_is_valid(enum config_family family, struct str owner);
/* The key of a full name, and whose it is; NULL: no such key. */
const struct config_key *config_find_key(struct str name, struct str *owner);
int config_unknown(struct str name, struct err *err); /* names the nearest */

const struct config_value *config_find_value(const struct config *c, struct str name); /* NULL: not set */
/* Makes it where it is missing, with the key's default. */
struct config_value *config_put_value(struct config *c, const struct config_key *key, struct str name,
                                      struct str owner);
void config_drop_value(struct config_value *v); /* back to the default */
/* The default where this owner has none. */
const struct config_value *config_owner_value(const struct config *c, const char *owner, enum config_id id);
void config_notice(struct config *c, const char *fmt, ...) PRINTF(2, 3);
const char *config_variable_value(const struct config *c, const char *name); /* NULL: not set or empty */
void config_set_revision(struct config *c, struct str section, uint64_t revision);

/* From JSON, checked against the key's type and range; null gives the default back. */
NODISCARD int config_take_json(struct config *c, struct config_value *v, const struct json *node, struct err *err);
NODISCARD int config_take_text(struct config *c, struct config_value *v, struct str text, struct err *err);

void config_write_value(struct json_writer *w, const struct config_value *v, bool mask);
/* One JSON object of the values that `wanted` says yes to, and the revisions. */
void config_write_json(const struct config *c, bool (*wanted)(const struct config_value *v, struct str arg),
                       struct str arg, bool mask, struct buf *out);
void json_indent(struct str json, struct buf *out);
