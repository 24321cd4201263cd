/* SPDX-License-Identifier: MIT */
#include "run/ask.h"

#include "base/json.h"
#include "base/limits.h"
#include "base/str.h"

static int wrong(struct err *err, const char *what)
{
    return err_set(err, ERR_BAD_REQUEST, "%s", what);
}

/* *out stays as it is where the member is missing or null. */
static int read_text(const struct json *args, const char *name, struct str *out, struct err *err)
{
    const struct json *node = json_find(args, name);

    if (node == NULL || node->type == JSON_NULL)
        return 0;
    if (node->type != JSON_STRING)
        return err_set(err, ERR_BAD_REQUEST, "%s: expected text", name);
    if (node->text.n > LIMIT_QUESTION_BYTES)
        return err_set(err, ERR_BAD_REQUEST, "%s: at most %d bytes", name, LIMIT_QUESTION_BYTES);
    *out = str_trim(node->text);
    return 0;
}

static bool is_option(const struct ask *ask, struct str text)
{
    for (uint32_t i = 0; i < ask->n_options; i++)
        if (str_eq(ask->options[i], text))
            return true;
    return false;
}

static int read_options(const struct json *args, struct arena *a, struct ask *out, struct err *err)
{
    const struct json *list = json_find(args, "options");

    if (list == NULL || list->type == JSON_NULL)
        return 0;
    if (list->type != JSON_ARRAY || list->count > LIMIT_QUESTION_OPTIONS)
        return err_set(err, ERR_BAD_REQUEST, "options: expected a list of at most %d texts", LIMIT_QUESTION_OPTIONS);
    out->options = arena_alloc(a, list->count * sizeof(*out->options) + 1);
    for (const struct json *it = list->first; it != NULL; it = it->next) {
        struct str text = str_trim(json_text(it));

        if (text.n == 0 || text.n > LIMIT_QUESTION_BYTES || is_option(out, text))
            return wrong(err, "options: each must be a text of its own, and not empty");
        out->options[out->n_options++] = text;
    }
    if (out->n_options > 0)
        out->options_json = list->raw;
    return 0;
}

static int read_deadline(const struct json *args, struct ask *out, struct err *err)
{
    const struct json *node = json_find(args, "deadline_seconds");

    if (node == NULL || node->type == JSON_NULL)
        return 0;
    if (node->type != JSON_INT || node->number < 1 || node->number > LIMIT_QUESTION_SECONDS)
        return err_set(err, ERR_BAD_REQUEST, "deadline_seconds: expected a whole number from 1 to %d",
                       LIMIT_QUESTION_SECONDS);
    out->deadline_ms = node->number * 1000;
    return 0;
}

static int read_allow_custom(const struct json *args, struct ask *out, struct err *err)
{
    const struct json *node = json_find(args, "allow_custom");

    out->allow_custom = true;
    if (node == NULL || node->type == JSON_NULL)
        return 0;
    if (node->type != JSON_BOOL)
        return wrong(err, "allow_custom: expected true or false");
    out->allow_custom = node->truth || out->n_options == 0;
    return 0;
}

int ask_read(struct str args, struct arena *a, struct ask *out, struct err *err)
{
    struct json *node;
    int rc = json_parse(a, args, &node, err);

    *out = (struct ask){0};
    if (rc < 0)
        return rc;
    if (node->type != JSON_OBJECT)
        return wrong(err, "expected an object with \"question\"");
    rc = read_text(node, "question", &out->question, err);
    if (rc == 0 && out->question.n == 0)
        rc = wrong(err, "question: must not be empty");
    if (rc == 0)
        rc = read_options(node, a, out, err);
    if (rc == 0)
        rc = read_allow_custom(node, out, err);
    if (rc == 0)
        rc = read_deadline(node, out, err);
    if (rc == 0)
        rc = read_text(node, "default", &out->fallback, err);
    if (rc == 0 && out->fallback.n > 0 && ask_accept(out, out->fallback).p == NULL)
        rc = wrong(err, "default: must be one of the options");
    return rc;
}

struct str ask_accept(const struct ask *ask, struct str answer)
{
    struct str text = str_trim(answer);

    return text.n > 0 && (ask->allow_custom || is_option(ask, text)) ? text : STR_NULL;
}
