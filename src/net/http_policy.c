/* SPDX-License-Identifier: MIT */
#include "net/http_policy.h"

#include "base/limits.h"
#include "base/str.h"

#include <arpa/inet.h>

/* The library answers lines shorter than "GET / HTTP/1.1" itself; no method has fewer letters. */
enum { METHOD_MIN = 3 };
enum { METHOD_MAX = 23, LENGTH_DIGITS_MAX = 18, CHUNK_DIGITS_MAX = 15 };

/* RFC 9110 section 5.6.2. */
static bool is_token_char(unsigned char c)
{
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
        return true;
    return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_token_char((unsigned char)s.p[i]))
            return false;
    return s.n > 0;
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

size_t http_head_end(struct str bytes, size_t from)
{
    size_t i = from > 2 ? from - 2 : 0; /* the line end may have been cut */

    while (i < bytes.n) {
        const char *lf = memchr(bytes.p + i, '\n', bytes.n - i);

        if (lf == NULL)
            return 0;
        i = (size_t)(lf - bytes.p) + 1;
        if (i < bytes.n && bytes.p[i] == '\n')
            return i + 1;
        if (i + 1 < bytes.n && bytes.p[i] == '\r' && bytes.p[i + 1] == '\n')
            return i + 2;
    }
    return 0;
}

static bool next_line(struct str *rest, struct str *line)
{
    if (!str_next(rest, '\n', line))
        return false;
    if (line->n > 0 && line->p[line->n - 1] == '\r')
        line->n--;
    return true;
}

/* --- request line --- */

static int check_target(struct str method, struct str target, const char **why)
{
    for (size_t i = 0; i < target.n; i++) {
        if (is_control(target.p[i]) || target.p[i] == ' ' || target.p[i] == '#') {
            *why = "The request target holds a character that must be percent-encoded.";
            return 400;
        }
    }
    if (str_find(target, STR("%00")) >= 0) {
        *why = "The request target holds an encoded NUL.";
        return 400;
    }
    if (str_is(method, "CONNECT")) {
        *why = "This server is no proxy.";
        return 400;
    }
    if (target.n == 0 || (target.p[0] != '/' && str_find(target, STR("://")) < 0 &&
                          !(str_is(method, "OPTIONS") && str_is(target, "*")))) {
        *why = "The request target must be a path that begins with '/'.";
        return 400;
    }
    /* The library would take what follows for a host. */
    if (str_has_prefix(target, STR("//"))) {
        *why = "The request target begins with two slashes.";
        return 400;
    }
    return 0;
}

static int check_request_line(struct str line, struct http_head *out, const char **why)
{
    struct str rest = line, version;

    *why = "The request line must be: METHOD SP target SP HTTP/1.1.";
    if (line.n > LIMIT_URI_BYTES + METHOD_MAX + sizeof("  HTTP/1.1")) {
        *why = "The request target is too long.";
        return 414;
    }
    if (!str_next(&rest, ' ', &out->method) || !str_next(&rest, ' ', &out->target) || !str_next(&rest, ' ', &version) ||
        rest.n > 0)
        return 400;
    if (!is_token(out->method) || out->method.n < METHOD_MIN || out->method.n > METHOD_MAX)
        return 400;
    if (!str_is(version, "HTTP/1.1") && !str_is(version, "HTTP/1.0"))
        return 400;
    if (line.n != out->method.n + out->target.n + version.n + 2)
        return 400;
    if (out->target.n > LIMIT_URI_BYTES) {
        *why = "The request target is too long.";
        return 414;
    }
    out->is_http10 = str_is(version, "HTTP/1.0");
    return check_target(out->method, out->target, why);
}

/* --- header fields --- */

struct seen {
    unsigned hosts, lengths, encodings;
    struct str host;
};

