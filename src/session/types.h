/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The words of a conversation: origins and ends of runs, roles, failures, calls, usage. Each
 * enumeration is one table that gives its wire names; values are stored by name, so their
 * order may change.
 */
#include "base/record.h"

/* X(name, wire name) */
#define RUN_ORIGINS(X)                                                                                                 \
    X(HTTP, "http")                                                                                                    \
    X(ANSWER, "answer")                                                                                                \
    X(SPAWN, "spawn")                                                                                                  \
    X(SCHEDULE, "schedule")                                                                                            \
    X(STOP, "stop")
enum run_origin {
#define X(name, wire) ORIGIN_##name,
    RUN_ORIGINS(X)
#undef X
};
extern const char *const run_origin_names[];

#define RUN_ENDS(X)                                                                                                    \
    X(NONE, "")                                                                                                        \
    X(COMPLETED, "completed")                                                                                          \
    X(SUSPENDED, "suspended")                                                                                          \
    X(CANCELLED, "cancelled")                                                                                          \
    X(ERROR, "error")                                                                                                  \
    X(BUDGET, "budget")
enum run_end {
#define X(name, wire) END_##name,
    RUN_ENDS(X)
#undef X
};
extern const char *const run_end_names[];

#define ROLES(X)                                                                                                       \
    X(SYSTEM, "system")                                                                                                \
    X(USER, "user")                                                                                                    \
    X(ASSISTANT, "assistant")                                                                                          \
    X(TOOL, "tool")
enum role {
#define X(name, wire) ROLE_##name,
    ROLES(X)
#undef X
};
extern const char *const role_names[];

/* Why a model call failed. X(name, wire name, another try may help) */
#define FAILURES(X)                                                                                                    \
    X(NONE, "", false)                                                                                                 \
    X(NETWORK, "network", true)                                                                                        \
    X(TIMEOUT, "timeout", true)                                                                                        \
    X(RATE_LIMIT, "rate_limit", true)                                                                                  \
    X(SERVER, "provider_error", true)                                                                                  \
    X(CUT, "stream_cut", true)                                                                                         \
    X(EMPTY, "empty_answer", true)                                                                                     \
    X(PROTOCOL, "bad_stream", true)                                                                                    \
    X(AUTH, "authentication", false)                                                                                   \
    X(NO_MODEL, "model_not_found", false)                                                                              \
    X(REQUEST, "bad_request", false)                                                                                   \
    X(OVERFLOW, "context_overflow", false)                                                                             \
    X(FILTER, "content_filter", false)                                                                                 \
    X(CONFIG, "configuration", false)                                                                                  \
    X(TOO_BIG, "too_large", false)                                                                                     \
    X(LENGTH, "length_limit", false)     /* the answer was cut by the limit of its length */                           \
    X(NO_PROGRESS, "no_progress", false) /* round after round the same, or nothing that works */                       \
    X(PRICE, "price_unknown", false)     /* a budget of money, and nobody knows what the model costs */                \
    X(CRASH_LOOP, "crash_loop", false)                                                                                 \
    X(INTERNAL, "internal", false)
enum failure {
#define X(name, wire, retry) FAILURE_##name,
    FAILURES(X)
#undef X
};
extern const char *const failure_names[];
bool failure_is_retryable(enum failure f);

/* What running a call twice would do; what a crash in mid-call means follows from it. */
#define EFFECTS(X)                                                                                                     \
    X(UNKNOWN_TOOL, "unknown_tool") /* there is no such tool: refused without running */                               \
    X(READ, "read")                 /* no effect outside: may run again, beside its like */                            \
    X(KEYED, "keyed")               /* repeated under the same key it happens once */                                  \
    X(ASK, "ask")                   /* a question to a person: its answer is the result */                             \
    X(UNSAFE, "unsafe")             /* never run twice */
enum effect_class {
#define X(name, wire) EFFECT_##name,
    EFFECTS(X)
#undef X
};
extern const char *const effect_names[];

