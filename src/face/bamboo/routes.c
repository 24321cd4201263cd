/* SPDX-License-Identifier: MIT */
#include "face/bamboo/bamboo.h"
#include "face/bamboo/requests.h"

/* What acts on one session stands under it, and alone: clients use both. */
#define OF_SESSION(method, name, handler, flags, body)                                                                 \
    {method, AT_API, "/sessions/{session}/" name, handler, flags, body},                                               \
    {                                                                                                                  \
        method, AT_API, "/" name "/{session}", handler, flags, body                                                    \
    }

const struct route bamboo_routes[] = {
    {HTTP_GET, AT_API | AT_V1, "/health", health_get, ROUTE_PUBLIC, NULL},
    {HTTP_GET, AT_ROOT, "/healthz", healthz_get, ROUTE_PUBLIC, NULL},
    {HTTP_GET, AT_ROOT, "/readyz", readyz_get, ROUTE_PUBLIC, NULL},
    {HTTP_GET, AT_API, "/bootstrap", bootstrap_get, ROUTE_PUBLIC, NULL},
    {HTTP_GET, AT_API, "/status", status_get, 0, NULL},
    {HTTP_GET, AT_ROOT, "/metrics", metrics_get, 0, NULL},

    {HTTP_POST, AT_API, "/chat", chat_post, ROUTE_LARGE_BODY | ROUTE_KEYED, &chat_record},
    OF_SESSION(HTTP_POST, "execute", execute_post, ROUTE_KEYED, &execute_record),
    OF_SESSION(HTTP_GET, "events", events_get, 0, NULL),
    OF_SESSION(HTTP_POST, "stop", stop_post, ROUTE_KEYED, NULL),
    OF_SESSION(HTTP_GET, "history", history_get, 0, NULL),
    OF_SESSION(HTTP_POST, "respond", respond_post, ROUTE_KEYED, &respond_record),
    {HTTP_GET, AT_API, "/sessions/{session}/respond/pending", respond_pending_get, 0, NULL},
    {HTTP_GET, AT_API, "/respond/{session}/pending", respond_pending_get, 0, NULL},
    {HTTP_GET, AT_API, "/questions", questions_get, 0, NULL},

    {HTTP_GET, AT_API, "/sessions/{session}/guidance", guidance_get, 0, NULL},
    {HTTP_POST, AT_API, "/sessions/{session}/guidance", guidance_post, ROUTE_KEYED, &guidance_record},
    {HTTP_DELETE, AT_API, "/sessions/{session}/guidance/{message}", guidance_delete, ROUTE_KEYED, NULL},
    {HTTP_POST, AT_API, "/sessions/{session}/messages/truncate", messages_truncate_post, ROUTE_KEYED, &truncate_record},
    {HTTP_PATCH, AT_API, "/sessions/{session}/messages/{message}", message_patch, ROUTE_LARGE_BODY | ROUTE_KEYED,
     &message_record},
    {HTTP_DELETE, AT_API, "/sessions/{session}/messages/{message}", message_delete, ROUTE_KEYED, NULL},
    {HTTP_POST, AT_API, "/sessions/{session}/restore", restore_post, ROUTE_KEYED, &restore_record},
    {HTTP_POST, AT_API, "/sessions/{session}/clear", clear_post, ROUTE_KEYED, NULL},
    {HTTP_POST, AT_API, "/sessions/{session}/copy", copy_post, ROUTE_KEYED, NULL},
    {HTTP_POST, AT_API, "/sessions/{session}/fork", fork_post, ROUTE_KEYED, &fork_record},

    {HTTP_GET, AT_API, "/stream", feed_get, 0, NULL},
    {HTTP_GET, AT_API, "/sessions", sessions_get, 0, NULL},
    {HTTP_POST, AT_API, "/sessions", sessions_post, ROUTE_KEYED, &create_record},
    {HTTP_POST, AT_API, "/sessions/cleanup", cleanup_post, 0, &cleanup_record},
    {HTTP_GET, AT_API, "/sessions/{session}", session_get, 0, NULL},
    {HTTP_PATCH, AT_API, "/sessions/{session}", session_patch, 0, &patch_record},
    {HTTP_DELETE, AT_API, "/sessions/{session}", session_delete, 0, NULL},

    {HTTP_GET, AT_API, "/sessions/{session}/facts", facts_get, 0, NULL},
    {HTTP_GET, AT_API, "/sessions/{session}/runs", session_runs_get, 0, NULL},
    {HTTP_GET, AT_API, "/runs/active", runs_active_get, 0, NULL},
    {HTTP_GET, AT_API, "/runs/{run}", run_get, 0, NULL},

    {HTTP_GET, AT_API, "/log-levels", log_levels_get, 0, NULL},
    {HTTP_PUT, AT_API, "/log-levels", log_levels_put_all, 0, &log_levels_record},
};
const size_t bamboo_routes_count = ARRAY_LEN(bamboo_routes);
