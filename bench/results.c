/* SPDX-License-Identifier: MIT */
#include "results.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "fail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 4096, FILE_BYTES_MAX = 1024 * 1024 };

/* ---- writing ---- */

void result_write(const struct result_head *head, const struct figures *f, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);

    json_begin_object(&w);
    json_key_time(&w, "at", head->at);
    json_key_text(&w, "commit", head->commit);
    json_key_bool(&w, "dirty", head->is_dirty);
    json_key_bool(&w, "quick", head->is_quick);
    json_key(&w, "used_by_others_percent");
    json_put_real(&w, round(head->others));
    json_key(&w, "machine");
    machine_write(&head->machine, &w);
    json_key(&w, "figures");
    figures_write(f, &w);
    json_end_object(&w);
    buf_add_char(out, '\n');
}

/* 2026-11-21T07:49:01.123Z becomes 2026-11-21T0749, so that names sort by time. */
static void write_name(const struct result_head *head, const char *dir, struct buf *path)
{
    char at[CLOCK_TEXT];

    clock_text(head->at, at);
    buf_addf(path, "%s/%.13s%.2s-%s.json", dir, at, at + 14, head->commit[0] == '\0' ? "unknown" : head->commit);
}

void result_save(const struct result_head *head, const struct figures *f, const char *dir, struct buf *path)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    FILE *file;

    if (mkdir(dir, 0777) != 0 && errno != EEXIST)
        fail_sys("%s", dir);
    write_name(head, dir, path);
    result_write(head, f, &text);
    file = fopen(path->p, "we");
    if (file == NULL || fwrite(text.p, 1, text.n, file) != text.n || fclose(file) != 0)
        fail_sys("%s", path->p);
}

/* ---- reading ---- */

struct result {
    struct arena arena;
    struct buf text;
    struct json *root;
    char *name;
};

static void result_done(struct result *r)
{
    arena_done(&r->arena);
    buf_done(&r->text);
    mem_free(r->name);
}

static void result_read(const char *path, struct result *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct err err;
    char part[4096];
    ssize_t n;

    if (fd < 0)
        fail_sys("%s", path);
    *out = (struct result){.text = BUF_CAPPED(FILE_BYTES_MAX), .name = mem_strdup(path)};
    while ((n = read(fd, part, sizeof(part))) > 0)
        buf_add(&out->text, part, (size_t)n);
    close(fd);
    arena_init(&out->arena);
    if (json_parse(&out->arena, buf_str(&out->text), &out->root, &err) < 0)
        fail("%s: %s", path, err.text);
}

static int is_result(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);

    return n > 5 && strcmp(entry->d_name + n - 5, ".json") == 0;
}

/* The newest file whose name has `wish` in it, such as its date or commit; NULL: the newest but `skip`. */
static char *find_result(const char *dir, const char *wish, int skip)
{
    struct dirent **entries;
    int n = scandir(dir, &entries, is_result, alphasort);
    CLEANUP(buf_done) struct buf path = BUF_INIT;

    if (wish != NULL && strchr(wish, '/') != NULL)
        return mem_strdup(wish);
    for (int i = n - 1; i >= 0 && path.n == 0; i--) {
        bool fits = wish == NULL ? skip-- == 0 : strstr(entries[i]->d_name, wish) != NULL;

        if (fits)
            buf_addf(&path, "%s/%s", dir, entries[i]->d_name);
    }
    if (path.n == 0)
        fail("there is no result%s%s in %s", wish != NULL ? " " : "", wish != NULL ? wish : " to compare", dir);
    return mem_strdup(path.p);
}

/* ---- side by side ---- */

static const struct json *find_figure(const struct result *r, struct str group, struct str name)
{
    const struct json *figures = json_find(r->root, "figures");

    for (const struct json *f = figures != NULL ? figures->first : NULL; f != NULL; f = f->next)
        if (str_eq(json_text(json_find(f, "group")), group) && str_eq(json_text(json_find(f, "name")), name))
            return f;
    return NULL;
}

static double value_of(const struct json *figure)
{
    const struct json *value = json_find(figure, "value");

    return value == NULL ? 0 : value->real;
}

static void print_pair(const struct json *a, const struct json *b)
{
    char old[FIGURE_TEXT] = "-", new[FIGURE_TEXT] = "-", change[FIGURE_TEXT] = "";
    const struct json *any = b != NULL ? b : a;

    if (a != NULL)
        figure_text(value_of(a), old);
    if (b != NULL)
        figure_text(value_of(b), new);
    if (a != NULL && b != NULL && value_of(a) > 0)
        snprintf(change, sizeof(change), "x %.2f", value_of(b) / value_of(a));
    printf("  %-56.*s %10s %10s %-7.*s %s\n", STR_ARG(json_text(json_find(any, "name"))), old, new,
           STR_ARG(json_text(json_find(any, "unit"))), change);
}

static void print_group_name(struct str *last, const struct json *figure)
{
    struct str group = json_text(json_find(figure, "group"));

    if (!str_eq(*last, group))
        printf("%s" STR_FMT "\n", last->n > 0 ? "\n" : "", STR_ARG(group));
    *last = group;
}

static void print_both(const struct result *a, const struct result *b)
{
    const struct json *figures = json_find(b->root, "figures");
    struct str last = STR_NULL;

    for (const struct json *f = figures != NULL ? figures->first : NULL; f != NULL; f = f->next) {
        print_group_name(&last, f);
        print_pair(find_figure(a, json_text(json_find(f, "group")), json_text(json_find(f, "name"))), f);
    }
    figures = json_find(a->root, "figures");
    for (const struct json *f = figures != NULL ? figures->first : NULL; f != NULL; f = f->next) {
        if (find_figure(b, json_text(json_find(f, "group")), json_text(json_find(f, "name"))) != NULL)
            continue;
        print_group_name(&last, f);
        print_pair(f, NULL);
    }
}

void results_compare(const char *dir, const char *a, const char *b)
{
    char *paths[2] = {find_result(dir, a, 1), find_result(dir, b, 0)};
    struct result results[2];

    for (size_t i = 0; i < 2; i++)
        result_read(paths[i], &results[i]);
    printf("A  %s\nB  %s\n\n", paths[0], paths[1]);
    printf("  %-56s %10s %10s\n", "", "A", "B");
    print_both(&results[0], &results[1]);
    for (size_t i = 0; i < 2; i++) {
        result_done(&results[i]);
        mem_free(paths[i]);
    }
}
