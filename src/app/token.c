/* SPDX-License-Identifier: MIT */
#include "app/token.h"

#include "app/small_file.h"
#include "base/str.h"

#include <sodium.h>
#include <sys/stat.h>

enum { TOKEN_BYTES = 32 };

static bool is_token(struct str s)
{
    if (s.n != TOKEN_TEXT - 1)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'a' && s.p[i] <= 'f'))
            return false;
    return true;
}

static int read_token(const char *path, char out[TOKEN_TEXT], struct err *err)
{
    CLEANUP(buf_done) struct buf text = BUF_CAPPED(4 * TOKEN_TEXT);
    int rc = small_file_read(path, &text, err);
    struct stat st;

    if (rc < 0)
        return rc;
    if (!is_token(str_trim(buf_str(&text))))
        return err_set(err, ERR_CORRUPT, "%s holds no token; remove it and a new one is made", path);
    if (stat(path, &st) == 0 && (st.st_mode & 077) != 0)
        return err_set(err, ERR_CORRUPT, "%s may be read by others; remove it (a new one is made), or chmod 600 it",
                       path);
    str_copy(out, TOKEN_TEXT, str_trim(buf_str(&text)));
    return 0;
}

static int make_token(const char *path, struct err *err)
{
    unsigned char raw[TOKEN_BYTES];
    char text[TOKEN_TEXT + 1];
    int rc;

    if (sodium_init() < 0)
        return err_set(err, ERR_INTERNAL, "the machine gives no random numbers");
    randombytes_buf(raw, sizeof(raw));
    sodium_bin2hex(text, TOKEN_TEXT, raw, sizeof(raw));
    text[TOKEN_TEXT - 1] = '\n';
    rc = small_file_create(path, (struct str){text, TOKEN_TEXT}, err);
    sodium_memzero(raw, sizeof(raw));
    sodium_memzero(text, sizeof(text));
    return rc == -ERR_CONFLICT ? 0 : rc; /* somebody was faster: theirs counts */
}

int token_open(const char *data_dir, char out[TOKEN_TEXT], struct err *err)
{
    CLEANUP(buf_done) struct buf path = BUF_INIT;
    int rc;

    buf_addf(&path, "%s/token", data_dir);
    rc = read_token(path.p, out, err);
    if (rc != -ERR_NOT_FOUND)
        return rc;
    rc = make_token(path.p, err);
    return rc < 0 ? rc : read_token(path.p, out, err);
}
