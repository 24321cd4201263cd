/* SPDX-License-Identifier: MIT */
#pragma once
/* What each command does, one function each; all return the exit code. */
#include "app/command_line.h"
#include "app/config.h"
#include "app/home.h"

int command_main(int argc, char *const *argv); /* argv without the program's name */

int command_serve(const struct command_line *line);
int command_run(const struct command_line *line);
int command_resume(const struct command_line *line);
int command_sessions(const struct command_line *line);
int command_history(const struct command_line *line);
int command_stop(const struct command_line *line);
int command_questions(const struct command_line *line);
int command_answer(const struct command_line *line);
int command_tail(const struct command_line *line);
int command_top(const struct command_line *line);
int command_token(const struct command_line *line);
int command_health(const struct command_line *line);
int command_doctor(const struct command_line *line);
int command_config_show(const struct command_line *line);
int command_config_set(const struct command_line *line);
int command_config_explain(const struct command_line *line);
int command_completions(const struct command_line *line);
int command_db_check(const struct command_line *line);
int command_db_snapshot(const struct command_line *line);
int command_db_repair(const struct command_line *line);
int command_version(const struct command_line *line);
int command_help(const struct command_line *line);

/* ---- what they share ---- */

/* "culm: " and the text, in one line on stderr. Returns `code`, so that a failing command is one statement. */
int command_fail(int code, const char *fmt, ...) PRINTF(2, 3);
/* The file that --config names, else config.json in the data directory. */
void command_config_path(const struct command_line *line, const struct home *home, struct buf *out);
/* File and environment. 0 or an exit code, with the error on stderr. */
int command_read_config(const struct command_line *line, const struct home *home, struct config **out);
/* The same, and the error is the caller's to tell. */
NODISCARD int command_load_config(const struct command_line *line, const struct home *home, struct config **out,
                                  struct err *err);
/* 0, or an exit code with the error on stderr. */
int command_check_session(const char *id);
int command_open_home(const struct command_line *line, struct home *out);
