/* SPDX-License-Identifier: MIT */
#include "store/sqlite/crc32c.h"

#include <pthread.h>

#define STRIDE 8 /* bytes taken at once; a table for each */

static uint32_t table[STRIDE][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;

        for (int k = 0; k < 8; k++)
            c = (c & 1) != 0 ? 0x82f63b78u ^ (c >> 1) : c >> 1;
        table[0][i] = c;
    }
    for (int k = 1; k < STRIDE; k++)
        for (int i = 0; i < 256; i++)
            table[k][i] = table[0][table[k - 1][i] & 255] ^ (table[k - 1][i] >> 8);
}

uint32_t crc32c_add(uint32_t crc, const void *p, size_t n)
{
    const uint8_t *b = p;

    pthread_once(&once, fill_tables);
    crc = ~crc;
    for (; n >= STRIDE; n -= STRIDE, b += STRIDE)
        crc = table[7][b[0] ^ (crc & 255)] ^ table[6][b[1] ^ (crc >> 8 & 255)] ^ table[5][b[2] ^ (crc >> 16 & 255)] ^
              table[4][b[3] ^ (crc >> 24)] ^ table[3][b[4]] ^ table[2][b[5]] ^ table[1][b[6]] ^ table[0][b[7]];
    for (; n > 0; n--, b++)
        crc = table[0][(crc ^ *b) & 255] ^ (crc >> 8);
    return ~crc;
}

uint32_t crc32c_add_u64(uint32_t crc, uint64_t v)
{
    uint8_t bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(v >> (8 * i));
    return crc32c_add(crc, bytes, sizeof(bytes));
}
