/* SPDX-License-Identifier: MIT */
#pragma once
/* How a command ends, for scripts: X(name, code, what it means). */
#define EXIT_CODES(X)                                                                                                  \
    X(COMPLETED, 0, "it is done")                                                                                      \
    X(ERROR, 1, "it failed, and stderr says why")                                                                      \
    X(USAGE, 2, "the words were wrong")                                                                                \
    X(SETUP, 3, "something must be set up first")                                                                      \
    X(SUSPENDED, 4, "the run waits for the answer to a question")                                                      \
    X(CANCELLED, 130, "it was cancelled, by Ctrl-C or by a stop of the run")

enum exit_code {
#define X(name, code, doc) CODE_##name = (code),
    EXIT_CODES(X)
#undef X
};
