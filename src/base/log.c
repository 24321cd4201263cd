/* SPDX-License-Identifier: MIT */
/* Levels, and the way of a finished line to whoever reads it. */
#include "base/log.h"

#include "base/clock.h"
#include "base/log_line.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

const char *const log_module_names[] = {
#define X(id, name) name,
    LOG_MODULES(X)
#undef X
        NULL};
const char *const log_level_names[] = {"error", "warn", "info", "debug", NULL};
const char *const log_format_names[] = {"auto", "text", "json", "journald", NULL};

/* ---- levels ---- */

static _Atomic(enum log_level) base_level = LOG_LEVEL_INFO;
static _Atomic(enum log_level) module_levels[LOG_MODULE_COUNT] = {
#define X(id, name) LOG_LEVEL_COUNT,
    LOG_MODULES(X)
#undef X
};

struct log_levels log_levels_all(enum log_level base)
{
    struct log_levels l = {.base = base};

    for (size_t i = 0; i < LOG_MODULE_COUNT; i++)
        l.of[i] = LOG_LEVEL_COUNT;
    return l;
}

void log_set_levels(const struct log_levels *l)
{
    atomic_store_explicit(&base_level, l->base, memory_order_relaxed);
    for (size_t i = 0; i < LOG_MODULE_COUNT; i++)
        atomic_store_explicit(&module_levels[i], l->of[i], memory_order_relaxed);
}

void log_set_level(enum log_level base)
{
    struct log_levels l = log_levels_all(base);

    log_set_levels(&l);
}

struct log_levels log_get_levels(void)
{
    struct log_levels l = {.base = atomic_load_explicit(&base_level, memory_order_relaxed)};

    for (size_t i = 0; i < LOG_MODULE_COUNT; i++)
        l.of[i] = atomic_load_explicit(&module_levels[i], memory_order_relaxed);
    return l;
}

static const char *nearest_module(struct str word)
{
    const char *nearest = NULL;
    size_t least = SIZE_MAX;

    for (size_t i = 0; i < LOG_MODULE_COUNT; i++) {
        size_t distance = str_distance(word, str_of(log_module_names[i]));

        if (distance < least)
            nearest = log_module_names[i];
        least = distance < least ? distance : least;
    }
    return nearest;
}

#define SHOWN_BYTES 32

int log_levels_put(struct log_levels *l, struct str item, struct err *err)
{
    struct str rest = item, name = STR_NULL;
    int module, level;

    if (item.n > SHOWN_BYTES || !str_next(&rest, '=', &name) || rest.p == NULL)
        return err_set(err, ERR_BAD_REQUEST, "expected MODULE=LEVEL, as in store=debug");
    module = str_find_word(log_module_names, str_trim(name));
    if (module < 0)
        return err_set(err, ERR_BAD_REQUEST, "the log has no module \"" STR_FMT "\"; did you mean \"%s\"?",
                       STR_ARG(name), nearest_module(name));
    level = str_find_word(log_level_names, str_trim(rest));
    if (level < 0)
        return err_set(err, ERR_BAD_REQUEST, STR_FMT ": \"" STR_FMT "\" is none of error, warn, info, debug",
                       STR_ARG(name), STR_ARG(rest));
    l->of[module] = (enum log_level)level;
    return 0;
}

static size_t find_module(const char *event)
{
    size_t n = strcspn(event, ".");

    for (size_t i = 0; i < LOG_MODULE_COUNT; i++)
        if (strncmp(log_module_names[i], event, n) == 0 && log_module_names[i][n] == '\0')
            return i;
    return LOG_MODULE_COUNT;
}

bool log_wants(enum log_level level, const char *event)
{
    size_t module = find_module(event);
    enum log_level limit;

    assert(module < LOG_MODULE_COUNT); /* LOG_MODULES has no row for it */
    limit = atomic_load_explicit(&module_levels[module], memory_order_relaxed);
    if (limit == LOG_LEVEL_COUNT)
        limit = atomic_load_explicit(&base_level, memory_order_relaxed);
    return level <= limit;
}

/* ---- where lines go ---- */

enum sink_kind {
    SINK_UNKNOWN, /* asked before each line whether it takes one */
    SINK_NO_WAIT, /* a write that would wait fails, or a file, where none waits for a reader */
    SINK_SOCKET,  /* send(2) can be told not to wait */
};

/* Set once, before there are threads. */
static struct {
    enum log_format format;
    enum sink_kind kind;
    int fd;
    int journal;  /* -1: none */
    bool is_ours; /* fd was opened here */
    bool colour;
} sink = {.format = LOG_FORMAT_TEXT, .fd = STDERR_FILENO, .journal = -1};

static atomic_uint_fast64_t dropped, untold;
static atomic_bool torn; /* the last line ended in the middle */

