/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One line on stderr per event, for the owner of an operation; library code does not log.
 * The text of users never goes through here. Any thread.
 */
#include "base/base.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level);
/* `what` is a dotted event name ("run.end"); the rest is "key=value" text. Control characters are escaped. */
void log_event(enum log_level level, const char *what, const char *fmt, ...) PRINTF(3, 4);
