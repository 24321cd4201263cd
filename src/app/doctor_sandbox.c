/* SPDX-License-Identifier: MIT */
/*
 * culm doctor: what this machine has to confine programs with. Nothing here stops a server: it matters once tools run
 * commands.
 */
#include "app/doctor.h"
#include "base/str.h"

#include <errno.h>
#include <linux/landlock.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child tries, since there is no way back. 0, or the errno. */
static int try_namespace(void)
{
    int status = 0;
    pid_t child = fork();

    if (child < 0)
        return errno;
    if (child == 0)
        _exit(unshare(CLONE_NEWUSER) == 0 ? 0 : errno & 0x7f);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
}

static void look_at_namespaces(struct doctor *d)
{
    int sys = try_namespace();

    if (sys == 0) {
        doctor_say(d, VERDICT_OK, "sandbox", "user namespaces: programs can be given a world of their own");
        return;
    }
    doctor_say(d, VERDICT_WARN, "sandbox",
               "user namespaces are refused (%s): programs cannot be hidden from your files", strerror(sys));
    doctor_advise(d, "allow them by sysctl (user.max_user_namespaces, kernel.unprivileged_userns_clone, "
                     "kernel.apparmor_restrict_unprivileged_userns), or by the container's settings");
}

static void look_at_bubblewrap(struct doctor *d)
{
    const char *path = getenv("PATH");
    struct str rest = str_of(path == NULL ? "/usr/bin:/bin" : path), dir;

    while (str_next(&rest, ':', &dir)) {
        CLEANUP(buf_done) struct buf name = BUF_INIT;

        buf_addf(&name, STR_FMT "/bwrap", STR_ARG(dir));
        if (access(name.p, X_OK) == 0) {
            doctor_say(d, VERDICT_OK, "sandbox", "bubblewrap is %s", name.p);
            return;
        }
    }
    doctor_say(d, VERDICT_WARN, "sandbox", "bubblewrap is not installed: there is no ready way to confine a program");
    doctor_advise(d, "install the package bubblewrap");
}

static void look_at_landlock(struct doctor *d)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    if (abi > 0) {
        doctor_say(d, VERDICT_OK, "sandbox", "Landlock, ABI %ld: programs can be kept to %s", abi,
                   abi >= 4 ? "some directories and ports" : "some directories");
        return;
    }
    doctor_say(d, VERDICT_WARN, "sandbox", "no Landlock (%s): directories cannot be closed to a program from inside",
               errno == ENOSYS ? "the kernel is too old" : strerror(errno));
    doctor_advise(d, "use a kernel from 5.13 on, with landlock in its list of security modules (lsm=)");
}

static void look_at_seccomp(struct doctor *d)
{
    CLEANUP(buf_done) struct buf actions = BUF_INIT;

    if (doctor_read("/proc/sys/kernel/seccomp/actions_avail", &actions) &&
        str_find(buf_str(&actions), STR("errno")) >= 0) {
        doctor_say(d, VERDICT_OK, "sandbox", "seccomp: system calls can be kept from a program");
        return;
    }
    doctor_say(d, VERDICT_WARN, "sandbox", "no seccomp: system calls cannot be kept from a program");
    doctor_advise(d, "use a kernel with CONFIG_SECCOMP_FILTER");
}

void doctor_sandbox(struct doctor *d)
{
    look_at_namespaces(d);
    look_at_bubblewrap(d);
    look_at_landlock(d);
    look_at_seccomp(d);
}
