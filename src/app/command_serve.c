/* SPDX-License-Identifier: MIT */
/* culm serve */
#include "app/commands.h"
#include "app/exit_code.h"
#include "app/server.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>

enum { WATCHDOG_MS = LIMIT_SHUTDOWN_MS - 200 };

struct serve {
    const struct command_line *line;
    struct home home;
    struct config *first;   /* some of its values are borrowed for life */
    struct config *current; /* the one of the last reload; the same at first */
    struct loop *loop;
    struct server *server;
    bool stopping;
};

/* ---- the configuration ---- */

static int set_options(const struct command_line *line, struct config *c, struct err *err)
{
    const struct {
        const char *name, *value;
    } given[] = {
        {"server.bind", line->bind},
        {"server.port", line->port},
        {"server.compat_open_loopback", line->open_loopback ? "true" : NULL},
        {"log.format", line->log},
    };
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(given) && rc == 0; i++)
        if (given[i].value != NULL)
            rc = config_set(c, str_of(given[i].name), str_of(given[i].value), CONFIG_FROM_OPTION, err);
    return rc;
}

static int read_first(struct serve *s)
{
    int code = command_read_config(s->line, &s->home, &s->first);
    struct err err;

    if (code == 0 && set_options(s->line, s->first, &err) < 0)
        code = command_fail(CODE_USAGE, "%s", err.text);
    return code;
}

static int read_again(const struct serve *s, struct config **out, struct err *err)
{
    struct config *c;
    int rc = command_load_config(s->line, &s->home, &c, err);

    if (rc < 0)
        return rc;
    rc = set_options(s->line, c, err);
    if (rc < 0)
        config_free(c);
    else
        *out = c;
    return rc;
}

/* The configuration took only words that these lists have. */
static void open_log(const struct config *c)
{
    int format = str_find_word(log_format_names, str_of(config_text(c, CONFIG_LOG_FORMAT)));

    log_open(&LOG_TARGET((enum log_format)format));
}

static void apply_log_levels(const struct config *c)
{
    int base = str_find_word(log_level_names, str_of(config_text(c, CONFIG_LOG_LEVEL)));
    struct log_levels levels = log_levels_all((enum log_level)base);

    for (const char *const *item = config_list(c, CONFIG_LOG_LEVELS); *item != NULL; item++) {
        int rc = log_levels_put(&levels, str_of(*item), NULL);

        assert(rc == 0);
    }
    log_set_levels(&levels);
}

static void log_notices(const struct config *c)
{
    for (const char *const *notice = config_notices(c); *notice != NULL; notice++)
        LOG_WARN("config.notice", log_message(*notice));
}

static void log_model(const struct serve *s)
{
    CLEANUP(buf_done) struct buf model = BUF_INIT;
    struct err err;

    if (server_default_model(s->server, &model, &err) < 0)
        LOG_WARN("model.default", log_message("none; sessions must name theirs"), log_text("error", err.text));
    else
        LOG_INFO("model.default", log_str("model", buf_str(&model)),
                 log_message(str_has_prefix(buf_str(&model), STR("offline/"))
                                 ? "built in; set OPENAI_API_KEY or providers in the configuration for a real one"
                                 : NULL));
}

/* ---- signals ---- */

static void on_reload(void *arg)
{
    struct serve *s = arg;
    struct config *next = NULL;
    const char *restart;
    struct err err;

    if (s->stopping)
        return;
    if (read_again(s, &next, &err) < 0 || server_reload(s->server, next, &err) < 0) {
        LOG_ERROR("config.reload", log_message("refused, nothing is changed"), log_text("error", err.text));
        config_free(next);
        return;
    }
    apply_log_levels(next);
    log_notices(next);
    restart = config_needs_restart(s->first, next);
    LOG_INFO("config.reload", log_message(restart == NULL ? "done" : "done; some of it counts at the next start only"),
             log_text("at_start", restart));
    log_model(s);
    if (s->current != s->first)
        config_free(s->current);
    s->current = next;
}

static void on_stopped(void *arg)
{
    struct serve *s = arg;

    loop_stop(s->loop);
}

static void exit_at_once(int signo)
{
    _exit(128 + signo);
}

#define TOO_LATE "the disk did not answer in time; stopped without waiting for it"
static const char *last_words = "culm: " TOO_LATE "\n"; /* the log itself is not for signal handlers */

