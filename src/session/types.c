/* SPDX-License-Identifier: MIT */
#include "session/types.h"

#define NAME(name, wire) wire,
const char *const run_origin_names[] = {RUN_ORIGINS(NAME) NULL};
const char *const run_end_names[] = {RUN_ENDS(NAME) NULL};
const char *const role_names[] = {ROLES(NAME) NULL};
const char *const effect_names[] = {EFFECTS(NAME) NULL};
const char *const call_outcome_names[] = {CALL_OUTCOMES(NAME) NULL};
const char *const closing_names[] = {CLOSINGS(NAME) NULL};
const char *const removal_names[] = {REMOVALS(NAME) NULL};
const char *const stop_reason_names[] = {STOPS(NAME) NULL};
#undef NAME

#define X(name, wire, retry) wire,
const char *const failure_names[] = {FAILURES(X) NULL};
#undef X

bool failure_is_retryable(enum failure f)
{
    static const bool retryable[] = {
#define X(name, wire, retry) retry,
        FAILURES(X)
#undef X
    };

    return retryable[f];
}

#define RECORD(type, label)                                                                                            \
    const struct record type##_record = {label, sizeof(struct type), type##_fields, ARRAY_LEN(type##_fields)}

static const struct record_field usage_fields[] = {
    {.name = "prompt_tokens", .type = RECORD_I64, .offset = offsetof(struct usage, prompt_tokens)},
    {.name = "completion_tokens", .type = RECORD_I64, .offset = offsetof(struct usage, completion_tokens)},
    {.name = "reasoning_tokens", .type = RECORD_I64, .offset = offsetof(struct usage, reasoning_tokens)},
    {.name = "cached_tokens", .type = RECORD_I64, .offset = offsetof(struct usage, cached_tokens)},
    {.name = "reported", .type = RECORD_BOOL, .offset = offsetof(struct usage, reported)},
};
RECORD(usage, "usage");

int64_t amount_add(int64_t a, int64_t b)
{
    int64_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return a < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

int64_t usage_total(const struct usage *u)
{
    int64_t sum = amount_add(u->prompt_tokens, u->completion_tokens);

    return sum < 0 ? 0 : sum;
}

void usage_add(struct usage *sum, const struct usage *more)
{
    sum->prompt_tokens = amount_add(sum->prompt_tokens, more->prompt_tokens);
    sum->completion_tokens = amount_add(sum->completion_tokens, more->completion_tokens);
    sum->reasoning_tokens = amount_add(sum->reasoning_tokens, more->reasoning_tokens);
    sum->cached_tokens = amount_add(sum->cached_tokens, more->cached_tokens);
}

static const struct record_field call_fields[] = {
    {.name = "id", .type = RECORD_STR, .offset = offsetof(struct call, id)},
    {.name = "name", .type = RECORD_STR, .offset = offsetof(struct call, name)},
    {.name = "args", .type = RECORD_STR, .offset = offsetof(struct call, args)},
    {.name = "effect", .type = RECORD_ENUM, .offset = offsetof(struct call, effect), .names = effect_names},
};
RECORD(call, "call");

static const struct record_field run_limits_fields[] = {
    {.name = "max_tokens", .type = RECORD_I64, .offset = offsetof(struct run_limits, max_tokens)},
    {.name = "max_cost", .type = RECORD_I64, .offset = offsetof(struct run_limits, max_cost)},
    {.name = "max_ms", .type = RECORD_I64, .offset = offsetof(struct run_limits, max_ms)},
    {.name = "max_rounds", .type = RECORD_U32, .offset = offsetof(struct run_limits, max_rounds)},
    {.name = "max_calls", .type = RECORD_U32, .offset = offsetof(struct run_limits, max_calls)},
    {.name = "max_children", .type = RECORD_U32, .offset = offsetof(struct run_limits, max_children)},
    {.name = "unpriced", .type = RECORD_BOOL, .offset = offsetof(struct run_limits, unpriced)},
};
RECORD(run_limits, "limits");

#define TOKENS(member) {.name = #member, .type = RECORD_I64, .offset = offsetof(struct budget, member)}
static const struct record_field budget_fields[] = {
    TOKENS(system_tokens),         TOKENS(summary_tokens), TOKENS(window_tokens),   TOKENS(total_tokens),
    TOKENS(max_context_tokens),    TOKENS(budget_limit),   TOKENS(thinking_tokens), TOKENS(cache_read_input_tokens),
    TOKENS(provider_input_tokens), TOKENS(used_tokens),    TOKENS(cost_micros),     TOKENS(reserved_micros),
    TOKENS(limit_micros),
};
#undef TOKENS
RECORD(budget, "budget");
