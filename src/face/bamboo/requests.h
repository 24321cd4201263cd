/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The bodies of requests, one struct and one table of fields each. Unknown keys are ignored and
 * null counts as absent, as Bamboo's clients expect. Fields that this server cannot honour yet are
 * read only to be refused where ignoring them would be a lie (request_refused()).
 */
#include "session/input.h"

/* Which model, as the request says it; all of it optional. */
struct model_wish {
    struct str provider, model;
    struct str model_ref; /* raw JSON: "provider/model" or {provider, model, reasoning_effort} */
    int effort;           /* index into effort_names; 0: not said */
};
extern const char *const effort_names[];

/* The wish in one form. Not given: the texts are empty. */
struct model_choice {
    bool given;
    struct str provider, ref, effort;
};
/* `body` is the request the wish was read from. ERR_BAD_REQUEST names the path. */
NODISCARD int model_wish_read(const struct model_wish *w, const struct json *body, struct arena *a,
                              struct model_choice *out, struct err *err);

/* What is read to be refused. */
struct unsupported {
    struct str images, workflow_selection, selected_skill_ids, gold_config; /* raw */
    struct str project_id, thinking_mode;
    int permission_mode;
};

/* What a run, or all runs of a session, may use. */
struct budget_wish {
    struct run_limits limits;
    int unpriced; /* 0: a model without a price is refused where money is limited */
};

struct run_limits budget_wish_limits(const struct budget_wish *w);

struct chat_request {
    struct str message, session_id, message_id, system_prompt, enhance_prompt, workspace_path;
    struct model_wish wish;
    struct unsupported unsupported;
    struct client_sync client_sync;
    struct budget_wish budget;
    int on_busy; /* enum busy */
    bool execute, no_human_approver;
};

struct execute_request {
    struct model_wish wish;
    struct client_sync client_sync;
    struct budget_wish budget;
    int on_busy; /* enum busy */
    bool no_human_approver;
};

struct create_request {
    struct str title, system_prompt, workspace_path;
    struct budget_wish budget;
    struct model_wish wish;
    struct unsupported unsupported;
};

struct patch_request {
    struct str title, workspace_path;
    struct budget_wish budget;
    struct model_wish wish;
    struct unsupported unsupported;
    bool pinned, clear_reasoning_effort, bypass_permissions;
};

struct respond_request {
    struct str response, expected_tool_call_id, question_id;
    struct model_wish wish; /* for the runs from here on */
    bool dismiss;
};

/* A message for a session that is at work. */
enum guidance_mode { GUIDANCE_AFTER_ROUND, GUIDANCE_AFTER_RUN };
extern const char *const guidance_names[];
struct guidance_request {
    struct str id, text;
    struct unsupported unsupported;
    int mode; /* enum guidance_mode */
};

/* Changes of the transcript. */
struct message_request {
    struct str content;
};
enum truncate_mode { TRUNCATE_NOT_SAID, TRUNCATE_AFTER_LAST_USER, TRUNCATE_ERROR_RETRY };
struct truncate_request {
    int mode; /* enum truncate_mode */
};
struct restore_request {
    struct str target_message_id;
    bool restore_files;
};

struct fork_request {
    uint64_t at_seq;
    struct str message_id;
};

enum cleanup_mode { CLEANUP_NONE, CLEANUP_ALL, CLEANUP_EMPTY, CLEANUP_CHILDREN };
struct cleanup_request {
    struct str mode; /* any word: cleanup_mode() */
    bool keep_pinned;
};

extern const struct record fork_record, cleanup_record;
extern const struct record guidance_record, message_record, truncate_record, restore_record;
extern const struct record chat_record, execute_record, create_record, patch_record, respond_record;
extern const struct record log_levels_record; /* log_levels.c */

/* The first field that cannot be honoured: ERR_BAD_REQUEST or ERR_NOT_FOUND with a sentence. */
NODISCARD int request_refused(const struct unsupported *u, const struct json *body, struct err *err);
/* Is there, and not null. */
bool request_has(const struct json *body, const char *name);
/* An existing directory, named by its full path. */
NODISCARD int workspace_check(struct str path, struct arena *a, struct err *err);
/* If-Match: "7", 7, W/"7"; "*" gives 0, which fits every version. False: malformed. */
bool etag_parse(struct str text, uint64_t *out);
/* CLEANUP_NONE: there is no such mode. */
enum cleanup_mode cleanup_mode(struct str word);