static int check_length(struct str value, struct http_head *out, const char **why)
{
    uint64_t n = 0;

    *why = "Content-Length must be one number of decimal digits.";
    if (value.n == 0)
        return 400;
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return 400;
    }
    while (value.n > 1 && value.p[0] == '0')
        value = str_skip(value, 1);
    if (value.n > LENGTH_DIGITS_MAX) {
        *why = "The body is too large.";
        return 413;
    }
    for (size_t i = 0; i < value.n; i++)
        n = n * 10 + (uint64_t)(value.p[i] - '0');
    out->content_length = n;
    return 0;
}

static int check_known_field(struct str name, struct str value, struct seen *seen, struct http_head *out,
                             const char **why)
{
    if (str_eq_nocase(name, STR("host"))) {
        seen->hosts++;
        seen->host = value;
    } else if (str_eq_nocase(name, STR("content-length"))) {
        seen->lengths++;
        return check_length(value, out, why);
    } else if (str_eq_nocase(name, STR("transfer-encoding"))) {
        seen->encodings++;
        out->is_chunked = true;
        if (!str_eq_nocase(value, STR("chunked"))) {
            *why = "The only transfer encoding is chunked.";
            return 400;
        }
    } else if (str_eq_nocase(name, STR("expect")) && !str_eq_nocase(value, STR("100-continue"))) {
        *why = "The only expectation is 100-continue.";
        return 417;
    }
    return 0;
}

static int check_field(struct str line, struct seen *seen, struct http_head *out, const char **why)
{
    const char *colon = line.n > 0 ? memchr(line.p, ':', line.n) : NULL;
    struct str name, value;

    if (line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t')) {
        *why = "Folded header lines are not accepted.";
        return 400;
    }
    *why = "A header line must be: name, colon, value; with no space before the colon.";
    if (colon == NULL)
        return 400;
    name = (struct str){line.p, (size_t)(colon - line.p)};
    value = str_skip(line, name.n + 1);
    if (!is_token(name))
        return 400;
    for (size_t i = 0; i < value.n; i++) {
        if (is_control(value.p[i]) && value.p[i] != '\t') {
            *why = "A header value holds a control character.";
            return 400;
        }
    }
    return check_known_field(name, str_trim(value), seen, out, why);
}

/* --- the message as a whole --- */

static bool is_port(struct str s)
{
    unsigned port = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        port = port * 10 + (unsigned)(s.p[i] - '0');
    }
    return s.n <= 5 && port <= UINT16_MAX;
}

static bool is_address6(struct str s)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;

    return str_copy(text, sizeof(text), s) && inet_pton(AF_INET6, text, &address) == 1;
}

/* HOST, HOST:PORT, [ADDRESS] or [ADDRESS]:PORT; the library answers itself where it finds another. */
static bool is_authority(struct str s)
{
    struct str rest = s, host;

    if (str_has_prefix(s, STR("["))) {
        rest = str_skip(s, 1);
        if (!str_next(&rest, ']', &host) || rest.p == NULL || !is_address6(host))
            return false;
        return rest.n == 0 || (rest.p[0] == ':' && is_port(str_skip(rest, 1)));
    }
    if (!str_next(&rest, ':', &host) || host.n == 0)
        return false;
    for (size_t i = 0; i < host.n; i++)
        if (!is_token_char((unsigned char)host.p[i]) || strchr("#%^`|", host.p[i]) != NULL)
            return false;
    return rest.p == NULL || is_port(rest);
}

/* An absolute target must name the Host, or two readers would route one request to two sites. */
static bool authority_is(struct str target, struct str host)
{
    ptrdiff_t scheme = str_find(target, STR("://"));
    struct str rest = str_skip(target, (size_t)scheme + 3);
    size_t n = 0;

    if (!str_eq_nocase((struct str){target.p, (size_t)scheme}, STR("http")))
        return false;
    while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
        n++;
    rest.n = n;
    return is_authority(rest) && str_eq_nocase(rest, host);
}

static bool method_takes_body(struct str method)
{
    static const char *const names[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_is(method, names[i]))
            return true;
    return false;
}

