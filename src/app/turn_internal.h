/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A turn at work, for the two files that carry it out: turn.c posts, follows and ends it,
 * turn_question.c asks the person what the run asks. Loop thread only.
 */
#include "app/client.h"
#include "app/prompt.h"
#include "app/question_view.h"
#include "app/server.h"
#include "app/turn.h"

/* What a run asks, and what is answered. At most one question is in hand; the server knows the others. */
struct turn_question {
    struct question_view view;
    struct prompt *prompt; /* NULL: it is not shown on the terminal */
    struct buf text;       /* the answer */
    bool is_wanted;        /* what is open is to be asked of the server */
    bool is_answered;      /* `text` is to be sent */
    bool is_missed;        /* another was asked meanwhile */
};

struct turn {
    const struct turn_options *o;
    struct loop *loop;
    struct output *out;
    struct turn_view view;
    struct turn_question question;
    struct server *server; /* ours; NULL: another process's */
    struct client *client;
    struct client_stream *stream;
    struct timer *again; /* the next try to reach a server */
    struct timer *bound; /* of a stop; then of the last output */
    int64_t reach_until; /* mono */
    unsigned breaks;
    uint64_t seen_seq, seen_offset; /* when the stream broke last */
    bool is_lasting;                /* the server we spoke to last is one to stay */
    bool looked, posted, was_running, has_question, stopping, ended;
    bool unsure; /* a connection broke: what was sent may have been taken */
    int code;
    char session_id[ID_MAX + 1], run_id[ID_MAX + 1];
    char key_header[ID_TEXT + 32]; /* Idempotency-Key of what is sent, so that it may be sent again */
};

/* ---- turn.c ---- */

void turn_finish(struct turn *t, int code);
void turn_fail(struct turn *t, int code, const char *text);
void turn_watch(struct turn *t); /* from where the view is */
void turn_take_run(struct turn *t, const struct json *body);
void turn_new_key(struct turn *t);
void turn_allow_retries(struct turn *t); /* from now on, for as long as a server may take to be there */
/* True: the reply is no good, and the turn tries again or has ended. */
bool turn_is_trouble(struct turn *t, int status, const struct json *body, const struct err *err);

/* ---- turn_question.c ---- */

void turn_question_init(struct turn *t);
void turn_question_done(struct turn *t);
/* Asks the server what is open, then the person; without a terminal for it the turn ends. */
void turn_question_look(struct turn *t);
/* What was asked of a server that is gone, or was to be told to it, is sent to the new one. True: something was. */
bool turn_question_again(struct turn *t);
bool turn_question_waits(const struct turn *t);                     /* for the server or the person */
void turn_question_event(struct turn *t, const struct json *event); /* somebody else may answer, or time */
void turn_question_leave(struct turn *t);                           /* open, for culm answer */
