/* SPDX-License-Identifier: MIT */
#include "model/offline_script.h"

#include "base/str.h"
#include "base/utf8.h"

#define MARK STR("#!culm ")
#define PIECE_BYTES 64 /* a "word" is cut after so many: not every language has blanks */
#define TOKENS_MAX 1000000
#define DELAY_MS_MAX (10 * 60 * 1000)

#define FIELD(type_, struct_, member)                                                                                  \
    .name = #member, .type = RECORD_##type_, .offset = offsetof(struct struct_, member)

static const struct record_field tool_fields[] = {
    {FIELD(STR, offline_tool, name), .flags = RECORD_REQUIRED | RECORD_STRICT},
    {FIELD(RAW, offline_tool, args)},
};
static const struct record tool_record = {"tool", sizeof(struct offline_tool), tool_fields, ARRAY_LEN(tool_fields)};

static const struct record_field error_fields[] = {
    {FIELD(I64, offline_error, status), .flags = RECORD_REQUIRED | RECORD_STRICT, .min = 300, .max = 599},
    {FIELD(I64, offline_error, retry_after), .min = 0, .max = 86400},
};
static const struct record error_record = {"error", sizeof(struct offline_error), error_fields,
                                           ARRAY_LEN(error_fields)};

static const struct record_field usage_fields[] = {
    {FIELD(I64, usage, prompt_tokens), .flags = RECORD_STRICT, .min = 0, .max = INT64_MAX},
    {FIELD(I64, usage, completion_tokens), .min = 0, .max = INT64_MAX},
    {FIELD(I64, usage, reasoning_tokens), .min = 0, .max = INT64_MAX},
    {FIELD(I64, usage, cached_tokens), .min = 0, .max = INT64_MAX},
};
static const struct record counted_record = {"usage", sizeof(struct usage), usage_fields, ARRAY_LEN(usage_fields)};

static const char *const hang_names[] = {"none", "headers", "content", "chunk", NULL};

static const struct record_field line_fields[] = {
    {FIELD(STR, offline_line, say), .flags = RECORD_STRICT},
    {FIELD(STR, offline_line, reason)},
    {FIELD(U32, offline_line, tokens), .min = 0, .max = TOKENS_MAX},
    {FIELD(I64, offline_line, delay_ms), .min = 0, .max = DELAY_MS_MAX},
    {FIELD(OBJECT, offline_line, tool), .of = &tool_record},
    {FIELD(LIST, offline_line, tools), .of = &tool_record},
    {FIELD(OBJECT, offline_line, usage), .of = &counted_record},
    {FIELD(OBJECT, offline_line, error), .of = &error_record},
    {FIELD(ENUM, offline_line, hang), .names = hang_names},
    {FIELD(BOOL, offline_line, cut)},
};
static const struct record line_record = {"script", sizeof(struct offline_line), line_fields, ARRAY_LEN(line_fields)};

/* Finds line `wanted` (from 0), or the last one where there are fewer. Returns its number, 0: none. */
static size_t find_line(struct str text, uint32_t wanted, struct str *line)
{
    size_t n = 0;
    struct str one;

    while (n <= wanted && str_next(&text, '\n', &one)) {
        if (!str_has_prefix(one, MARK))
            continue;
        *line = str_trim(str_skip(one, MARK.n));
        n++;
    }
    return n;
}

static bool ended_a_run(const struct message *m)
{
    bool is_cut = m->interrupted && m->text.n > 0; /* without a word no model is shown it */

    return m->role == ROLE_ASSISTANT && (is_cut || (m->calls.count == 0 && !m->interrupted));
}

bool offline_script_find(const struct message *messages, size_t n, uint32_t call_index, struct str *line,
                         size_t *number)
{
    for (size_t i = n; i > 0 && !ended_a_run(&messages[i - 1]); i--) {
        if (messages[i - 1].role != ROLE_USER)
            continue;
        *number = find_line(messages[i - 1].text, call_index, line);
        if (*number > 0)
            return true;
    }
    return false;
}

int offline_script_read(struct str line, size_t number, struct arena *a, struct offline_line *out, struct err *err)
{
    struct json *root;
    int rc = json_parse(a, line, &root, err);

    if (rc == 0)
        rc = record_read(&line_record, root, a, out, err);
    if (rc != 0)
        return err_wrap(err, "line %zu of the #!culm script", number);
    return 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* A word and the blanks behind it. */
static size_t word_length(struct str text)
{
    size_t n = 0;

    /* A longer one is cut anyway: looking for its end would cost the square of its length. */
    while (n < text.n && n <= PIECE_BYTES && !is_blank(text.p[n]))
        n++;
    while (n < text.n && n <= PIECE_BYTES && is_blank(text.p[n]))
        n++;
    return n > PIECE_BYTES ? utf8_floor(text, PIECE_BYTES) : n;
}

void offline_pieces_init(struct offline_pieces *p, struct str text, uint32_t count)
{
    *p = (struct offline_pieces){.text = text, .left = count};
    while (text.n > 0) {
        text = str_skip(text, word_length(text));
        p->words++;
    }
    if (p->words > 0 && (count == 0 || count > p->words))
        p->left = p->words;
}

static struct str filler(size_t i)
{
    static const char *const words[] = {"culm ",   "node ", "leaf ", "sheath ", "root ", "shoot ", "grove ", "ring ",
                                        "hollow ", "reed ", "stem ", "blade ",  "seed ", "bud ",   "joint ", "cane\n"};

    return str_of(words[i % ARRAY_LEN(words)]);
}

bool offline_pieces_next(struct offline_pieces *p, struct str *piece)
{
    size_t take, n = 0;

    if (p->left == 0)
        return false;
    if (p->words == 0) {
        *piece = filler(p->given++);
        p->left--;
        return true;
    }
    take = (p->words + p->left - 1) / p->left;
    for (size_t i = 0; i < take; i++)
        n += word_length(str_skip(p->text, n));
    *piece = (struct str){p->text.p, n};
    p->text = str_skip(p->text, n);
    p->words -= take;
    p->left--;
    p->given++;
    return true;
}
