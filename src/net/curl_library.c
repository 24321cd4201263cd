/* SPDX-License-Identifier: MIT */
#include "net/curl_library.h"

#include "base/mem.h"
#include "base/str.h"

#include <dlfcn.h>
#include <pthread.h>

#define SONAME "libcurl.so.4"

static struct curl_library library;
static char failure[200]; /* empty: it is there */

static const struct {
    const char *name;
    size_t offset;
} functions[] = {
#define X(name) {"curl_" #name, offsetof(struct curl_library, name)},
    CURL_FUNCTIONS(X)
#undef X
};

static bool fill(void *handle)
{
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        void *found = dlsym(handle, functions[i].name);

        if (found == NULL)
            return false;
        memcpy((char *)&library + functions[i].offset, &found, sizeof(found));
    }
    return true;
}

static void load(void)
{
    void *handle = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);

    if (handle == NULL || !fill(handle))
        str_copy(failure, sizeof(failure), str_of(dlerror()));
    else if (library.global_init_mem(CURL_GLOBAL_DEFAULT, mem_alloc, mem_free, mem_realloc, mem_strdup, mem_calloc) !=
             CURLE_OK)
        str_copy(failure, sizeof(failure), STR(SONAME ": it cannot be initialised"));
}

const struct curl_library *curl_library_load(struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, load);
    if (failure[0] == '\0')
        return &library;
    err_set(err, ERR_UNSUPPORTED, "no HTTP client: %s; install libcurl 7.88 or newer (package libcurl4)", failure);
    return NULL;
}
