/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * libcurl, loaded when the first call is made and never unloaded: it brings some thirty libraries
 * along, more than half of the memory of an idle server and of the time of its start, and a server
 * that has not spoken to a provider yet needs none of them. Any thread.
 */
#include "base/err.h"

#define CURL_DISABLE_TYPECHECK /* its macros would name the functions */
#include <curl/curl.h>

#define CURL_FUNCTIONS(X)                                                                                              \
    X(easy_cleanup)                                                                                                    \
    X(easy_getinfo)                                                                                                    \
    X(easy_header)                                                                                                     \
    X(easy_init)                                                                                                       \
    X(easy_setopt)                                                                                                     \
    X(easy_strerror)                                                                                                   \
    X(free)                                                                                                            \
    X(global_init_mem)                                                                                                 \
    X(multi_add_handle)                                                                                                \
    X(multi_assign)                                                                                                    \
    X(multi_cleanup)                                                                                                   \
    X(multi_info_read)                                                                                                 \
    X(multi_init)                                                                                                      \
    X(multi_remove_handle)                                                                                             \
    X(multi_setopt)                                                                                                    \
    X(multi_socket_action)                                                                                             \
    X(slist_append)                                                                                                    \
    X(slist_free_all)                                                                                                  \
    X(url)                                                                                                             \
    X(url_cleanup)                                                                                                     \
    X(url_get)                                                                                                         \
    X(url_set)

struct curl_library {
#define X(name) __typeof__(curl_##name) *name;
    CURL_FUNCTIONS(X)
#undef X
};

/* NULL: it cannot be loaded (ERR_UNSUPPORTED says what to install). */
const struct curl_library *curl_library_load(struct err *err);
