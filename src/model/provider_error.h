/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a provider says went wrong, from its HTTP status or from an error object in its answer.
 * Typed by status, code and type, which are meant for programs; the message is only quoted.
 */
#include "base/json.h"
#include "session/types.h"

struct provider_error {
    int status;                     /* HTTP; of the answer, or named by the object; 0: none */
    struct str code, type, message; /* may be empty */
};

/*
 * Finds {"error": {…}}, {"error": "text"}, {"object": "error", …} and the list Google wraps around them.
 * Fills what is there and leaves a status that is set alone. Views into the nodes.
 */
bool provider_error_find(const struct json *root, struct provider_error *out);
enum failure provider_error_failure(const struct provider_error *e);
/* What a person can do about it; never NULL. */
const char *provider_error_remedy(const struct provider_error *e);

/* Adds at most 160 bytes of `text`: control characters escaped, UTF-8 repaired, `secret` (NULL: none) blotted out. */
void provider_quote(struct str text, const char *secret, struct buf *out);

/* Milliseconds to wait: `retry-after-ms`, else `retry-after` in seconds or as an HTTP date; 0: nothing usable. */
int64_t provider_retry_after(struct str after_ms, struct str after, int64_t now_wall_ms);
