/* SPDX-License-Identifier: MIT */
#include "store/sqlite/crc32c.h"

#include <pthread.h>

static uint32_t table[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;

        for (int k = 0; k < 8; k++)
            c = (c & 1) != 0 ? 0x82f63b78u ^ (c >> 1) : c >> 1;
        table[i] = c;
    }
}

uint32_t crc32c_add(uint32_t crc, const void *p, size_t n)
{
    const uint8_t *b = p;

    pthread_once(&once, fill_table);
    crc = ~crc;
    for (size_t i = 0; i < n; i++)
        crc = table[(crc ^ b[i]) & 255] ^ (crc >> 8);
    return ~crc;
}

uint32_t crc32c_add_u64(uint32_t crc, uint64_t v)
{
    uint8_t bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(v >> (8 * i));
    return crc32c_add(crc, bytes, sizeof(bytes));
}
