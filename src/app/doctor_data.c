/* SPDX-License-Identifier: MIT */
/* culm doctor: what is configured and what is stored. */
#include "app/commands.h"
#include "app/doctor.h"
#include "app/server.h"
#include "base/clock.h"
#include "base/str.h"
#include "store/sqlite/glance.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    STORE_MS = 3000,            /* for the pages of the database */
    CLOCK_AHEAD_MS = 60 * 1000, /* that what is stored may be ahead of the clock */
};

/* ---- configuration ---- */

/* Whoever may write the file decides where keys are sent to. */
static void look_at_mode(struct doctor *d, const char *path, const struct stat *st)
{
    if ((st->st_mode & 022) != 0) {
        doctor_say(d, VERDICT_FAIL, "configuration", "%s may be changed by others (mode %03o)", path,
                   (unsigned)st->st_mode & 0777);
        doctor_advise(d, "chmod 600 %s", path);
    } else if ((st->st_mode & 044) != 0 && d->config != NULL && config_holds_secrets(d->config)) {
        doctor_say(d, VERDICT_WARN, "configuration", "%s holds a key and may be read by others (mode %03o)", path,
                   (unsigned)st->st_mode & 0777);
        doctor_advise(d, "chmod 600 %s, or write env:NAME for the key", path);
    } else if (st->st_uid != geteuid() && st->st_uid != 0) {
        doctor_say(d, VERDICT_WARN, "configuration", "%s belongs to user %u, not to you", path, (unsigned)st->st_uid);
        doctor_advise(d, "chown it to the user who runs the server");
    }
}

static void look_at_notices(struct doctor *d)
{
    for (const char *const *notice = config_notices(d->config); *notice != NULL; notice++) {
        doctor_say(d, VERDICT_WARN, "configuration", "%s", *notice);
        doctor_advise(d, "nothing breaks; correct it or take it out, see: culm config explain");
    }
}

static void look_at_bind(struct doctor *d)
{
    const char *address = config_text(d->config, CONFIG_SERVER_BIND);

    if (server_is_loopback(address))
        return;
    if (config_truth(d->config, CONFIG_SERVER_INSECURE_WIDE_BIND))
        doctor_say(d, VERDICT_WARN, "configuration", "server.bind %s: token and text cross the network without TLS",
                   address);
    else
        doctor_say(d, VERDICT_FAIL, "configuration", "server.bind %s reaches other machines: culm serve refuses it",
                   address);
    doctor_advise(d, "bind 127.0.0.1 behind a proxy that has TLS");
}

void doctor_configuration(struct doctor *d)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT;
    struct stat st;
    struct err err;
    bool is_there;

    command_config_path(d->line, &d->home, &path);
    is_there = stat(path.p, &st) == 0;
    if (command_load_config(d->line, &d->home, &d->config, &err) < 0) {
        d->config = NULL;
        doctor_say(d, VERDICT_FAIL, "configuration", "%s", err.text);
        doctor_advise(d, "correct it; culm config explain lists every key and its values");
    } else if (is_there) {
        doctor_say(d, VERDICT_OK, "configuration", "%s can be used", path.p);
    } else {
        doctor_say(d, VERDICT_OK, "configuration", "no %s: defaults and environment", path.p);
    }
    if (is_there)
        look_at_mode(d, path.p, &st);
    if (d->config == NULL)
        return;
    look_at_notices(d);
    look_at_bind(d);
}

/* ---- the data directory ---- */

/* A token that others may read is no secret, and the server refuses it. */
static void look_at_file(struct doctor *d, const char *name, enum verdict verdict, const char *what)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT;
    struct stat st;

    home_file(&d->home, name, &path);
    if (stat(path.p, &st) != 0 || (st.st_mode & 077) == 0)
        return;
    doctor_say(d, verdict, "data directory", "%s may be read by others (mode %03o): %s", path.p,
               (unsigned)st.st_mode & 0777, what);
    doctor_advise(d, "chmod 600 %s", path.p);
}

