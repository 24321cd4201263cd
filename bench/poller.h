/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * epoll, and nothing around it: what stands between driver and kernel must cost less than the
 * server does. One thread. In its callback an item may leave, but no other item of the same fd set
 * may: its event may be next in line.
 */
#include "base/base.h"

#include <sys/epoll.h>

struct poll_item {
    void (*ready)(struct poll_item *item, uint32_t events);
};

struct poller {
    int fd;
};

void poller_init(struct poller *p);
void poller_done(struct poller *p);
void poller_add(struct poller *p, int fd, uint32_t events, struct poll_item *item); /* closing the fd removes it */
void poller_change(struct poller *p, int fd, uint32_t events, struct poll_item *item);
/* One round of callbacks. timeout_ms as in epoll_wait(). Returns how many there were. */
int poller_wait(struct poller *p, int timeout_ms);
/* Rounds until *done; fails when nothing happens for a minute. */
void poller_run(struct poller *p, const bool *done);
