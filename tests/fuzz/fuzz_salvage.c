/* SPDX-License-Identifier: MIT */
/*
 * A database and its write-ahead log, read page by page as `culm db repair` does. The first two bytes say how many
 * pieces of 64 bytes are the database; what follows them is the log. Whatever is found can be read again, in order, and
 * makes sessions.
 */
#include "base/str.h"
#include "check.h"
#include "session/session.h"
#include "store/sqlite/salvage.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PIECE 64

static char database[64], log_of_writes[80];

static void remove_files(void)
{
    char dir[64];

    unlink(database);
    unlink(log_of_writes);
    str_copy(dir, sizeof(dir), (struct str){database, strlen(database) - strlen("/culm.db")});
    rmdir(dir);
}

/* One directory for all inputs, in memory where it can be. */
static void name_files(void)
{
    char dir[40] = "/dev/shm/culm-fuzz-XXXXXX";

    if (database[0] != '\0')
        return;
    if (mkdtemp(dir) == NULL) {
        str_copy(dir, sizeof(dir), STR("/tmp/culm-fuzz-XXXXXX"));
        CHECK(mkdtemp(dir) != NULL);
    }
    snprintf(database, sizeof(database), "%s/culm.db", dir);
    snprintf(log_of_writes, sizeof(log_of_writes), "%s-wal", database);
    atexit(remove_files);
}

static void put(const char *path, const uint8_t *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    CHECK(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
    close(fd);
}

static void check_order(const struct salvage *s)
{
    for (size_t i = 1; i < s->n_facts; i++) {
        const struct salvaged_fact *a = &s->facts[i - 1], *b = &s->facts[i];

        CHECK(a->sid < b->sid || (a->sid == b->sid && a->seq <= b->seq));
        CHECK(a->sid != b->sid || a->seq != b->seq || a->intact >= b->intact);
    }
    for (size_t i = 1; i < s->n_sessions; i++)
        CHECK(s->sessions[i - 1].sid < s->sessions[i].sid);
    for (size_t i = 1; i < s->n_lives; i++)
        CHECK(s->lives[i - 1].writer < s->lives[i].writer);
}

/* The facts of a session, up to the first that is missing or does not fit. */
static void fold_facts(struct salvage *s)
{
    struct session at;
    int64_t sid = 0;
    bool goes_on = false;

    for (size_t i = 0; i < s->n_facts; i++) {
        const struct salvaged_fact *found = &s->facts[i];
        struct fact_row row;
        struct fact f;
        struct err err = {.code = ERR_OK};
        struct arena a;

        if (i == 0 || found->sid != sid) {
            session_init(&at);
            goes_on = true;
        }
        sid = found->sid;
        CHECK(salvage_read(s, found, &row, &err) == 0 && row.seq == found->seq && row.epoch == found->epoch);
        CHECK(fact_row_is_intact(&row, sid) || !found->intact);
        arena_init(&a);
        CHECK((fact_row_parse(&row, sid, &a, &f, &err) == 0) == found->intact);
        goes_on = goes_on && found->intact && f.seq == at.seq + 1 && session_refuses(&at, &f) == NULL;
        if (goes_on) {
            session_fold(&at, &f);
            CHECK(session_is_whole(&at));
        }
        arena_done(&a);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {.code = ERR_OK};
    struct salvage s;
    size_t n;

    if (size < 2)
        return 0;
    n = ((size_t)data[0] << 8 | data[1]) * PIECE;
    n = n < size - 2 ? n : size - 2;
    name_files();
    put(database, data + 2, n);
    put(log_of_writes, data + 2 + n, size - 2 - n);
    if (salvage_open(&s, database, NULL, NULL, &err) < 0) {
        CHECK(err.code != ERR_OK && err.text[0] != '\0');
        return 0;
    }
    check_order(&s);
    fold_facts(&s);
    salvage_close(&s);
    return 0;
}
