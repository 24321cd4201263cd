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

static int set_options(const struct command_line *line, struct config *c)
{
    const struct {
        const char *name, *value;
    } given[] = {
        {"server.bind", line->bind},
        {"server.port", line->port},
        {"server.compat_open_loopback", line->open_loopback ? "true" : NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(given); i++) {
        struct err err;

        if (given[i].value != NULL &&
            config_set(c, str_of(given[i].name), str_of(given[i].value), CONFIG_FROM_OPTION, &err) < 0)
            return command_fail(CODE_USAGE, "%s", err.text);
    }
    return 0;
}

static int read_config(struct serve *s, struct config **out)
{
    struct config *c = NULL;
    int code = command_read_config(s->line, &s->home, &c);

    if (code == 0)
        code = set_options(s->line, c);
    if (code != 0)
        config_free(c);
    else
        *out = c;
    return code;
}

static void apply_log_level(const struct config *c)
{
    int level = LOG_ERROR;

    while (config_log_levels[level + 1] != NULL &&
           strcmp(config_log_levels[level], config_text(c, CONFIG_LOG_LEVEL)) != 0)
        level++;
    log_set_level((enum log_level)level);
}

static void log_notices(const struct config *c)
{
    for (const char *const *notice = config_notices(c); *notice != NULL; notice++)
        log_event(LOG_WARN, "config.notice", "%s", *notice);
}

static void log_model(const struct serve *s)
{
    CLEANUP(buf_done) struct buf model = BUF_INIT;
    struct err err;

    if (server_default_model(s->server, &model, &err) < 0)
        log_event(LOG_WARN, "model.default", "none: %s", err.text);
    else
        log_event(LOG_INFO, "model.default", "model=%s%s", model.p,
                  str_has_prefix(buf_str(&model), STR("offline/"))
                      ? " (built in; set OPENAI_API_KEY or providers in the configuration for a real one)"
                      : "");
}

/* ---- signals ---- */

static void on_reload(void *arg)
{
    struct serve *s = arg;
    struct config *next = NULL;
    const char *restart;
    struct err err;

    if (s->stopping || read_config(s, &next) != 0) {
        if (!s->stopping)
            log_event(LOG_ERROR, "config.reload", "refused, nothing is changed");
        return;
    }
    if (server_reload(s->server, next, &err) < 0) {
        log_event(LOG_ERROR, "config.reload", "refused, nothing is changed: %s", err.text);
        config_free(next);
        return;
    }
    apply_log_level(next);
    log_notices(next);
    restart = config_needs_restart(s->first, next);
    log_event(LOG_INFO, "config.reload", "done%s%s",
              restart == NULL ? "" : "; counts at the next start only: ", restart == NULL ? "" : restart);
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

/* What was acknowledged is on the disk; only the mark that this life ended in order is missing. */
static void on_watchdog(int signo UNUSED)
{
    static const char text[] = "culm: the disk did not answer in time; stopped without waiting for it\n";

    ssize_t n UNUSED = write(STDERR_FILENO, text, sizeof(text) - 1);

    _exit(CODE_ERROR);
}

static void on_stop(void *arg)
{
    const struct itimerval bound = {.it_value = {WATCHDOG_MS / 1000, (WATCHDOG_MS % 1000) * 1000}};
    struct serve *s = arg;

    if (s->stopping)
        return;
    s->stopping = true;
    /* From here on neither a second signal nor the watchdog needs the loop, which may be waiting for the disk. */
    signal(SIGTERM, exit_at_once);
    signal(SIGINT, exit_at_once);
    signal(SIGALRM, on_watchdog);
    setitimer(ITIMER_REAL, &bound, NULL);
    log_event(LOG_INFO, "server.stop", "parking what runs");
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
    log_event(LOG_INFO, "server.start", "version=%s address=%s data=%s files=%" PRIu64, CULM_VERSION,
              server_address(s->server), s->home.path, files);
    if (files < LIMIT_CONNECTIONS)
        log_event(LOG_WARN, "server.files",
                  "the limit of open files, %" PRIu64 ", allows fewer than %d connections; raise it with ulimit -n",
                  files, LIMIT_CONNECTIONS);
    if (config_truth(s->first, CONFIG_SERVER_COMPAT_OPEN_LOOPBACK))
        log_event(LOG_WARN, "server.open_loopback",
                  "--compat-open-loopback: every program on this machine may use this server without the token");
    if (!server_is_loopback(config_text(s->first, CONFIG_SERVER_BIND)))
        log_event(LOG_WARN, "server.wide_bind", "token and text cross the network without TLS");
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
    if (rc == 0)
        return CODE_COMPLETED;
    return command_fail(rc == -ERR_BAD_REQUEST ? CODE_SETUP : CODE_ERROR, "%s", err.text);
}

int command_serve(const struct command_line *line)
{
    struct serve s = {.line = line};
    int code = command_open_home(line, &s.home);

    if (code != 0)
        return code;
    code = read_config(&s, &s.first);
    if (code == 0) {
        s.current = s.first;
        apply_log_level(s.first);
        log_notices(s.first);
        code = serve(&s);
        if (s.current != s.first)
            config_free(s.current);
        config_free(s.first);
    }
    home_done(&s.home);
    return code;
}
