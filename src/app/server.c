/* SPDX-License-Identifier: MIT */
#include "app/server.h"

#include "app/model_port.h"
#include "app/status.h"
#include "app/timer_port.h"
#include "app/token.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "face/face.h"
#include "model/model.h"
#include "net/workers.h"
#include "store/sqlite/sqlite_store.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/resource.h>

enum {
    WORKERS = 2,
    STOP_STEP_MS = 10,
    STOP_MS = LIMIT_SHUTDOWN_MS / 2, /* for requests and streams to end; the rest is the store's */
    FILES_WANTED = 65536,
};

struct server {
    struct server_options o;
    struct loop *loop;
    struct store *store;
    struct http_client *http_client;
    struct model_registry *models;
    struct price_list *prices;
    struct model_port *model_port;
    struct timer_port *timer_port;
    struct timer *alarm;
    struct timer *audit;
    bool audit_armed;
    struct workers *workers;
    struct engine *engine;
    struct face *face;
    struct http_server *http;
    struct buf address;
    uint16_t port;
    int64_t started_at, started_mono_ms;
    char boot[ID_TEXT], token[TOKEN_TEXT], unnamed_socket[HTTP_UNNAMED_SOCKET];
    bool has_info, stopping;
    unsigned quiet_steps; /* of stopping */
    atomic_bool poll_posted;
    struct timer *stop_timer;
    int64_t stop_until; /* mono */
    loop_fn *stopped;
    void *stopped_arg;
};

/* ---- the ports ---- */

static int64_t port_now(void *arg UNUSED)
{
    return clock_wall_ms();
}

static int64_t port_mono(void *arg UNUSED)
{
    return clock_mono_ms();
}

/* No timer while nothing runs: a model call arms it. */
static void arm_audit(struct server *s)
{
    if (s->audit_armed || s->stopping)
        return;
    s->audit_armed = true;
    timer_start(s->audit, LIMIT_AUDIT_MS);
}

static void on_audit(void *arg)
{
    struct server *s = arg;
    struct engine_stats stats;

    s->audit_armed = false;
    if (s->stopping)
        return;
    engine_recover(s->engine);
    engine_stats(s->engine, &stats);
    if (stats.running > 0 || !engine_is_recovered(s->engine))
        arm_audit(s);
    else
        mem_give_back();
}

static void port_model_start(void *arg, const struct model_call *call)
{
    struct server *s = arg;

    arm_audit(s);
    model_port_start(s->model_port, call);
}

static void port_model_abort(void *arg, struct str session_id)
{
    struct server *s = arg;

    model_port_abort(s->model_port, session_id);
}

static struct price port_price(void *arg, struct str provider, struct str model)
{
    const struct server *s = arg;

    return price_find(s->prices, provider, model);
}

/* There are no tools yet: the machine answers such calls itself and starts none. */
static int port_tool_effect(void *arg UNUSED, struct str tool UNUSED)
{
    return EFFECT_UNKNOWN_TOOL;
}

static void port_tool_start(void *arg UNUSED, const struct tool_call *call UNUSED)
{
    assert(!"no tool exists");
}

static void port_tool_cancel(void *arg UNUSED, struct str session_id UNUSED, uint32_t call UNUSED)
{
}

static void port_abandon(void *arg, struct str session_id)
{
    struct server *s = arg;

    model_port_abort(s->model_port, session_id);
    timer_port_abandon(s->timer_port, session_id);
}

static void port_timer(void *arg, struct str session_id, int64_t in_ms, const struct input *in)
{
    struct server *s = arg;

    timer_port_start(s->timer_port, session_id, in_ms, in);
}

static void port_reply(void *arg, const struct reply *reply)
{
    struct server *s = arg;

    if (s->face != NULL)
        face_reply(s->face, reply);
}

static void on_flush(void *arg)
{
    struct server *s = arg;

    if (s->engine != NULL)
        engine_flush(s->engine);
}

