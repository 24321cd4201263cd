/* SPDX-License-Identifier: MIT */
/* Amounts of money and moments of time, as people and servers write them. */
#include "app/when.h"
#include "base/clock.h"
#include "base/micros.h"
#include "base/str.h"
#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_amount(struct str text)
{
    CLEANUP(buf_done) struct buf written = BUF_INIT;
    int64_t amount = 77, again;

    if (!micros_read(text, &amount)) {
        CHECK(amount == 77);
        return;
    }
    CHECK(amount >= 0);
    micros_write(amount, &written);
    CHECK(micros_read(buf_str(&written), &again) && again == amount);
}

static void check_time(struct str text)
{
    char written[WHEN_TEXT];
    int64_t at = 77;

    if (!when_parse(text, &at)) {
        CHECK(at == 77);
        return;
    }
    when_local(at, written);
    CHECK(written[0] != '\0');
    when_age(at, 0, written);
    CHECK(written[0] != '\0');
}

/* What we write ourselves is read as the same moment. */
static void check_our_own(const uint8_t *data, size_t size)
{
    char text[CLOCK_TEXT];
    uint64_t n = 0;
    int64_t at;

    for (size_t i = 0; i < size && i < 6; i++)
        n = n << 8 | data[i];
    n %= UINT64_C(250000000000000); /* the year is one of four digits */
    clock_text((int64_t)n, text);
    CHECK(when_parse(str_of(text), &at) && at == (int64_t)n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};

    check_amount(text);
    check_time(text);
    check_our_own(data, size);
    return 0;
}
