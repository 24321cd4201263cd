/* SPDX-License-Identifier: MIT */
#pragma once
/* How a command ends, for scripts. */
enum exit_code {
    CODE_COMPLETED = 0,
    CODE_ERROR = 1,
    CODE_USAGE = 2,
    CODE_SETUP = 3,     /* something must be configured first */
    CODE_SUSPENDED = 4, /* a question is open */
    CODE_CANCELLED = 130,
};
