/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A model request as the body of POST /chat/completions. The transcript is made valid on the way:
 * every tool call is followed by exactly one result, in the order of the calls, and a result
 * without its call is left out. Equal requests give equal bytes, for the providers' prompt caches.
 */
#include "model/model.h"

/*
 * `official`: the server is OpenAI's own. It wants max_completion_tokens (its reasoning models refuse
 * max_tokens), which most compatible servers do not know; and it pads its chunks unless told not to.
 */
void openai_request_write(const struct model_request *q, bool official, struct buf *out);

/* Whether OpenAI itself is behind this base URL. */
bool openai_is_official(const char *base_url);
/* A base URL without a path gets /v1; one with a path is taken as it is, as OpenAI's own clients do. */
void openai_url(const char *base_url, struct buf *out);
/* The list of its models: a request that costs nothing. */
void openai_models_url(const char *base_url, struct buf *out);
