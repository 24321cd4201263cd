/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The pages of a SQLite file as bytes, with those of its write-ahead log over them: for reading what
 * SQLite does not reach any more. Where nothing is lost each page has one image, the newest; where
 * commits were lost in the log, all images there are may hold something. Nothing is written. One
 * thread.
 */
#include "base/err.h"
#include "store/sqlite/wal.h"

struct pages {
    int fd;
    struct wal log;
    uint32_t size;     /* bytes of a page */
    uint64_t in_file;  /* pages, the last one may be cut off */
    uint64_t n_images; /* images are numbered from 0 */
};

NODISCARD int pages_open(struct pages *p, const char *path, struct err *err);
void pages_close(struct pages *p);
/* What is cut off reads as zero. False: there is no such image, or it is not the one to be looked at. */
bool pages_read_image(const struct pages *p, uint64_t image, uint8_t *out);
bool pages_image_is_first(uint64_t image); /* of page 1, which begins with the header of the file */
/* The newest image of a page, numbered from 1. */
bool pages_read(const struct pages *p, uint32_t page, uint8_t *out);
