/* SPDX-License-Identifier: MIT */
#pragma once
/* The manual page culm(1), made of the tables of commands, options, variables and exit codes. Any thread. */
#include "base/buf.h"

void manual_write(struct buf *out); /* docs/culm.1: roff with the macros of man(7) */