/* What was acknowledged is on the disk; only the mark that this life ended in order is missing. */
static void on_watchdog(int signo UNUSED)
{
    ssize_t n UNUSED = write(STDERR_FILENO, last_words, strlen(last_words));

    _exit(CODE_ERROR);
}

static void on_stop(void *arg)
{
    const struct itimerval bound = {.it_value = {WATCHDOG_MS / 1000, (WATCHDOG_MS % 1000) * 1000}};
    struct serve *s = arg;

    if (s->stopping)
        return;
    s->stopping = true;
    if (log_format() == LOG_FORMAT_JSON)
        last_words =
            "{\"level\":\"error\",\"module\":\"server\",\"event\":\"server.stop\",\"message\":\"" TOO_LATE "\"}\n";
    /* From here on neither a second signal nor the watchdog needs the loop, which may be waiting for the disk. */
    signal(SIGTERM, exit_at_once);
    signal(SIGINT, exit_at_once);
    signal(SIGALRM, on_watchdog);
    setitimer(ITIMER_REAL, &bound, NULL);
    LOG_INFO("server.stop", log_message("parking what runs"));
    server_stop(s->server, on_stopped, s);
}

/* ---- serving ---- */

static int listen_for_signals(struct serve *s, struct err *err)
{
    int rc = loop_on_signal(s->loop, SIGTERM, on_stop, s, err);

    if (rc == 0)
        rc = loop_on_signal(s->loop, SIGINT, on_stop, s, err);
    return rc < 0 ? rc : loop_on_signal(s->loop, SIGHUP, on_reload, s, err);
}

static void announce(const struct serve *s, uint64_t files)
{
    printf("culm %s listening on %s (data: %s)\n", CULM_VERSION, server_address(s->server), s->home.path);
    fflush(stdout);
    LOG_INFO("server.start", log_text("version", CULM_VERSION), log_text("address", server_address(s->server)),
             log_text("data", s->home.path), log_uint("files", files));
    if (files < LIMIT_CONNECTIONS)
        LOG_WARN("server.files",
                 log_message("so few open files allow fewer connections than wanted; raise it with ulimit -n"),
                 log_uint("files", files), log_int("connections", LIMIT_CONNECTIONS));
    if (config_truth(s->first, CONFIG_SERVER_COMPAT_OPEN_LOOPBACK))
        LOG_WARN("server.open_loopback", log_message("--compat-open-loopback: every program on this machine may use "
                                                     "this server without the token"));
    if (!server_is_loopback(config_text(s->first, CONFIG_SERVER_BIND)))
        LOG_WARN("server.wide_bind", log_message("token and text cross the network without TLS"));
}

static int open_and_listen(struct serve *s, struct err *err)
{
    const struct server_options o = {.loop = s->loop, .home = &s->home, .config = s->first, .tcp = true};
    int rc = listen_for_signals(s, err);

    if (rc == 0)
        rc = server_open(&o, &s->server, err);
    if (rc < 0)
        return rc;
    rc = server_listen(s->server, err);
    if (rc == 0)
        server_recover(s->server); /* before the loop takes the first request */
    return rc;
}

/* Whoever reads a log of JSON reads this there too; a person reads a sentence. */
static int fail(int rc, const struct err *err)
{
    int code = rc == -ERR_BAD_REQUEST ? CODE_SETUP : CODE_ERROR;

    if (log_format() == LOG_FORMAT_TEXT)
        return command_fail(code, "%s", err->text);
    LOG_ERROR("server.fail", log_message(err->text));
    return code;
}

static int serve(struct serve *s)
{
    uint64_t files = server_raise_file_limit();
    struct err err;
    int rc = loop_new(&s->loop, &err);

    if (rc == 0)
        rc = open_and_listen(s, &err);
    if (rc == 0) {
        announce(s, files);
        log_model(s);
        loop_run(s->loop);
    }
    server_free(s->server);
    loop_free(s->loop);
    return rc == 0 ? CODE_COMPLETED : fail(rc, &err);
}

int command_serve(const struct command_line *line)
{
    struct serve s = {.line = line};
    int code = command_open_home(line, &s.home);

    if (code != 0)
        return code;
    code = read_first(&s);
    s.current = s.first;
    if (code == 0) {
        open_log(s.first);
        apply_log_levels(s.first);
        log_notices(s.first);
        code = serve(&s);
    }
    if (s.current != s.first)
        config_free(s.current);
    config_free(s.first);
    home_done(&s.home);
    return code;
}
