/* SPDX-License-Identifier: MIT */
/* culm doctor */
#include "app/commands.h"
#include "app/doctor.h"
#include "app/exit_code.h"
#include "app/print.h"
#include "app/small_file.h"
#include "base/json_write.h"
#include "base/log.h"
#include "base/str.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static const struct {
    const char *word;
    enum style style;
} verdicts[VERDICT_COUNT] = {
    [VERDICT_OK] = {"ok", STYLE_GREEN},
    [VERDICT_WARN] = {"warn", STYLE_YELLOW},
    [VERDICT_FAIL] = {"fail", STYLE_RED},
    [VERDICT_SET_UP] = {"fail", STYLE_RED},
};

/* In this order: the later ones use what the earlier ones found. */
static void (*const checks[])(struct doctor *d) = {
    doctor_configuration, doctor_data_directory, doctor_server, doctor_store,     doctor_disk,
    doctor_files,         doctor_memory,         doctor_clock,  doctor_providers, doctor_sandbox,
};

/* ---- findings ---- */

static void write_json(const struct doctor *d, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);

    json_begin_object(&w);
    json_key_text(&w, "check", d->check);
    json_key_text(&w, "verdict", verdicts[d->verdict].word);
    json_key_str(&w, "text", buf_str(&d->text));
    if (d->remedy.n > 0)
        json_key_str(&w, "remedy", buf_str(&d->remedy));
    json_end_object(&w);
    buf_add_char(out, '\n');
}

static void write_line(const struct doctor *d, struct buf *out)
{
    CLEANUP(buf_done) struct buf word = BUF_INIT, check = BUF_INIT;

    buf_addf(&word, "%-4s", verdicts[d->verdict].word);
    buf_addf(&check, "  %-15s ", d->check);
    terminal_put(&d->terminal, verdicts[d->verdict].style, buf_str(&word), out);
    buf_add_str(out, buf_str(&check));
    terminal_flatten(buf_str(&d->text), out);
    buf_add_char(out, '\n');
    if (d->remedy.n == 0)
        return;
    buf_addf(out, "%22s→ ", "");
    terminal_flatten(buf_str(&d->remedy), out);
    buf_add_char(out, '\n');
}

/* A check takes its time: each finding is shown as it comes. What cannot be written is noticed at the end. */
static void end_finding(struct doctor *d)
{
    CLEANUP(buf_done) struct buf out = BUF_INIT;

    if (d->check == NULL)
        return;
    assert(d->verdict == VERDICT_OK || d->remedy.n > 0);
    if (d->line->json)
        write_json(d, &out);
    else
        write_line(d, &out);
    fwrite(out.p, 1, out.n, stdout);
    fflush(stdout);
    d->counts[d->verdict]++;
    d->check = NULL;
}

static void add_text(struct buf *out, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));
static void add_text(struct buf *out, const char *fmt, va_list args)
{
    char text[1024];

    vsnprintf(text, sizeof(text), fmt, args);
    buf_clear(out);
    utf8_add_line(str_of(text), out); /* paths and variables are any bytes, and --json takes text alone */
}

void doctor_say(struct doctor *d, enum verdict verdict, const char *check, const char *fmt, ...)
{
    va_list args;

    end_finding(d);
    d->check = check;
    d->verdict = verdict;
    buf_clear(&d->remedy);
    va_start(args, fmt);
    add_text(&d->text, fmt, args);
    va_end(args);
}

void doctor_advise(struct doctor *d, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    add_text(&d->remedy, fmt, args);
    va_end(args);
}

/* ---- what the checks share ---- */

bool doctor_read(const char *path, struct buf *out)
{
    CLEANUP(buf_done) struct buf text = BUF_CAPPED(64 * 1024);
    int rc;

    buf_clear(out);
    rc = small_file_read(path, &text, NULL);
    if (rc < 0 && rc != -ERR_TOO_BIG)
        return false;
    buf_add_str(out, str_trim(buf_str(&text)));
    return true;
}

void doctor_size(uint64_t bytes, char out[DOCTOR_SIZE])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double size = (double)bytes;
    size_t unit = 0;

    for (; size >= 1024 && unit + 1 < ARRAY_LEN(units); unit++)
        size /= 1024;
    snprintf(out, DOCTOR_SIZE, "%.*f %s", unit > 0 && size < 10 ? 1 : 0, size, units[unit]);
}

/* ---- the command ---- */

static int end_of(const struct doctor *d)
{
    if (d->counts[VERDICT_FAIL] > 0)
        return CODE_ERROR;
    return d->counts[VERDICT_SET_UP] > 0 ? CODE_SETUP : CODE_COMPLETED;
}

int command_doctor(const struct command_line *line)
{
    struct doctor d = {.line = line, .terminal = terminal_of(STDOUT_FILENO)};
    int code = command_open_home(line, &d.home);
    CLEANUP(buf_done) struct buf sum = BUF_INIT;

    if (code != 0)
        return code;
    log_set_level(LOG_LEVEL_ERROR);
    for (size_t i = 0; i < ARRAY_LEN(checks); i++)
        checks[i](&d);
    end_finding(&d);
    if (!line->json)
        buf_addf(&sum, "%u well, %u to be looked at, %u that do not work\n", d.counts[VERDICT_OK],
                 d.counts[VERDICT_WARN], d.counts[VERDICT_FAIL] + d.counts[VERDICT_SET_UP]);
    code = print_out(&sum);
    if (code == 0)
        code = end_of(&d);
    buf_done(&d.text);
    buf_done(&d.remedy);
    config_free(d.config);
    home_done(&d.home);
    return code;
}
