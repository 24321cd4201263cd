/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The stand's side of net/http.h: requests made of text instead of bytes from a socket, and replies and streams that
 * are kept to be looked at (stand.h says how).
 */
#include "face/stand.h"

/* "POST /api/v1/chat?x=1", headers "Name: value\n…", body; the body is borrowed. */
struct http_request *stand_request_new(const char *line, const char *headers, const char *body);
void stand_request_free(struct http_request *r);
