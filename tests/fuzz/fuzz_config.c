/* SPDX-License-Identifier: MIT */
/*
 * A configuration that is accepted is shown as JSON that is accepted too and means the same (but for
 * what is hidden). What is refused has a reason that is UTF-8.
 */
#include "app/config.h"
#include "base/str.h"
#include "base/utf8.h"
#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_accepted(const struct config *c)
{
    CLEANUP(buf_done) struct buf first = BUF_INIT, second = BUF_INIT;
    struct config *again = config_new();
    struct err err;

    CHECK(config_show(c, STR(""), &first, &err) == 0);
    CHECK(utf8_is_valid(buf_str(&first)));
    /* A key is shown as ***, which is refused when it is read. */
    if (config_read_text(again, buf_str(&first), &err) == 0) {
        CHECK(config_show(again, STR(""), &second, &err) == 0);
        CHECK(str_eq(buf_str(&first), buf_str(&second)));
        CHECK(config_needs_restart(c, again) == NULL);
    } else {
        CHECK(strstr(err.text, "api_key") != NULL);
    }
    for (size_t i = 0; i < config_provider_count(c); i++) {
        struct config_provider p;

        CHECK(config_provider(c, i, &p, &err) == 0 || err.code == ERR_BAD_REQUEST);
    }
    buf_clear(&second);
    CHECK(config_explain(c, STR(""), &second, &err) == 0);
    config_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *c = config_new();
    struct err err = {.code = ERR_OK};
    int rc = config_read_text(c, (struct str){(const char *)data, size}, &err);

    if (rc == 0) {
        check_accepted(c);
    } else {
        CHECK(rc == -(int)err.code && (err.code == ERR_BAD_REQUEST || err.code == ERR_TOO_BIG));
        CHECK(err.text[0] != '\0' && utf8_is_valid(str_of(err.text)));
    }
    config_free(c);
    return 0;
}
