/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *wire;
    int http;
    bool retry;
} codes[] = {[ERR_OK] = {"ok", 200, false},
#define X(code, wire, http, retry) [ERR_##code] = {wire, http, retry},
             ERR_CODES(X)
#undef X
};

/* The text goes into JSON: a cut in mid-character takes the whole character away. */
static void end_whole(char *text, size_t size)
{
    size_t n = strlen(text);
    size_t lead = n;

    if (n + 1 < size)
        return;
    while (lead > 0 && n - lead < 3 && ((unsigned char)text[lead - 1] & 0xc0) == 0x80)
        lead--;
    if (lead > 0 && (unsigned char)text[lead - 1] >= 0xc0) {
        unsigned char c = (unsigned char)text[lead - 1];
        size_t whole = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;

        if (n - (lead - 1) < whole)
            text[lead - 1] = '\0';
    }
}

int err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
    if (err != NULL) {
        va_list args;

        err->code = code;
        err->sys = 0;
        va_start(args, fmt);
        vsnprintf(err->text, sizeof(err->text), fmt, args);
        va_end(args);
        end_whole(err->text, sizeof(err->text));
    }
    return -(int)code;
}

int err_sys(struct err *err, enum err_code code, int sys, const char *fmt, ...)
{
    if (err != NULL) {
        va_list args;
        char reason[96];
        size_t used;

        err->code = code;
        err->sys = sys;
        va_start(args, fmt);
        vsnprintf(err->text, sizeof(err->text), fmt, args);
        va_end(args);
        used = strlen(err->text);
        snprintf(err->text + used, sizeof(err->text) - used, ": %s", strerror_r(sys, reason, sizeof(reason)));
        end_whole(err->text, sizeof(err->text));
    }
    return -(int)code;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    struct err inner;
    va_list args;
    size_t used;

    if (err == NULL)
        return -(int)ERR_INTERNAL;
    inner = *err;
    va_start(args, fmt);
    vsnprintf(err->text, sizeof(err->text), fmt, args);
    va_end(args);
    used = strlen(err->text);
    snprintf(err->text + used, sizeof(err->text) - used, ": %s", inner.text);
    end_whole(err->text, sizeof(err->text));
    return -(int)err->code;
}

const char *err_wire_name(enum err_code code)
{
    return codes[code].wire;
}

int err_http_status(enum err_code code)
{
    return codes[code].http;
}

bool err_retry_helps(enum err_code code)
{
    return codes[code].retry;
}
