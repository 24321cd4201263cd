# SPDX-License-Identifier: MIT
"""Watchers who do not read: most of them never, a few one byte a second. They come back when they are thrown out."""

import select
import socket
import threading
from collections import Counter

from harness.environment import TIMEOUT

RECEIVE_BYTES = 4096  # the kernel's share on this side; the smaller, the sooner the server feels it
GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class Crowd(threading.Thread):
    def __init__(self, world, stuck, one_byte=4):
        super().__init__(name="crowd", daemon=True)
        self.world = world
        self.wanted = stuck + one_byte
        self.one_byte = one_byte
        self.sockets = {}  # by fd
        self.counts = Counter()
        self.leaving = threading.Event()
        self._poll = select.poll()
        self._stage = None

    def run(self):
        while not self.leaving.is_set():
            self._follow_the_stage()
            self._drop_the_gone()
            self._fill_up()
            for sock in list(self.sockets.values())[: self.one_byte]:
                self._read_one(sock)
            self.leaving.wait(1)

    def leave(self):
        self.leaving.set()
        self.join(TIMEOUT)
        for sock in self.sockets.values():
            sock.close()
        self.sockets.clear()

    def _follow_the_stage(self):
        """Whoever does not read does not see either that the stream has ended."""
        stage = (len(self.world.lives), self.world.stage_session())
        if stage == self._stage:
            return
        self._stage = stage
        for fd, sock in self.sockets.items():
            self._poll.unregister(fd)
            sock.close()
        self.sockets.clear()

    def _fill_up(self):
        session = self._stage[1]
        while session is not None and len(self.sockets) < self.wanted and not self.leaving.is_set():
            sock = self._connect(session)
            if sock is None:
                return
            self.sockets[sock.fileno()] = sock
            self._poll.register(sock, GONE)
            self.counts["came"] += 1

    def _connect(self, session):
        server = self.world.server
        sock = socket.socket()
        sock.settimeout(2)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        request = f"GET /api/v1/events/{session}?after=0&follow=1 HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        request += f"Authorization: Bearer {self.world.token}\r\n\r\n"
        try:
            sock.connect(("127.0.0.1", server.port))
            sock.sendall(request.encode())
        except OSError:
            sock.close()
            return None
        return sock

    def _drop_the_gone(self):
        for fd, _ in self._poll.poll(0):
            self._poll.unregister(fd)
            self.sockets.pop(fd).close()
            self.counts["thrown out"] += 1

    @staticmethod
    def _read_one(sock):
        sock.setblocking(False)
        try:
            sock.recv(1)
        except OSError:
            return
