/* SPDX-License-Identifier: MIT */
#include "face/bamboo/requests.h"

#include "base/str.h"

#include <sys/stat.h>

#define TITLE_MAX 1000
#define MODEL_MAX 200
#define PATH_MAX_BYTES 4096
#define CLEANUP_WORD_MAX 64 /* an unknown one is told back */

const char *const effort_names[] = {"", "none", "low", "medium", "high", "xhigh", "max", NULL};
const char *const guidance_names[] = {"after_round", "after_run", NULL};
static const char *const permission_names[] = {"", "default", "bypass", "auto", NULL};

#define FIELD(type_, json_name, member, ...)                                                                           \
    {.name = (json_name), .flags = RECORD_NULLABLE, .offset = offsetof(type_, member), .type = __VA_ARGS__}
#define MODEL_WISH(type_)                                                                                              \
    FIELD(type_, "provider", wish.provider, RECORD_STR, .max = MODEL_MAX),                                             \
        FIELD(type_, "model", wish.model, RECORD_STR, .max = MODEL_MAX),                                               \
        FIELD(type_, "model_ref", wish.model_ref, RECORD_RAW),                                                         \
        FIELD(type_, "reasoning_effort", wish.effort, RECORD_ENUM, .names = effort_names)
#define UNSUPPORTED(type_)                                                                                             \
    FIELD(type_, "images", unsupported.images, RECORD_RAW),                                                            \
        FIELD(type_, "workflow_selection", unsupported.workflow_selection, RECORD_RAW),                                \
        FIELD(type_, "selected_skill_ids", unsupported.selected_skill_ids, RECORD_RAW),                                \
        FIELD(type_, "gold_config", unsupported.gold_config, RECORD_RAW),                                              \
        FIELD(type_, "project_id", unsupported.project_id, RECORD_STR),                                                \
        FIELD(type_, "thinking_mode", unsupported.thinking_mode, RECORD_STR),                                          \
        FIELD(type_, "permission_mode", unsupported.permission_mode, RECORD_ENUM, .names = permission_names)
#define RUN_OPTIONS(type_)                                                                                             \
    FIELD(type_, "client_sync", client_sync, RECORD_OBJECT, .of = &client_sync_record),                                \
        FIELD(type_, "run_budget", budget, RECORD_OBJECT, .of = &run_budget_record),                                   \
        FIELD(type_, "on_busy", on_busy, RECORD_ENUM, .names = busy_names),                                            \
        FIELD(type_, "no_human_approver", no_human_approver, RECORD_BOOL)

static const char *const unpriced_names[] = {"refuse", "allow", NULL};
static const struct record_field run_budget_fields[] = {
    FIELD(struct budget_wish, "max_total_tokens", limits.max_tokens, RECORD_I64, .max = INT64_MAX),
    FIELD(struct budget_wish, "max_rounds", limits.max_rounds, RECORD_U32),
    FIELD(struct budget_wish, "max_tool_calls", limits.max_calls, RECORD_U32),
    FIELD(struct budget_wish, "max_subagents", limits.max_children, RECORD_U32),
    FIELD(struct budget_wish, "max_wall_ms", limits.max_ms, RECORD_I64, .max = INT64_MAX),
    FIELD(struct budget_wish, "max_cost_micros", limits.max_cost, RECORD_I64, .max = INT64_MAX),
    FIELD(struct budget_wish, "unpriced", unpriced, RECORD_ENUM, .names = unpriced_names),
};
static const struct record run_budget_record = {"run_budget", sizeof(struct budget_wish), run_budget_fields,
                                                ARRAY_LEN(run_budget_fields)};

static const struct record_field chat_fields[] = {
    {.name = "message", .type = RECORD_STR, .flags = RECORD_REQUIRED, .offset = offsetof(struct chat_request, message)},
    FIELD(struct chat_request, "session_id", session_id, RECORD_STR),
    FIELD(struct chat_request, "message_id", message_id, RECORD_STR),
    FIELD(struct chat_request, "system_prompt", system_prompt, RECORD_STR),
    FIELD(struct chat_request, "enhance_prompt", enhance_prompt, RECORD_STR),
    FIELD(struct chat_request, "workspace_path", workspace_path, RECORD_STR, .max = PATH_MAX_BYTES),
    FIELD(struct chat_request, "execute", execute, RECORD_BOOL),
    MODEL_WISH(struct chat_request),
    UNSUPPORTED(struct chat_request),
    RUN_OPTIONS(struct chat_request),
};

