/* SPDX-License-Identifier: MIT */
#include "model/provider_error.h"

#include "base/str.h"
#include "base/utf8.h"

#include <time.h>

#define QUOTE_BYTES 160

struct code_row {
    const char *code;
    enum failure failure;
};

/* These say more than the HTTP status they come with. */
static const struct code_row telling_codes[] = {
    {"context_length_exceeded", FAILURE_OVERFLOW}, {"exceed_context_size_error", FAILURE_OVERFLOW}, /* llama.cpp */
    {"insufficient_quota", FAILURE_AUTH}, /* comes as 429, but no waiting helps */
    {"model_not_found", FAILURE_NO_MODEL},         {"content_filter", FAILURE_FILTER},
    {"content_policy_violation", FAILURE_FILTER},
};

/* Inside a stream there is no status; these stand for one. */
static const struct code_row status_codes[] = {
    {"invalid_api_key", FAILURE_AUTH},
    {"authentication_error", FAILURE_AUTH},
    {"permission_error", FAILURE_AUTH},
    {"rate_limit_exceeded", FAILURE_RATE_LIMIT},
    {"rate_limit_error", FAILURE_RATE_LIMIT},
    {"tokens", FAILURE_RATE_LIMIT},   /* type of OpenAI's limit of tokens per minute */
    {"requests", FAILURE_RATE_LIMIT}, /* and of requests per minute */
    {"invalid_request_error", FAILURE_REQUEST},
    {"BadRequestError", FAILURE_REQUEST}, /* vLLM */
    {"not_found_error", FAILURE_NO_MODEL},
    {"timeout", FAILURE_TIMEOUT},
    {"timeout_error", FAILURE_TIMEOUT},
};

static bool find_code(const struct code_row *rows, size_t n, struct str code, enum failure *out)
{
    for (size_t i = 0; i < n; i++) {
        if (str_is(code, rows[i].code)) {
            *out = rows[i].failure;
            return true;
        }
    }
    return false;
}

static enum failure failure_of_status(int status)
{
    switch (status) {
    case 401:
    case 402: /* no balance left at OpenRouter, DeepSeek and others */
    case 403:
        return FAILURE_AUTH;
    case 404:
        return FAILURE_NO_MODEL;
    case 408:
        return FAILURE_TIMEOUT;
    case 409:
    case 425:
    case 429:
        return FAILURE_RATE_LIMIT;
    case 413:
        return FAILURE_OVERFLOW;
    default:
        break;
    }
    if (status >= 300 && status < 400)
        return FAILURE_CONFIG;
    return status >= 400 && status < 500 ? FAILURE_REQUEST : FAILURE_SERVER;
}

enum failure provider_error_failure(const struct provider_error *e)
{
    enum failure failure;

    if (find_code(telling_codes, ARRAY_LEN(telling_codes), e->code, &failure) ||
        find_code(telling_codes, ARRAY_LEN(telling_codes), e->type, &failure))
        return failure;
    if (e->status != 0)
        return failure_of_status(e->status);
    if (find_code(status_codes, ARRAY_LEN(status_codes), e->code, &failure) ||
        find_code(status_codes, ARRAY_LEN(status_codes), e->type, &failure))
        return failure;
    return FAILURE_SERVER;
}

const char *provider_error_remedy(const struct provider_error *e)
{
    switch (provider_error_failure(e)) {
    case FAILURE_AUTH:
        if (e->status == 402 || str_is(e->code, "insufficient_quota") || str_is(e->type, "insufficient_quota"))
            return "the account has no credit left: check its plan";
        return "check the API key";
    case FAILURE_NO_MODEL:
        return "check the model name and the base URL";
    case FAILURE_OVERFLOW:
        return "the conversation is longer than the model can read";
    case FAILURE_CONFIG:
        return "it redirects: give its final address as the base URL";
    case FAILURE_RATE_LIMIT:
        return "too many requests: wait, or raise the limit";
    case FAILURE_FILTER:
        return "its content filter refused";
    case FAILURE_REQUEST:
        return "it refused the request";
    default:
        return "the provider has a problem";
    }
}

/* A status as a number or as digits in a string; other texts are no status. */
static int status_in(const struct json *node)
{
    int64_t n = json_number(node, 0);

    if (node != NULL && node->type == JSON_STRING && !str_to_i64(node->text, &n))
        return 0;
    return n >= 300 && n <= 599 ? (int)n : 0;
}

