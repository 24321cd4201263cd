/* SPDX-License-Identifier: MIT */
#include "process.h"

#include "base/mem.h"
#include "base/str.h"
#include "fail.h"
#include "now.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ENV_MAX = 256, LINE_MS = 30 * 1000, STOP_MS = 20 * 1000 };

extern char **environ;

/* What would change what is measured. */
static bool is_foreign(struct str variable)
{
    struct str name;

    str_next(&variable, '=', &name);
    return str_has_prefix(name, STR("CULM_")) || str_find(name, STR("_API_KEY")) >= 0 ||
           str_find(name, STR("_BASE_URL")) >= 0 || str_find(name, STR("_proxy")) >= 0;
}

static void make_env(const char *const *more, const char **out)
{
    size_t n = 0;

    for (char **e = environ; *e != NULL && n + 1 < ENV_MAX; e++)
        if (!is_foreign(str_of(*e)))
            out[n++] = *e;
    for (; more != NULL && *more != NULL && n + 1 < ENV_MAX; more++)
        out[n++] = *more;
    out[n] = NULL;
}

NORETURN static void become(const char *const *argv, const char *const *env, int out, const char *log)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (log != NULL) {
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

        if (fd >= 0)
            dup2(fd, STDERR_FILENO);
    }
    dup2(out, STDOUT_FILENO);
    execve(argv[0], (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)env);
    _exit(127);
}

void process_start(struct process *p, const char *name, const char *const *argv, const char *const *env,
                   const char *log)
{
    const char *all_env[ENV_MAX];
    int out[2];

    make_env(env, all_env);
    if (pipe2(out, O_CLOEXEC) != 0)
        fail_sys("pipe");
    p->name = name;
    p->pid = fork();
    if (p->pid < 0)
        fail_sys("fork");
    if (p->pid == 0)
        become(argv, all_env, out[1], log);
    close(out[1]);
    p->out = out[0];
}

void process_read_line(struct process *p, char *line, size_t size)
{
    struct pollfd ready = {.fd = p->out, .events = POLLIN};
    size_t n = 0;

    for (char c = '\0'; c != '\n' && n + 1 < size; n++) {
        if (poll(&ready, 1, LINE_MS) <= 0)
            fail("%s does not say that it is ready", p->name);
        if (read(p->out, &c, 1) != 1)
            fail("%s ended before it was ready", p->name);
        line[n] = c != '\n' ? c : '\0';
    }
    line[n] = '\0';
}

void process_stop(struct process *p)
{
    int64_t until = now_ns() + (int64_t)STOP_MS * 1000000;
    int status;
    pid_t gone;

    if (kill(p->pid, SIGTERM) != 0)
        fail_sys("%s: kill", p->name);
    while ((gone = waitpid(p->pid, &status, WNOHANG)) == 0 && now_ns() < until)
        poll(NULL, 0, 2);
    if (gone != p->pid)
        fail("%s does not stop", p->name);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail("%s ended badly (wait status %d)", p->name, status);
    close(p->out);
    p->pid = 0;
}

/* ---- what the kernel says ---- */

static bool read_file(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

struct cpu_time process_cpu(pid_t pid)
{
    struct cpu_time sum = {0};
    const struct dirent *entry;
    char path[300], text[128];
    DIR *tasks;

    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    tasks = opendir(path);
    if (tasks == NULL)
        fail_sys("%s", path);
    while ((entry = readdir(tasks)) != NULL) {
        int64_t ns;

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)pid, entry->d_name);
        if (!read_file(path, text, sizeof(text)))
            fail_sys("%s", path);
        ns = strtoll(text, NULL, 10);
        sum.all_ns += ns;
        if (strtol(entry->d_name, NULL, 10) == pid)
            sum.main_ns = ns;
    }
    closedir(tasks);
    return sum;
}

struct cpu_time cpu_since(struct cpu_time now, struct cpu_time before)
{
    return (struct cpu_time){.all_ns = now.all_ns - before.all_ns, .main_ns = now.main_ns - before.main_ns};
}

static int64_t kilobytes(const char *text, const char *name)
{
    const char *line = strstr(text, name);

    return line == NULL ? 0 : strtoll(line + strlen(name), NULL, 10) * 1024;
}

struct memory_use process_memory(pid_t pid)
{
    char path[64], text[4096];

    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
    if (!read_file(path, text, sizeof(text)))
        fail_sys("%s", path);
    return (struct memory_use){.rss_bytes = kilobytes(text, "\nRss:"),
                               .pss_bytes = kilobytes(text, "\nPss:"),
                               .private_dirty_bytes = kilobytes(text, "\nPrivate_Dirty:")};
}