static const struct record_field execute_fields[] = {
    MODEL_WISH(struct execute_request),
    RUN_OPTIONS(struct execute_request),
};

static const struct record_field create_fields[] = {
    FIELD(struct create_request, "title", title, RECORD_STR, .max = TITLE_MAX),
    FIELD(struct create_request, "budget", budget, RECORD_OBJECT, .of = &run_budget_record),
    FIELD(struct create_request, "system_prompt", system_prompt, RECORD_STR),
    FIELD(struct create_request, "workspace_path", workspace_path, RECORD_STR, .max = PATH_MAX_BYTES),
    MODEL_WISH(struct create_request),
    UNSUPPORTED(struct create_request),
};

static const struct record_field patch_fields[] = {
    FIELD(struct patch_request, "title", title, RECORD_STR, .max = TITLE_MAX),
    FIELD(struct patch_request, "budget", budget, RECORD_OBJECT, .of = &run_budget_record),
    FIELD(struct patch_request, "pinned", pinned, RECORD_BOOL),
    FIELD(struct patch_request, "workspace_path", workspace_path, RECORD_STR, .max = PATH_MAX_BYTES),
    FIELD(struct patch_request, "clear_reasoning_effort", clear_reasoning_effort, RECORD_BOOL),
    FIELD(struct patch_request, "bypass_permissions", bypass_permissions, RECORD_BOOL),
    MODEL_WISH(struct patch_request),
    UNSUPPORTED(struct patch_request),
};

static const struct record_field respond_fields[] = {
    FIELD(struct respond_request, "response", response, RECORD_STR),
    FIELD(struct respond_request, "expected_tool_call_id", expected_tool_call_id, RECORD_STR),
    FIELD(struct respond_request, "question_id", question_id, RECORD_STR),
    FIELD(struct respond_request, "dismiss", dismiss, RECORD_BOOL),
    MODEL_WISH(struct respond_request),
};

static const struct record_field guidance_fields[] = {
    FIELD(struct guidance_request, "id", id, RECORD_STR),
    {.name = "text", .type = RECORD_STR, .flags = RECORD_REQUIRED, .offset = offsetof(struct guidance_request, text)},
    FIELD(struct guidance_request, "mode", mode, RECORD_ENUM, .names = guidance_names),
    FIELD(struct guidance_request, "images", unsupported.images, RECORD_RAW),
};

static const struct record_field message_fields[] = {
    {.name = "content",
     .type = RECORD_STR,
     .flags = RECORD_REQUIRED,
     .offset = offsetof(struct message_request, content)},
};

static const char *const truncate_names[] = {"", "after_last_user", "error_retry", NULL};
static const struct record_field truncate_fields[] = {
    {.name = "mode",
     .type = RECORD_ENUM,
     .flags = RECORD_REQUIRED,
     .offset = offsetof(struct truncate_request, mode),
     .names = truncate_names},
};

static const struct record_field restore_fields[] = {
    {.name = "target_message_id",
     .type = RECORD_STR,
     .flags = RECORD_REQUIRED,
     .offset = offsetof(struct restore_request, target_message_id)},
    FIELD(struct restore_request, "restore_files", restore_files, RECORD_BOOL),
};

static const struct record_field fork_fields[] = {
    FIELD(struct fork_request, "at_seq", at_seq, RECORD_U64),
    FIELD(struct fork_request, "message_id", message_id, RECORD_STR),
};

static const struct record_field cleanup_fields[] = {
    FIELD(struct cleanup_request, "mode", mode, RECORD_STR, .max = CLEANUP_WORD_MAX),
    FIELD(struct cleanup_request, "keep_pinned", keep_pinned, RECORD_BOOL),
};

#define RECORD(name, what)                                                                                             \
    const struct record name##_record = {what, sizeof(struct name##_request), name##_fields, ARRAY_LEN(name##_fields)}
RECORD(chat, "chat request");
RECORD(execute, "execute request");
RECORD(create, "session");
RECORD(patch, "session");
RECORD(respond, "answer");
RECORD(guidance, "guidance");
RECORD(fork, "fork");
RECORD(cleanup, "cleanup");
RECORD(message, "message");
RECORD(truncate, "truncation");
RECORD(restore, "restoration");

struct run_limits budget_wish_limits(const struct budget_wish *w)
{
    struct run_limits limits = w->limits;

    limits.unpriced = w->unpriced != 0;
    return limits;
}

/* ---- the model ---- */

