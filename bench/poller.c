/* SPDX-License-Identifier: MIT */
#include "poller.h"

#include "fail.h"

#include <errno.h>
#include <unistd.h>

enum { EVENTS_AT_ONCE = 256, SILENCE_MS = 60 * 1000 };

void poller_init(struct poller *p)
{
    p->fd = epoll_create1(EPOLL_CLOEXEC);
    if (p->fd < 0)
        fail_sys("epoll_create1");
}

void poller_done(struct poller *p)
{
    close(p->fd);
    p->fd = -1;
}

static void control(struct poller *p, int op, int fd, uint32_t events, struct poll_item *item)
{
    struct epoll_event event = {.events = events, .data.ptr = item};

    if (epoll_ctl(p->fd, op, fd, &event) != 0)
        fail_sys("epoll_ctl");
}

void poller_add(struct poller *p, int fd, uint32_t events, struct poll_item *item)
{
    control(p, EPOLL_CTL_ADD, fd, events, item);
}

void poller_change(struct poller *p, int fd, uint32_t events, struct poll_item *item)
{
    control(p, EPOLL_CTL_MOD, fd, events, item);
}

int poller_wait(struct poller *p, int timeout_ms)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int n;

    do
        n = epoll_wait(p->fd, events, EVENTS_AT_ONCE, timeout_ms);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        fail_sys("epoll_wait");
    for (int i = 0; i < n; i++) {
        struct poll_item *item = events[i].data.ptr;

        item->ready(item, events[i].events);
    }
    return n;
}

void poller_run(struct poller *p, const bool *done)
{
    while (!*done)
        if (poller_wait(p, SILENCE_MS) == 0)
            fail("nothing happened for %d s", SILENCE_MS / 1000);
}
