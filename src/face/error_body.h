/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The one form of errors: {"error":{"message","type":"api_error","code"},"request_id"}, further keys
 * beside "error", never inside.
 */
#include "base/json_write.h"

/* Leaves the outer object open for siblings; the caller ends it. Broken UTF-8 in the message is repaired. */
void error_body_begin(struct json_writer *w, struct str message, const char *code, const char *request_id);
void error_body_write(struct buf *out, struct str message, const char *code, const char *request_id);
