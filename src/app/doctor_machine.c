/* SPDX-License-Identifier: MIT */
/* culm doctor: disk, open files, memory and clock. */
#include "app/doctor.h"
#include "app/server.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

enum {
    SYNCS = 3,
    SYNC_BYTES = 4096,
    SYNC_SLOW_US = 100 * 1000,
    FILES_FEW = 128,       /* below this many nothing works well */
    CLOCK_YEAR_MIN = 2025, /* this program is not older */
};
#define DISK_FULL (64 * MIB)
#define DISK_LOW GIB
#define MEMORY_FULL (32 * MIB)
#define MEMORY_LOW (256 * MIB)

/* ---- disk ---- */

/* The directory that is there, or will hold it. */
static void existing_parent(const char *path, struct buf *out)
{
    buf_add_str(out, str_of(path));
    while (out->n > 1 && access(out->p, F_OK) != 0) {
        while (out->n > 1 && out->p[out->n - 1] != '/')
            out->n--;
        while (out->n > 1 && out->p[out->n - 1] == '/')
            out->n--;
        out->p[out->n] = '\0';
    }
}

/* linux/magic.h does not name them all. */
static const struct {
    uint32_t magic;
    const char *name, *what, *remedy;
} file_systems[] = {
    {0x6969, "NFS", "the locks of the database cannot be relied on", "use a local disk"},
    {0xff534d42, "CIFS", "the locks of the database cannot be relied on", "use a local disk"},
    {0xfe534d42, "SMB", "the locks of the database cannot be relied on", "use a local disk"},
    {0x01021994, "tmpfs", "what is stored is gone when the machine restarts", "use a disk for what is to stay"},
    {0x858458f6, "ramfs", "what is stored is gone when the machine restarts", "use a disk for what is to stay"},
};

static void look_at_file_system(struct doctor *d, const char *path, const struct statfs *fs)
{
    for (size_t i = 0; i < ARRAY_LEN(file_systems); i++) {
        if ((uint32_t)fs->f_type != file_systems[i].magic)
            continue;
        doctor_say(d, VERDICT_WARN, "disk", "%s is on %s: %s", path, file_systems[i].name, file_systems[i].what);
        doctor_advise(d, "%s, by --data-dir or CULM_DATA_DIR", file_systems[i].remedy);
    }
}

static void look_at_space(struct doctor *d, const char *path, const struct statfs *fs)
{
    uint64_t bytes = (uint64_t)fs->f_bavail * (uint64_t)fs->f_bsize;
    char size[DOCTOR_SIZE];

    doctor_size(bytes, size);
    if (fs->f_files > 0 && fs->f_ffree == 0) {
        doctor_say(d, VERDICT_FAIL, "disk", "the file system of %s can hold no more files", path);
        doctor_advise(d, "remove some, or use another disk by --data-dir");
    } else if (bytes < DISK_LOW) {
        doctor_say(d, bytes < DISK_FULL ? VERDICT_FAIL : VERDICT_WARN, "disk", "%s free at %s", size, path);
        doctor_advise(d, "make room: with a full disk nothing is accepted any more");
    } else {
        doctor_say(d, VERDICT_OK, "disk", "%s free at %s", size, path);
    }
}

/* Without a name where the file system can; else by one that goes at once. */
static int open_draft(const char *path)
{
    CLEANUP(buf_done) struct buf name = BUF_INIT;
    int fd = open(path, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    buf_addf(&name, "%s/.culm-doctor-XXXXXX", path);
    fd = mkostemp(name.p, O_CLOEXEC);
    if (fd >= 0)
        unlink(name.p);
    return fd;
}

static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* The quickest of some writes with fsync: what each commit waits for. -1: one failed, see errno. */
static int64_t measure_sync_us(int fd)
{
    char block[SYNC_BYTES] = {0};
    int64_t best = -1;

    for (int i = 0; i < SYNCS; i++) {
        int64_t began = now_us(), took;

        if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block) || fsync(fd) != 0)
            return -1;
        took = now_us() - began;
        best = best < 0 || took < best ? took : best;
    }
    return best;
}

static void look_at_writing(struct doctor *d, const char *path)
{
    int fd = open_draft(path);
    int64_t us = fd < 0 ? -1 : measure_sync_us(fd);
    int sys = errno;

    if (fd >= 0)
        close(fd);
    if (us < 0) {
        doctor_say(d, VERDICT_FAIL, "disk", "%s cannot be written to: %s", path, strerror(sys));
        doctor_advise(d, "see its owner, its mode and its mount, or use another --data-dir");
    } else if (us > SYNC_SLOW_US) {
        doctor_say(d, VERDICT_WARN, "disk", "a write is on the disk after %" PRId64 " ms", us / 1000);
        doctor_advise(d, "every step of a run waits for it: use a faster disk by --data-dir");
    } else {
        doctor_say(d, VERDICT_OK, "disk", "a write is on the disk after %" PRId64 ".%" PRId64 " ms", us / 1000,
                   us / 100 % 10);
    }
}

