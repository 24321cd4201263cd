/* SPDX-License-Identifier: MIT */
#include "app/commands.h"
#include "base/fault.h"
#include "base/mem.h"

#include <signal.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    int code;

    mem_init();
    if (!fault_init())
        return 2;
    signal(SIGPIPE, SIG_IGN);
    code = command_main(argc > 0 ? argc - 1 : 0, argv + 1);
    /* What could not be printed was not said: a full disk behind a redirection is no success. */
    if (fflush(stdout) != 0 && code == 0)
        code = 1;
    return code;
}