/*
 * The flag O_NONBLOCK belongs to the open file, which the shell and others may share with us; so the pipe or terminal
 * is opened once more. Where that is refused, lines ask first.
 */
static void open_stream(int fd)
{
    struct stat st;
    char path[32];
    int own;

    sink.fd = fd;
    sink.kind = SINK_UNKNOWN;
    sink.is_ours = false;
    if (fstat(fd, &st) != 0)
        return;
    if (S_ISSOCK(st.st_mode))
        sink.kind = SINK_SOCKET;
    if (S_ISREG(st.st_mode))
        sink.kind = SINK_NO_WAIT;
    if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
        return;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (own < 0)
        return;
    sink.fd = own;
    sink.kind = SINK_NO_WAIT;
    sink.is_ours = true;
}

static int open_journal(const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd;

    if (!str_copy(sa.sun_path, sizeof(sa.sun_path), str_of(path)))
        return -1;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* systemd.exec(5): JOURNAL_STREAM is "device:inode" of the stream that it connected to the journal. */
static bool is_journal_stream(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char own[48];
    struct stat st;

    if (stream == NULL || fstat(fd, &st) != 0)
        return false;
    snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    return strcmp(stream, own) == 0;
}

/* https://no-color.org: any value turns colours off. */
static bool wants_colour(int fd)
{
    const char *off = getenv("NO_COLOR"), *terminal = getenv("TERM");

    return isatty(fd) == 1 && (off == NULL || off[0] == '\0') && terminal != NULL && strcmp(terminal, "dumb") != 0;
}

void log_open(const struct log_target *target)
{
    if (sink.is_ours)
        close(sink.fd);
    if (sink.journal >= 0)
        close(sink.journal);
    sink.journal = -1;
    sink.format = target->format;
    if (sink.format == LOG_FORMAT_AUTO)
        sink.format = is_journal_stream(target->fd) ? LOG_FORMAT_JOURNALD : LOG_FORMAT_TEXT;
    open_stream(target->fd);
    sink.colour = sink.format == LOG_FORMAT_TEXT && wants_colour(target->fd);
    if (sink.format == LOG_FORMAT_JOURNALD)
        sink.journal = open_journal(target->journal);
    atomic_store(&torn, false);
}

enum log_format log_format(void)
{
    return sink.format;
}

/* ---- writing ---- */

static bool takes_more(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0;
}

/* `line` has a line end before its text, which is written only where the line before it was torn. */
static bool write_stream(const char *line, size_t n)
{
    bool mend = atomic_exchange(&torn, false);
    const char *p = mend ? line : line + 1;
    size_t want = mend ? n : n - 1;
    ssize_t done = -1;

    if (sink.kind == SINK_SOCKET)
        done = send(sink.fd, p, want, MSG_DONTWAIT | MSG_NOSIGNAL);
    else if (sink.kind == SINK_NO_WAIT || takes_more(sink.fd))
        done = write(sink.fd, p, want);
    if (done > 0 ? (size_t)done < want : mend)
        atomic_store(&torn, true);
    return done == (ssize_t)want;
}

static bool write_record(const struct log_record *r)
{
    char line[1 + LOG_LINE_BYTES], datagram[LOG_JOURNAL_BYTES];
    size_t n = 0;

    if (sink.journal >= 0) {
        n = log_line_journal(r, datagram);
        if (send(sink.journal, datagram, n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return true;
        if (errno == EAGAIN)
            return false;
    }
    line[0] = '\n';
    if (sink.format == LOG_FORMAT_JSON)
        n = log_line_json(r, line + 1);
    else if (sink.format == LOG_FORMAT_JOURNALD)
        n = log_line_prefixed(r, line + 1);
    else
        n = log_line_text(r, sink.colour, line + 1);
    return write_stream(line, n + 1);
}

/* What was lost is told before the first line that may pass again. */
static void tell_dropped(int64_t now_ms)
{
    uint64_t n = atomic_exchange(&untold, 0);
    const struct log_field lines = log_uint("lines", n);
    const struct log_record r = {
        .at_ms = now_ms, .level = LOG_LEVEL_WARN, .event = "log.dropped", .fields = &lines, .n_fields = 1};

    if (n > 0 && !write_record(&r))
        atomic_fetch_add(&untold, n);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
    const struct log_record r = {
        .at_ms = clock_wall_ms(), .level = level, .event = event, .fields = fields, .n_fields = n};
    int saved = errno;

    if (atomic_load(&untold) > 0)
        tell_dropped(r.at_ms);
    if (!write_record(&r)) {
        atomic_fetch_add(&dropped, 1);
        atomic_fetch_add(&untold, 1);
    }
    errno = saved;
}

uint64_t log_dropped(void)
{
    return atomic_load(&dropped);
}