static void port_defer(void *arg)
{
    struct server *s = arg;

    loop_defer(s->loop, on_flush, s);
}

static void on_alarm(void *arg)
{
    struct server *s = arg;

    engine_tick(s->engine);
}

static void port_alarm(void *arg, int64_t in_ms)
{
    struct server *s = arg;

    if (in_ms < 0)
        timer_stop(s->alarm);
    else
        timer_start(s->alarm, in_ms);
}

static bool port_trusted(void *arg UNUSED)
{
    return true;
}

/* ---- the store's answers ---- */

static void on_poll(void *arg)
{
    struct server *s = arg;

    atomic_store(&s->poll_posted, false);
    store_poll(s->store);
}

/* Any thread. One post is enough for however much there is. */
static void on_notify(void *arg)
{
    struct server *s = arg;

    if (!atomic_exchange(&s->poll_posted, true))
        loop_post(s->loop, on_poll, s);
}

static void on_appended(void *arg, const struct appended *done)
{
    struct server *s = arg;

    if (s->engine != NULL)
        engine_on_appended(s->engine, done);
}

static void on_feed(void *arg, uint64_t newest)
{
    struct server *s = arg;

    if (s->engine != NULL)
        engine_on_feed(s->engine, newest);
}

static void on_opened(void *arg, struct opened *o)
{
    struct server *s = arg;

    if (s->engine != NULL)
        engine_on_opened(s->engine, o);
    opened_free(o);
}

/* ---- models ---- */

static int add_providers(struct model_registry *r, const struct config *c, struct err *err)
{
    bool has_offline = false;

    for (size_t i = 0; i < config_provider_count(c); i++) {
        struct config_provider p;
        struct model_provider add;
        int rc = config_provider(c, i, &p, err);

        if (rc < 0)
            return rc;
        add = (struct model_provider){p.name, p.driver, p.base_url, p.api_key, p.models};
        rc = model_registry_add(r, &add, err);
        if (rc < 0)
            return rc;
        has_offline = has_offline || strcmp(p.name, CONFIG_BUILT_IN_PROVIDER) == 0;
    }
    /* Last, so that it is the default only where nothing else is. */
    return has_offline ? 0
                       : model_registry_add(
                             r, &(struct model_provider){.name = CONFIG_BUILT_IN_PROVIDER, .driver = "offline"}, err);
}

static int set_default_model(struct model_registry *r, const struct config *c, struct err *err)
{
    const char *wanted = config_text(c, CONFIG_DEFAULTS_MODEL);
    CLEANUP(buf_done) struct buf provider_name = BUF_INIT, model_name = BUF_INIT;
    struct config_provider first;
    struct str provider, model;
    int rc;

    /* By name: after a reload the first that is configured need not be the first that came. */
    if (config_provider_count(c) > 0 && config_provider(c, 0, &first, NULL) == 0)
        model_registry_set_default(r, first.name, NULL);
    else
        model_registry_set_default(r, NULL, NULL);
    if (wanted == NULL)
        return 0;
    rc = model_resolve(r, STR_NULL, str_of(wanted), &provider, &model, err);
    if (rc < 0)
        return err_wrap(err, "defaults.model");
    buf_add_str(&provider_name, provider);
    buf_add_str(&model_name, model);
    model_registry_set_default(r, provider_name.p, model_name.p);
    return 0;
}

static int set_up_models(struct model_registry *r, const struct config *c, struct err *err)
{
    int rc = add_providers(r, c, err);

    if (rc == 0)
        rc = set_default_model(r, c, err);
    if (rc == 0)
        model_registry_set_timers(r, config_number(c, CONFIG_LIMITS_MODEL_HEADERS_MS),
                                  config_number(c, CONFIG_LIMITS_MODEL_CONTENT_MS),
                                  config_number(c, CONFIG_LIMITS_MODEL_IDLE_MS));
    return rc;
}

static int resolve_model(void *arg, struct str provider, struct str ref, struct str *out_provider,
                         struct str *out_model, struct err *err)
{
    const struct server *s = arg;