#define CALL_OUTCOMES(X)                                                                                               \
    X(OK, "ok")                                                                                                        \
    X(ERROR, "error")                                                                                                  \
    X(NO_TOOL, "no_such_tool")                                                                                         \
    X(DENIED, "denied")                                                                                                \
    X(CANCELLED, "cancelled")                                                                                          \
    X(TIMEOUT, "timeout")                                                                                              \
    X(EXPIRED, "expired") /* nobody answered in time, and there was no default answer */                               \
    X(UNKNOWN, "unknown") /* it may or may not have happened */
enum call_outcome {
#define X(name, wire) OUTCOME_##name,
    CALL_OUTCOMES(X)
#undef X
};
extern const char *const call_outcome_names[];

/* How a question came to its end. */
#define CLOSINGS(X)                                                                                                    \
    X(ANSWERED, "answered")                                                                                            \
    X(DISMISSED, "dismissed") /* the person does not want to answer; the model is told */                              \
    X(EXPIRED, "expired")     /* with its default answer, or without one */                                            \
    X(WITHDRAWN, "withdrawn") /* its run was stopped */
enum closing {
#define X(name, wire) CLOSING_##name,
    CLOSINGS(X)
#undef X
};
extern const char *const closing_names[];

/* Why messages left a transcript. */
#define REMOVALS(X)                                                                                                    \
    X(DELETE, "delete")                                                                                                \
    X(AFTER_LAST_USER, "after_last_user")                                                                              \
    X(ERROR_RETRY, "error_retry") /* the next run tries the same again */                                              \
    X(RESTORE, "restore")                                                                                              \
    X(CLEAR, "clear")
enum removal {
#define X(name, wire) REMOVAL_##name,
    REMOVALS(X)
#undef X
};
extern const char *const removal_names[];

/* Why the model stopped. A stream that ends without saying so is FAILURE_CUT, not one of these. */
#define STOPS(X)                                                                                                       \
    X(END, "stop")                                                                                                     \
    X(CALLS, "tool_calls")                                                                                             \
    X(LENGTH, "length")                                                                                                \
    X(FILTER, "content_filter")
enum stop_reason {
#define X(name, wire) STOP_##name,
    STOPS(X)
#undef X
};
extern const char *const stop_reason_names[];

/* Tokens as the provider counted them; `reported` is false when they are our estimate. */
struct usage {
    int64_t prompt_tokens, completion_tokens, reasoning_tokens, cached_tokens;
    bool reported;
};
extern const struct record usage_record;
/* Sums, of tokens or of money, that stop at the largest number: what is counted comes from others. */
int64_t amount_add(int64_t a, int64_t b);
int64_t usage_total(const struct usage *u);                  /* tokens of either kind, never below zero */
void usage_add(struct usage *sum, const struct usage *more); /* leaves `reported` alone */

/* A tool call as the model wrote it. */
struct call {
    struct str id; /* the provider's, or one of ours where it gave none */
    struct str name;
    struct str args; /* the model's bytes: JSON by promise only */
    int effect;      /* enum effect_class */
};
extern const struct record call_record;

/* What limits one run, or all runs of a session; 0: the default of the limit table, and none for the first three. */
struct run_limits {
    int64_t max_tokens;
    int64_t max_cost; /* micros */
    int64_t max_ms;   /* from its start; of all runs: while one is active */
    uint32_t max_rounds, max_calls;
    uint32_t max_children; /* kept for runs that start others: there are none yet */
    bool unpriced;         /* models without a price are used, although money is limited */
};
extern const struct record run_limits_record;

/* What was used of it. */
struct spent {
    int64_t tokens, cost, ms;
    uint32_t rounds, calls;
};

/* The newest token-budget event of a session (field names are the wire's). */
struct budget {
    int64_t system_tokens, summary_tokens, window_tokens, total_tokens, max_context_tokens, budget_limit;
    int64_t thinking_tokens, cache_read_input_tokens;
    int64_t provider_input_tokens;                      /* 0: the provider has not said yet */
    int64_t used_tokens;                                /* of the run, what is in flight included */
    int64_t cost_micros, reserved_micros, limit_micros; /* money of the run: spent, in flight, allowed (0: no limit) */
};
extern const struct record budget_record;
