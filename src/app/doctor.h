/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What `culm doctor` looks at, one function per thing. Each says one or more findings: what it saw,
 * and for all that is not well what to do. Nothing is changed but a file for a moment, to measure the
 * disk; every look is bounded. One thread.
 */
#include "app/command_line.h"
#include "app/config.h"
#include "app/home.h"
#include "app/terminal.h"

enum verdict {
    VERDICT_OK,
    VERDICT_WARN,   /* it works, but not as well as it could, or not for long */
    VERDICT_FAIL,   /* it does not work */
    VERDICT_SET_UP, /* the same, because something was never set */
    VERDICT_COUNT
};

struct doctor {
    const struct command_line *line;
    struct terminal terminal;
    struct home home;
    struct config *config; /* NULL: it cannot be used */
    bool has_server;
    unsigned counts[VERDICT_COUNT];
    /* the finding that is being said */
    const char *check;
    enum verdict verdict;
    struct buf text, remedy;
};

/* Begins a finding of `check`; the one before is printed. */
void doctor_say(struct doctor *d, enum verdict verdict, const char *check, const char *fmt, ...) PRINTF(4, 5);
/* What to do about it; every finding that is not OK has one. */
void doctor_advise(struct doctor *d, const char *fmt, ...) PRINTF(2, 3);

/* doctor_data.c: what is configured and stored */
void doctor_configuration(struct doctor *d); /* fills d->config */
void doctor_data_directory(struct doctor *d);
void doctor_store(struct doctor *d);
/* doctor_server.c */
void doctor_server(struct doctor *d); /* fills d->has_server */
/* doctor_provider.c */
void doctor_providers(struct doctor *d);
/* doctor_machine.c: what the machine gives */
void doctor_disk(struct doctor *d);
void doctor_files(struct doctor *d);
void doctor_memory(struct doctor *d);
void doctor_clock(struct doctor *d);
/* doctor_sandbox.c: what it could confine tools with */
void doctor_sandbox(struct doctor *d);

/* A file of /proc or /sys, at most 64 KiB of it, trimmed; false: it is not there. Replaces. */
bool doctor_read(const char *path, struct buf *out);
/* "1.5 GiB" */
#define DOCTOR_SIZE 24
void doctor_size(uint64_t bytes, char out[DOCTOR_SIZE]);