    return model_resolve(s->models, provider, ref, out_provider, out_model, err);
}

int server_default_model(const struct server *s, struct buf *out, struct err *err)
{
    struct str provider, model;
    int rc = model_resolve(s->models, STR_NULL, STR_NULL, &provider, &model, err);

    if (rc == 0)
        buf_addf(out, STR_FMT "/" STR_FMT, STR_ARG(provider), STR_ARG(model));
    return rc;
}

/* What requests leave open, and the most that they may ask for. */
static void set_up_runs(struct server *s, const struct config *c)
{
    const struct run_limits limits = config_run_limits(c);

    face_set_default_effort(s->face, config_text(c, CONFIG_DEFAULTS_EFFORT));
    face_set_limits(s->face, &limits);
}

int server_reload(struct server *s, const struct config *config, struct err *err)
{
    struct model_registry *trial;
    int rc = model_registry_new(s->loop, NULL, &trial, err);

    if (rc < 0)
        return rc;
    /* All of it or nothing: a mistake in the file leaves the server as it was. */
    rc = set_up_models(trial, config, err);
    model_registry_free(trial);
    if (rc == 0)
        rc = set_up_models(s->models, config, err);
    if (rc < 0)
        return rc;
    price_list_free(s->prices);
    s->prices = config_prices(config);
    set_up_runs(s, config);
    return 0;
}

/* ---- opening ---- */

uint64_t server_file_limit(const struct rlimit *files)
{
    rlim_t most = files->rlim_max < FILES_WANTED ? files->rlim_max : FILES_WANTED;

    return files->rlim_cur < most ? most : files->rlim_cur;
}

uint64_t server_raise_file_limit(void)
{
    struct rlimit files;
    rlim_t before;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return 0;
    before = files.rlim_cur;
    files.rlim_cur = server_file_limit(&files);
    return files.rlim_cur == before || setrlimit(RLIMIT_NOFILE, &files) == 0 ? files.rlim_cur : before;
}

