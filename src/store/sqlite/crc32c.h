/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * CRC-32C (Castagnoli, RFC 3720 B.4) by tables, eight bytes at a time. Continue with the value of the
 * part before; begin with 0. Any thread.
 */
#include "base/base.h"

uint32_t crc32c_add(uint32_t crc, const void *p, size_t n);
/* The number as eight bytes, low one first, whatever the machine. */
uint32_t crc32c_add_u64(uint32_t crc, uint64_t v);