static bool is_usable_directory(struct doctor *d, const struct stat *st)
{
    const char *path = d->home.path;

    if (!S_ISDIR(st->st_mode)) {
        doctor_say(d, VERDICT_FAIL, "data directory", "%s is no directory", path);
        doctor_advise(d, "name another one with --data-dir or CULM_DATA_DIR");
    } else if (st->st_uid != geteuid() && geteuid() != 0) {
        doctor_say(d, VERDICT_FAIL, "data directory", "%s belongs to user %u, not to you", path, (unsigned)st->st_uid);
        doctor_advise(d, "run culm as that user, or name another directory with --data-dir");
    } else if (access(path, R_OK | W_OK | X_OK) != 0) {
        doctor_say(d, VERDICT_FAIL, "data directory", "%s: %s", path, strerror(errno));
        doctor_advise(d, "make it writable for the user who runs the server, or name another one with --data-dir");
    } else {
        return true;
    }
    return false;
}

void doctor_data_directory(struct doctor *d)
{
    const char *path = d->home.path;
    struct stat st;

    if (stat(path, &st) != 0 && errno == ENOENT) {
        doctor_say(d, VERDICT_OK, "data directory", "%s is not there yet; the first start makes it", path);
        return;
    }
    if (stat(path, &st) != 0) {
        doctor_say(d, VERDICT_FAIL, "data directory", "%s: %s", path, strerror(errno));
        doctor_advise(d, "name another one with --data-dir or CULM_DATA_DIR");
        return;
    }
    if (!is_usable_directory(d, &st))
        return;
    if ((st.st_mode & 077) != 0) {
        doctor_say(d, VERDICT_WARN, "data directory", "%s is open to others (mode %03o)", path,
                   (unsigned)st.st_mode & 0777);
        doctor_advise(d, "chmod 700 %s", path);
    } else {
        doctor_say(d, VERDICT_OK, "data directory", "%s is yours alone", path);
    }
    look_at_file(d, "token", VERDICT_FAIL, "culm serve refuses it");
    look_at_file(d, "culm.db", VERDICT_WARN, "it holds every word of every session");
}

/* ---- the store ---- */

static void say_sound(struct doctor *d, const struct sqlite_glance *seen)
{
    char size[DOCTOR_SIZE];

    doctor_size(seen->file_bytes, size);
    doctor_say(d, VERDICT_OK, "store", "%" PRIu64 " session%s, %s, %s", seen->sessions, seen->sessions == 1 ? "" : "s",
               size, seen->is_whole ? "every page is sound" : "sound as far as 3 s of looking went");
    if (seen->newest_at <= clock_wall_ms() + CLOCK_AHEAD_MS)
        return;
    doctor_say(d, VERDICT_WARN, "store", "what was stored last is %" PRId64 " s ahead of the clock",
               (seen->newest_at - clock_wall_ms()) / 1000);
    doctor_advise(d, "the clock was set back, or was wrong before: see what keeps it right");
}

void doctor_store(struct doctor *d)
{
    struct sqlite_glance seen;
    struct err err;
    int rc = sqlite_glance(d->home.path, STORE_MS, &seen, &err);

    if (rc == 0) {
        say_sound(d, &seen);
        return;
    }
    if (rc == -ERR_NOT_FOUND) {
        doctor_say(d, VERDICT_OK, "store", "nothing is stored yet");
        return;
    }
    doctor_say(d, VERDICT_FAIL, "store", "%s", err.text);
    if (rc == -ERR_CORRUPT)
        doctor_advise(d, "stop the server, keep a copy of the directory, and go back to the last backup");
    else if (rc == -ERR_VERSION)
        doctor_advise(d, "use the culm that belongs to it, or another --data-dir");
    else
        doctor_advise(d, "see that the directory and its files belong to the user who runs the server");
}
