/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One turn, from the command line: posts a prompt (or takes up a session, or answers what it asks) and
 * follows the run to its end. What the run asks is asked on the terminal, where there is one. The server is the one
 * that works in the data directory, or the one named by a URL; where there is none, one is opened in this process, and
 * talked to over its socket like any other. When that server goes (another command was it), this one takes its place.
 */
#include "app/config.h"
#include "app/home.h"
#include "app/turn_view.h"
#include "session/types.h"

struct turn_options {
    struct home *home;
    const struct config *config;
    const char *server, *token; /* NULL: the one in the data directory */
    const char *session;        /* NULL: a new one; to be resumed where there is no prompt */
    const char *model;          /* NULL: the default */
    struct str prompt;          /* or the answer; then without bytes: it is asked for */
    bool resume, answer;        /* instead of posting */
    const char *question;       /* to be answered, by its id or its call's; NULL: the first */
    bool dismiss;               /* it is not to be answered */
    bool asks;                  /* a person is at the terminal */
    struct run_limits limits;   /* of the run that this begins; 0: what the server allows */
    enum turn_style style;
};

int turn_run(const struct turn_options *o); /* the exit code */