void doctor_disk(struct doctor *d)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT;
    struct statfs fs;

    existing_parent(d->home.path, &path);
    if (statfs(path.p, &fs) != 0) {
        doctor_say(d, VERDICT_FAIL, "disk", "%s: %s", path.p, strerror(errno));
        doctor_advise(d, "name another directory with --data-dir or CULM_DATA_DIR");
        return;
    }
    look_at_space(d, path.p, &fs);
    look_at_file_system(d, path.p, &fs);
    look_at_writing(d, path.p);
}

/* ---- open files ---- */

void doctor_files(struct doctor *d)
{
    struct rlimit files;
    uint64_t usable;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    usable = server_file_limit(&files);
    if (usable >= LIMIT_CONNECTIONS) {
        doctor_say(d, VERDICT_OK, "open files", "%" PRIu64 ", for %d connections", usable, LIMIT_CONNECTIONS);
        return;
    }
    doctor_say(d, usable < FILES_FEW ? VERDICT_FAIL : VERDICT_WARN, "open files",
               "at most %" PRIu64 ": fewer connections than the %d that culm could serve", usable, LIMIT_CONNECTIONS);
    doctor_advise(d, "raise the hard limit: ulimit -Hn, LimitNOFILE= of a systemd unit, or /etc/security/limits.conf");
}

/* ---- memory ---- */

/* "MemAvailable:   123 kB" */
static bool available_bytes(uint64_t *out)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;
    struct str rest, line, number;

    if (!doctor_read("/proc/meminfo", &text))
        return false;
    rest = buf_str(&text);
    while (str_next(&rest, '\n', &line)) {
        if (!str_has_prefix(line, STR("MemAvailable:")))
            continue;
        line = str_trim(str_skip(line, strlen("MemAvailable:")));
        if (!str_next(&line, ' ', &number) || !str_to_u64(number, out))
            return false;
        *out *= KIB;
        return true;
    }
    return false;
}

static bool number_of(const char *path, uint64_t *out)
{
    CLEANUP(buf_done) struct buf text = BUF_INIT;

    return doctor_read(path, &text) && str_to_u64(buf_str(&text), out);
}

/* What the container or unit that this runs in leaves; "max" is no number. */
static bool allowed_bytes(uint64_t *out)
{
    uint64_t most, used;

    if (!number_of("/sys/fs/cgroup/memory.max", &most) || !number_of("/sys/fs/cgroup/memory.current", &used))
        return false;
    *out = most > used ? most - used : 0;
    return true;
}

void doctor_memory(struct doctor *d)
{
    uint64_t bytes, allowed;
    char size[DOCTOR_SIZE];

    if (!available_bytes(&bytes))
        return;
    if (allowed_bytes(&allowed) && allowed < bytes)
        bytes = allowed;
    doctor_size(bytes, size);
    if (bytes >= MEMORY_LOW) {
        doctor_say(d, VERDICT_OK, "memory", "%s available", size);
        return;
    }
    doctor_say(d, bytes < MEMORY_FULL ? VERDICT_FAIL : VERDICT_WARN, "memory", "only %s available", size);
    doctor_advise(d, "end other programs, or raise the limit of the container or unit");
}

/* ---- clock ---- */

void doctor_clock(struct doctor *d)
{
    char text[CLOCK_TEXT];
    struct timex state = {0};
    int64_t now = clock_wall_ms(), year;
    int rc = adjtimex(&state);

    clock_text(now, text);
    if (!str_to_i64((struct str){text, 4}, &year) || year < CLOCK_YEAR_MIN) {
        doctor_say(d, VERDICT_FAIL, "clock", "it says %s", text);
        doctor_advise(d, "set it: TLS fails with a wrong clock, and what is stored gets wrong times");
    } else if (rc == TIME_ERROR || (rc >= 0 && (state.status & STA_UNSYNC) != 0)) {
        doctor_say(d, VERDICT_WARN, "clock", "it says %s, and nothing keeps it right", text);
        doctor_advise(d, "run systemd-timesyncd or chrony; in a virtual machine its host may do so");
    } else {
        doctor_say(d, VERDICT_OK, "clock", "it says %s", text);
    }
}