bool provider_error_find(const struct json *root, struct provider_error *out)
{
    const struct json *e;

    if (root != NULL && root->type == JSON_ARRAY)
        root = root->first;
    e = json_find(root, "error");
    if ((e == NULL || e->type == JSON_NULL) && str_is(json_text(json_find(root, "object")), "error"))
        e = root;
    if (e == NULL || (e->type != JSON_OBJECT && e->type != JSON_STRING))
        return false;
    if (e->type == JSON_STRING) {
        out->message = e->text;
        return true;
    }
    out->message = json_text(json_find(e, "message"));
    out->code = json_text(json_find(e, "code"));
    out->type = json_text(json_find(e, "type"));
    if (out->status == 0)
        out->status = status_in(json_find(e, "status"));
    if (out->status == 0)
        out->status = status_in(json_find(e, "code"));
    return true;
}

/* Adds one character or its escape: C0, DEL and C1 (in UTF-8) would be obeyed by a terminal. Returns its bytes. */
static size_t quote_char(struct str text, size_t i, struct buf *out)
{
    unsigned char c = (unsigned char)text.p[i];

    if (c < 0x20 || c == 0x7f) {
        buf_addf(out, "\\x%02x", c);
        return 1;
    }
    if (c == 0xc2 && (unsigned char)text.p[i + 1] < 0xa0) {
        buf_addf(out, "\\u%04x", (unsigned char)text.p[i + 1]);
        return 2;
    }
    buf_add_char(out, text.p[i]);
    return 1;
}

/* Blots before cutting: the head of a key is a secret too. */
void provider_quote(struct str text, const char *secret, struct buf *out)
{
    CLEANUP(buf_done) struct buf clean = BUF_INIT;
    CLEANUP(buf_done) struct buf quoted = BUF_INIT;
    struct utf8_repair repair = {0};
    struct str key = str_of(secret), shown;

    utf8_repair_add(&repair, text, &clean);
    utf8_repair_end(&repair, &clean);
    text = str_trim(buf_str(&clean));
    for (size_t i = 0; i < text.n && quoted.n <= QUOTE_BYTES;) {
        if (key.n > 0 && str_has_prefix(str_skip(text, i), key)) {
            buf_add_str(&quoted, STR("[key]"));
            i += key.n;
        } else {
            i += quote_char(text, i, &quoted);
        }
    }
    shown = buf_str(&quoted);
    buf_add(out, shown.p, utf8_floor(shown, QUOTE_BYTES));
    if (shown.n > QUOTE_BYTES)
        buf_add_str(out, STR("..."));
}

/* RFC 9110 lets a date be in three forms; only this one may be sent. */
static int64_t date_ms(struct str date)
{
    char text[40];
    struct tm tm = {0};
    const char *end;

    if (!str_copy(text, sizeof(text), date))
        return 0;
    end = strptime(text, "%a, %d %b %Y %H:%M:%S", &tm);
    if (end == NULL || (strcmp(end, " GMT") != 0 && strcmp(end, " UTC") != 0))
        return 0;
    return (int64_t)timegm(&tm) * 1000;
}

/* Decimal digits with a fraction, which some providers send, in units of `unit_ms`. */
static bool decimal_ms(struct str s, int64_t unit_ms, int64_t *out)
{
    struct str whole, fraction = s;
    int64_t n, milli = 0;

    if (!str_next(&fraction, '.', &whole) || !str_to_i64(whole, &n) || n < 0 || n > INT64_MAX / 1000 / unit_ms)
        return false;
    for (size_t i = 0, scale = 100; i < fraction.n; i++, scale /= 10) {
        if (fraction.p[i] < '0' || fraction.p[i] > '9')
            return false;
        milli += (fraction.p[i] - '0') * (int64_t)scale;
    }
    *out = n * unit_ms + milli * unit_ms / 1000;
    return true;
}

int64_t provider_retry_after(struct str after_ms, struct str after, int64_t now_wall_ms)
{
    int64_t ms;

    if (decimal_ms(str_trim(after_ms), 1, &ms) && ms > 0)
        return ms;
    if (decimal_ms(str_trim(after), 1000, &ms))
        return ms;
    ms = date_ms(str_trim(after)) - now_wall_ms;
    return ms > 0 ? ms : 0;
}
