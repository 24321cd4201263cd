/* SPDX-License-Identifier: MIT */
/*
 * culm-bench: the figures of a culm binary. `./dev bench` builds and calls it. Prints; asserts nothing about time.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "bench.h"
#include "fail.h"
#include "provider.h"
#include "results.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct group {
    const char *name, *doc;
    void (*run)(struct bench *b);
};

static const struct group groups[] = {
#define X(name, doc) {#name, doc, group_##name},
    GROUPS(X)
#undef X
};

struct options {
    const char *culm, *dir, *results, *commit;
    bool quick, json, dirty, help, chosen[ARRAY_LEN(groups)];
    bool some; /* groups were named */
};

static void usage(FILE *out)
{
    fprintf(out, "usage: culm-bench --culm FILE --dir DIR [OPTION…] [GROUP…]\n"
                 "       culm-bench compare [A B]    two results side by side (A and the newest; the newest two)\n"
                 "       culm-bench provider         the stand-in for a provider, alone\n\n"
                 "  --culm FILE      the binary to measure\n"
                 "  --dir DIR        where data directories are made (a real disk)\n"
                 "  --results DIR    where a full run leaves its results, and compare finds them\n"
                 "  --commit NAME    of the binary, for the results\n"
                 "  --dirty          it has changes that are in no commit\n"
                 "  --quick          small counts: shows that everything works, measures nothing\n"
                 "  --json           print JSON instead of the table\n\ngroups:\n");
    for (size_t i = 0; i < ARRAY_LEN(groups); i++)
        fprintf(out, "  %-16s %s\n", groups[i].name, groups[i].doc);
}

/* ---- options ---- */

static bool take_group(struct options *o, const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        if (strcmp(groups[i].name, word) != 0)
            continue;
        o->chosen[i] = o->some = true;
        return true;
    }
    return false;
}

/* How many words it took; 0: not one of ours. */
static int take_option(struct options *o, char *const *words)
{
    const struct {
        const char *name;
        bool *flag;
        const char **value;
    } all[] = {
        {"--culm", NULL, &o->culm},     {"--dir", NULL, &o->dir},     {"--results", NULL, &o->results},
        {"--commit", NULL, &o->commit}, {"--dirty", &o->dirty, NULL}, {"--quick", &o->quick, NULL},
        {"--json", &o->json, NULL},     {"--help", &o->help, NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (strcmp(all[i].name, words[0]) != 0)
            continue;
        if (all[i].flag != NULL) {
            *all[i].flag = true;
            return 1;
        }
        *all[i].value = words[1];
        return words[1] == NULL ? 0 : 2;
    }
    return 0;
}

/* -1: wrong. `rest` gets what is neither option nor group. */
static int read_options(struct options *o, char *const *words, const char **rest, size_t rest_max)
{
    size_t n = 0;

    while (*words != NULL) {
        int taken = take_option(o, words);

        if (taken == 0 && take_group(o, *words))
            taken = 1;
        if (taken == 0) {
            if (n == rest_max || (*words)[0] == '-') {
                fprintf(stderr, "culm-bench: %s cannot be read\n\n", *words);
                return -1;
            }
            rest[n++] = *words;
            taken = 1;
        }
        words += taken;
    }
    return (int)n;
}

/* ---- a run ---- */

/*
 * One of us at a time: two would measure each other. What an earlier one left behind goes with the next. The lock is
 * ours until we end.
 */
static void take_dir(struct bench *b, const char *parent, struct buf *dir)
{
    int fd;

    if (mkdir(parent, 0700) != 0 && errno != EEXIST)
        fail_sys("%s", parent);
    fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        fail_sys("%s", parent);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        fail_sys("%s: another benchmark is at work there", parent);
    b->dir = parent;
    bench_make_dir(b, "work", dir);
    b->dir = dir->p;
}

static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        fail_sys("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        fail_sys("setrlimit");
}

static void run_groups(struct bench *b, const struct options *o)
{
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        size_t before = figures_count(b->figures);

        if (o->some && !o->chosen[i])
            continue;
        figures_begin_group(b->figures, groups[i].name);
        groups[i].run(b);
        bench_say(b, "%s", "");
        if (!o->json)
            figures_print_from(b->figures, before);
    }
}

static void finish(const struct bench *b, const struct options *o, const struct result_head *head)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT;
    CLEANUP(buf_done) struct buf text = BUF_INIT;

    if (o->json) {
        result_write(head, b->figures, &text);
        printf(STR_FMT, STR_ARG(buf_str(&text)));
    }
    fprintf(stderr, "meanwhile others used %.0f %% of the machine\n", head->others);
    if (o->some || o->quick || o->results == NULL)
        return;
    result_save(head, b->figures, o->results, &path);
    fprintf(stderr, "%s\n", path.p);
}

static void run(const struct options *o)
{
    struct result_head head = {.commit = o->commit, .is_dirty = o->dirty, .is_quick = o->quick, .at = clock_wall_ms()};
    struct bench b = {.culm = o->culm, .quick = o->quick, .shows = isatty(STDERR_FILENO)};
    struct machine_watch watch;
    char self[PATH_MAX] = "";
    CLEANUP(buf_done) struct buf dir = BUF_INIT;

    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        fail_sys("/proc/self/exe");
    if (access(o->culm, X_OK) != 0)
        fail_sys("%s", o->culm);
    machine_read(&head.machine);
    machine_watch_begin(&watch);
    b.self = self;
    take_dir(&b, o->dir, &dir);
    raise_file_limit();
    poller_init(&b.poller);
    b.figures = figures_new();
    run_groups(&b, o);
    head.others = machine_watch_others(&watch);
    finish(&b, o, &head);
    figures_free(b.figures);
    poller_done(&b.poller);
    bench_remove_dir(b.dir);
}

int main(int argc, char **argv)
{
    struct options o = {.dir = NULL, .commit = "", .results = NULL};
    const char *rest[3] = {NULL};
    int n;

    if (argc > 1 && strcmp(argv[1], "provider") == 0)
        provider_main();
    n = read_options(&o, argv + 1, rest, ARRAY_LEN(rest));
    if (n >= 0 && o.help) {
        usage(stdout);
        return 0;
    }
    if (n > 0 && strcmp(rest[0], "compare") == 0) {
        if (o.results == NULL)
            fail("compare: where are the results (--results DIR)?");
        results_compare(o.results, rest[1], rest[2]);
        return 0;
    }
    if (n > 0)
        fprintf(stderr, "culm-bench: there is no group %s\n\n", rest[0]);
    if (n != 0 || o.culm == NULL || o.dir == NULL) {
        usage(stderr);
        return 2;
    }
    run(&o);
    return 0;
}
