/* SPDX-License-Identifier: MIT */
/*
 * The words behind `culm`, one per line. What is accepted names a command that takes what was given; what is refused
 * has a reason. Every command that is named has a help text.
 */
#include "app/command_line.h"
#include "base/str.h"
#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORDS = 16, TEXT_BYTES = 4096 };

/* Words as the kernel hands them over: terminated, so without NUL. */
static int split(char *text, char *words[WORDS])
{
    int n = 0;

    for (char *next = text; next != NULL && n < WORDS;) {
        words[n++] = next;
        next = strchr(next, '\n');
        if (next != NULL)
            *next++ = '\0';
    }
    return n;
}

static void check_accepted(const struct command_line *line)
{
    CLEANUP(buf_done) struct buf help = BUF_INIT;

    CHECK(line->help || line->version || line->command != NULL);
    command_line_help(line->command, line->group, &help);
    CHECK(str_find(buf_str(&help), STR("usage: culm ")) >= 0);
    if (line->command == NULL || line->help || line->version)
        return;
    CHECK(line->n_args >= line->command->min_args && line->n_args <= line->command->max_args);
    for (int i = 0; i < line->n_args; i++)
        CHECK(line->args[i] != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct command_line line = {.n_args = -1};
    struct err err = {.code = ERR_OK};
    char text[TEXT_BYTES + 1], *words[WORDS];
    int n;

    if (size > TEXT_BYTES || (size > 0 && memchr(data, '\0', size) != NULL))
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    n = split(text, words);
    if (command_line_parse(n, words, &line, &err) == 0)
        check_accepted(&line);
    else
        CHECK(err.code == ERR_BAD_REQUEST && err.text[0] != '\0');
    return 0;
}