static int check_message(const struct http_head *head, const struct seen *seen, const char **why)
{
    *why = "A request needs exactly one Host header.";
    if (seen->hosts != 1)
        return 400;
    if (head->target.p[0] != '/' && str_find(head->target, STR("://")) >= 0 &&
        !authority_is(head->target, seen->host)) {
        *why = "The host in the request target differs from the Host header.";
        return 400;
    }
    *why = "The length of the body must be given once, by Content-Length or by chunked encoding.";
    if (seen->lengths > 1 || seen->encodings > 1 || (seen->lengths > 0 && seen->encodings > 0))
        return 400;
    if (head->is_http10 && head->is_chunked) {
        *why = "HTTP/1.0 has no chunked encoding.";
        return 400;
    }
    /* The library reads no body for these and would take it for the next request. */
    if ((head->content_length > 0 || head->is_chunked) && !method_takes_body(head->method)) {
        *why = "This method takes no body.";
        return 400;
    }
    return 0;
}

int http_head_check(struct str head, struct http_head *out, const char **why)
{
    struct http_head h = {0};
    struct seen seen = {0};
    struct str rest = head, line;
    int status;

    *why = "The request is empty.";
    if (!next_line(&rest, &line))
        return 400;
    status = check_request_line(line, &h, why);
    while (status == 0 && next_line(&rest, &line) && line.n > 0)
        status = check_field(line, &seen, &h, why);
    if (status == 0)
        status = check_message(&h, &seen, why);
    if (status != 0)
        return status;
    *out = h;
    return 0;
}

/* --- chunked bodies --- */

enum { CHUNK_SIZE, CHUNK_SIZE_LF, CHUNK_DATA, CHUNK_DATA_CR, CHUNK_DATA_LF, CHUNK_END_CR, CHUNK_END_LF, CHUNK_BAD };

/* The next state after a byte that is not data. */
static uint8_t chunk_step(struct http_chunks *c, char byte)
{
    int hex;

    switch (c->state) {
    case CHUNK_SIZE:
        hex = http_hex_value(byte);
        if (hex >= 0 && c->digits < CHUNK_DIGITS_MAX) {
            c->digits++;
            c->left = c->left * 16 + (uint64_t)hex;
            return CHUNK_SIZE;
        }
        return byte == '\r' && c->digits > 0 ? CHUNK_SIZE_LF : CHUNK_BAD;
    case CHUNK_SIZE_LF:
        if (byte != '\n' || c->left > UINT64_MAX - c->body_bytes)
            return CHUNK_BAD;
        c->body_bytes += c->left;
        c->digits = 0;
        return c->left > 0 ? CHUNK_DATA : CHUNK_END_CR;
    case CHUNK_DATA_CR:
        return byte == '\r' ? CHUNK_DATA_LF : CHUNK_BAD;
    case CHUNK_DATA_LF:
        return byte == '\n' ? CHUNK_SIZE : CHUNK_BAD;
    case CHUNK_END_CR:
        return byte == '\r' ? CHUNK_END_LF : CHUNK_BAD;
    default:
        return CHUNK_BAD;
    }
}

enum http_chunks_next http_chunks_feed(struct http_chunks *c, struct str bytes, size_t *used)
{
    size_t i = 0;

    while (i < bytes.n && c->state != CHUNK_BAD) {
        if (c->state == CHUNK_DATA) {
            size_t n = bytes.n - i < c->left ? bytes.n - i : (size_t)c->left;

            i += n;
            c->left -= n;
            if (c->left == 0)
                c->state = CHUNK_DATA_CR;
        } else if (c->state == CHUNK_END_LF && bytes.p[i] == '\n') {
            *used = i + 1;
            return HTTP_CHUNKS_END;
        } else {
            c->state = chunk_step(c, bytes.p[i++]);
        }
    }
    *used = i;
    return c->state == CHUNK_BAD ? HTTP_CHUNKS_BAD : HTTP_CHUNKS_MORE;
}