bool server_is_loopback(const char *address)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (strcmp(address, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, address, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static int check_bind(const struct config *c, struct err *err)
{
    const char *address = config_text(c, CONFIG_SERVER_BIND);

    if (server_is_loopback(address))
        return 0;
    if (config_truth(c, CONFIG_SERVER_COMPAT_OPEN_LOOPBACK))
        return err_set(err, ERR_FORBIDDEN,
                       "%s is reachable from other machines: refused together with --compat-open-loopback; bind "
                       "127.0.0.1, or leave that option away",
                       address);
    if (!config_truth(c, CONFIG_SERVER_INSECURE_WIDE_BIND))
        return err_set(err, ERR_FORBIDDEN,
                       "%s is reachable from other machines, and there is no TLS yet: bind 127.0.0.1 behind a proxy "
                       "that has it, or set server.insecure_wide_bind",
                       address);
    return 0;
}

static int open_store(struct server *s, struct err *err)
{
    const struct sqlite_options options = {.data_dir = s->o.home->path, .read_only = s->o.read_only};
    const struct store_callbacks callbacks = {
        .notify = on_notify, .on_appended = on_appended, .on_opened = on_opened, .on_feed = on_feed, .arg = s};
    int rc = sqlite_store_open(&options, &s->store, err);

    if (rc == 0)
        store_set_callbacks(s->store, &callbacks);
    return rc;
}

static int open_models(struct server *s, struct err *err)
{
    int rc;

    s->http_client = http_client_new(s->loop);
    rc = model_registry_new(s->loop, s->http_client, &s->models, err);
    if (rc == 0 && !s->o.read_only)
        rc = set_up_models(s->models, s->o.config, err);
    if (rc < 0)
        return rc;
    s->prices = config_prices(s->o.config);
    s->model_port = model_port_new(s->models);
    return 0;
}

static void open_engine(struct server *s)
{
    const struct ports ports = {
        .arg = s,
        .now = port_now,
        .mono = port_mono,
        .model_start = port_model_start,
        .model_abort = port_model_abort,
        .price = port_price,
        .tool_effect = port_tool_effect,
        .tool_start = port_tool_start,
        .tool_cancel = port_tool_cancel,
        .abandon = port_abandon,
        .timer = port_timer,
        .reply = port_reply,
        .defer = port_defer,
        .alarm = port_alarm,
        .trusted = port_trusted,
    };
    const struct engine_options options = {.node = store_writer(s->store)};

    s->timer_port = timer_port_new(s->loop);
    s->alarm = timer_new(s->loop, "engine.alarm", on_alarm, s);
    s->audit = timer_new(s->loop, "engine.audit", on_audit, s);
    s->engine = engine_new(s->store, &ports, &options);
    model_port_set_engine(s->model_port, s->engine);
    timer_port_set_engine(s->timer_port, s->engine);
}

static bool is_ready(void *arg, struct err *err)
{
    const struct server *s = arg;

    if (s->stopping)
        err_set(err, ERR_UNAVAILABLE, "The server is stopping.");
    else if (!engine_is_recovered(s->engine))
        err_set(err, ERR_UNAVAILABLE, "The runs of the last life are being taken up.");
    else
        return true;
    return false;
}

static void write_status(void *arg, enum face_status_form form, const struct process_stats *process, struct buf *out)
{
    const struct server *s = arg;
    const struct status_sources sources = {
        .version = CULM_VERSION,
        .boot_id = s->boot,
        .started_at = s->started_at,
        .started_mono_ms = s->started_mono_ms,
        .store = s->store,
        .engine = s->engine,
        .loop = s->loop,
        .http = s->http,
        .traffic = face_traffic(s->face),
        .models = s->models,
    };
    struct status status;
    struct arena arena;

    arena_init(&arena);
    status_collect(&sources, process, &arena, &status);
    if (form == FACE_STATUS_JSON)
        status_write_json(&status, out);
    else
        status_write_prometheus(&status, out);
    arena_done(&arena);
}

static int open_face(struct server *s, struct err *err)
{
    const struct config *c = s->o.config;
    const struct face_options options = {
        .engine = s->engine,
        .loop = s->loop,
        .workers = s->workers,
        .boot_id = s->boot,
        .version = CULM_VERSION,
        .token = s->o.tcp ? s->token : NULL,
        .open_loopback = s->o.tcp && config_truth(c, CONFIG_SERVER_COMPAT_OPEN_LOOPBACK),
        .is_archive = s->o.read_only,
        .hosts = config_list(c, CONFIG_SERVER_HOSTS),
        .origins = config_list(c, CONFIG_SERVER_ORIGINS),
        .resolve_model = resolve_model,
        .ready = is_ready,
        .write_status = write_status,
        .arg = s,
        .default_system_prompt = config_text(c, CONFIG_DEFAULTS_SYSTEM_PROMPT),
    };
    struct http_server_options http = {.on_request = face_request, .body_limit = face_body_limit};

    s->face = face_new(&options);
    set_up_runs(s, c);
    http.arg = s->face;
    return http_server_new(s->loop, &http, &s->http, err);
}

static int open_all(struct server *s, struct err *err)
{
    int rc = s->o.tcp ? check_bind(s->o.config, err) : 0;

    if (rc == 0)
        rc = open_models(s, err);
    if (rc == 0 && !s->o.read_only)
        rc = home_make(s->o.home, err);
    if (rc == 0)
        rc = open_store(s, err);
    if (rc == 0 && s->o.tcp)
        rc = token_open(s->o.home->path, s->token, err);
    if (rc == 0)
        rc = workers_new(s->loop, WORKERS, &s->workers, err);
    if (rc < 0)
        return rc;
    open_engine(s);
    return open_face(s, err);
}

int server_open(const struct server_options *o, struct server **out, struct err *err)
{
    struct server *s = mem_zalloc(sizeof(*s));
    int rc;

    s->o = *o;
    s->loop = o->loop;
    id_random(s->boot);
    s->started_at = clock_wall_ms();
    s->started_mono_ms = clock_mono_ms();
    rc = open_all(s, err);
    if (rc < 0)
        server_free(s);
    else
        *out = s;
    return rc;
}

void server_recover(struct server *s)
{
    assert(!s->o.read_only);
    engine_recover(s->engine);
    arm_audit(s); /* should this first look fail, the next one repeats it */
}

int server_listen(struct server *s, struct err *err)
{
    const char *bind = config_text(s->o.config, CONFIG_SERVER_BIND), *path = home_socket(s->o.home);
    struct server_info info = {.boot = s->boot, .version = CULM_VERSION, .socket = s->o.home->socket};
    int rc;

    if (s->o.read_only)
        return http_server_listen_unnamed(s->http, s->unnamed_socket, err);
    if (path == NULL)
        return err_set(err, ERR_IO, "%s: the path is too long for a Unix socket and there is no /proc to shorten it",
                       s->o.home->socket);
    if (s->o.tcp) {
        s->port = (uint16_t)config_number(s->o.config, CONFIG_SERVER_PORT);
        rc = http_server_listen_tcp(s->http, bind, &s->port, err);
        if (rc < 0 && err->sys == EADDRINUSE)
            return err_set(err, ERR_NETWORK,
                           "port %u of %s is taken by another program; use --port N, 0 for a free one", s->port, bind);
        if (rc < 0)
            return rc;
        info.address = strcmp(bind, "localhost") == 0 ? "127.0.0.1" : bind;
        info.port = s->port;
        server_url(info.address, info.port, &s->address);
    }
    rc = http_server_listen_unix(s->http, path, err);
    if (rc == 0)
        rc = server_info_write(s->o.home, &info, err);
    s->has_info = rc == 0;
    return rc;
}

const char *server_address(const struct server *s)
{
    return s->address.p;
}

const char *server_socket(const struct server *s)
{
    return s->o.read_only ? s->unnamed_socket : home_socket(s->o.home);
}

/* ---- the end ---- */

static void on_stop_step(void *arg)
{
    struct server *s = arg;

    bool is_quiet = engine_is_idle(s->engine) && http_server_streams(s->http) == 0;

    /* Quiet twice: what the last commit made known has been written to its socket by then. */
    s->quiet_steps = is_quiet ? s->quiet_steps + 1 : 0;
    if (clock_mono_ms() < s->stop_until && s->quiet_steps < 2) {
        timer_start(s->stop_timer, STOP_STEP_MS);
        return;
    }
    s->stopped(s->stopped_arg);
}

void server_stop(struct server *s, loop_fn *done, void *arg)
{
    assert(!s->stopping);
    s->stopping = true;
    s->stopped = done;
    s->stopped_arg = arg;
    s->stop_until = clock_mono_ms() + STOP_MS;
    http_server_stop_listening(s->http);
    engine_park(s->engine);
    face_close_streams(s->face);
    s->stop_timer = timer_new(s->loop, "server.stop", on_stop_step, s);
    timer_start(s->stop_timer, 0);
}

void server_free(struct server *s)
{
    if (s == NULL)
        return;
    if (s->has_info)
        server_info_remove(s->o.home);
    if (s->http != NULL)
        http_server_stop_listening(s->http);
    if (s->face != NULL)
        face_close_streams(s->face);
    workers_free(s->workers);
    face_free(s->face);
    s->face = NULL;
    engine_free(s->engine);
    s->engine = NULL;
    store_close(s->store);
    http_server_free(s->http);
    timer_port_free(s->timer_port);
    model_port_free(s->model_port);
    model_registry_free(s->models);
    price_list_free(s->prices);
    http_client_free(s->http_client);
    timer_free(s->alarm);
    timer_free(s->audit);
    timer_free(s->stop_timer);
    buf_done(&s->address);
    mem_free(s);
}