struct model_ref {
    struct str provider, model;
    int effort;
};
static const struct record_field model_ref_fields[] = {
    FIELD(struct model_ref, "provider", provider, RECORD_STR, .max = MODEL_MAX),
    {.name = "model",
     .type = RECORD_STR,
     .flags = RECORD_REQUIRED,
     .offset = offsetof(struct model_ref, model),
     .max = MODEL_MAX},
    FIELD(struct model_ref, "reasoning_effort", effort, RECORD_ENUM, .names = effort_names),
};
static const struct record model_ref_record = {"model_ref", sizeof(struct model_ref), model_ref_fields,
                                               ARRAY_LEN(model_ref_fields)};

/* Clients write these where they mean that none was chosen. */
static struct str or_absent(struct str s)
{
    s = str_trim(s);
    return str_is(s, "unknown") || str_is(s, "default") ? STR_NULL : s;
}

int model_wish_read(const struct model_wish *w, const struct json *body, struct arena *a, struct model_choice *out,
                    struct err *err)
{
    const struct json *node = json_find(body, "model_ref");
    struct model_ref ref = {.provider = w->provider, .model = w->model};
    int rc;

    if (node != NULL && node->type == JSON_STRING) {
        ref = (struct model_ref){.model = node->text};
    } else if (node != NULL && node->type != JSON_NULL) {
        ref = (struct model_ref){.effort = 0};
        rc = record_read(&model_ref_record, node, a, &ref, err);
        if (rc < 0)
            return rc;
    }
    out->provider = or_absent(ref.provider);
    out->ref = or_absent(ref.model);
    out->effort = str_of(effort_names[w->effort != 0 ? w->effort : ref.effort]);
    out->given = out->provider.n > 0 || out->ref.n > 0;
    return 0;
}

/* ---- what cannot be honoured ---- */

bool request_has(const struct json *body, const char *name)
{
    const struct json *node = json_find(body, name);

    return node != NULL && node->type != JSON_NULL;
}

/* There, and not an empty list, object or text. */
static bool says_something(const struct json *body, const char *name)
{
    const struct json *node = json_find(body, name);

    if (node == NULL || node->type == JSON_NULL)
        return false;
    switch (node->type) {
    case JSON_ARRAY:
    case JSON_OBJECT:
        return node->count > 0;
    case JSON_STRING:
        return str_trim(node->text).n > 0;
    default:
        return true;
    }
}

int request_refused(const struct unsupported *u, const struct json *body, struct err *err)
{
    static const char *const names[] = {"images", "workflow_selection", "selected_skill_ids", "gold_config"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (says_something(body, names[i]))
            return err_set(err, ERR_BAD_REQUEST, "%s: not supported by this server; leave it away", names[i]);
    if (u->thinking_mode.n > 0 && !str_is(u->thinking_mode, "standard"))
        return err_set(err, ERR_BAD_REQUEST, "thinking_mode: only \"standard\" is supported");
    if (str_trim(u->project_id).n > 0)
        return err_set(err, ERR_NOT_FOUND, "target Project not found");
    return 0;
}

int workspace_check(struct str path, struct arena *a, struct err *err)
{
    struct str name = arena_str(a, path);
    struct stat st;

    if (path.n == 0 || path.p[0] != '/' || memchr(path.p, '\0', path.n) != NULL)
        return err_set(err, ERR_BAD_REQUEST, "workspace_path: must be a full path");
    if (stat(name.p, &st) != 0 || !S_ISDIR(st.st_mode))
        return err_set(err, ERR_BAD_REQUEST, "workspace_path: is not a directory on this machine");
    return 0;
}

bool etag_parse(struct str text, uint64_t *out)
{
    struct str s = str_trim(text);

    if (str_is(s, "*")) {
        *out = 0;
        return true;
    }
    if (str_has_prefix(s, STR("W/")))
        s = str_skip(s, 2);
    if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
        s = (struct str){s.p + 1, s.n - 2};
    if (!str_to_u64(s, out))
        return false;
    if (*out == 0)
        *out = UINT64_MAX; /* no session has it, and 0 would mean "any" */
    return true;
}

enum cleanup_mode cleanup_mode(struct str word)
{
    static const char *const words[] = {
        [CLEANUP_ALL] = "all", [CLEANUP_EMPTY] = "empty", [CLEANUP_CHILDREN] = "children"};

    for (size_t i = CLEANUP_ALL; i < ARRAY_LEN(words); i++)
        if (str_is(word, words[i]))
            return (enum cleanup_mode)i;
    return CLEANUP_NONE;
}
