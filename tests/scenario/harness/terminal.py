# SPDX-License-Identifier: MIT
"""A command on a terminal: a pty of a given width, and what was shown there."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading

from .environment import TIMEOUT

STYLES = re.compile(r"\x1b\[[0-9;]*m")


class Terminal:
    """Standard output and error of the command are the terminal; what it shows is in `text`."""

    def __init__(self, words, *, columns=80, **options):
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.text = ""
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            words, stdin=slave, stdout=slave, stderr=slave, close_fds=True, start_new_session=True, **options
        )
        os.close(slave)
        self._master = master
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        data = b""
        while True:
            try:
                part = os.read(self._master, 65536)
            except OSError:  # EIO: nobody holds the other end any more
                break
            if not part:
                break
            data += part
            with self._changed:
                self.text = data.decode("utf-8", "replace").replace("\r\n", "\n")
                self._changed.notify_all()
        os.close(self._master)

    def wait_text(self, wanted, timeout=TIMEOUT):
        with self._changed:
            self._changed.wait_for(lambda: wanted in self.text, timeout)
            assert wanted in self.text, f"{wanted!r} not within {timeout} s: {self.text!r}"

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def wait(self, timeout=TIMEOUT):
        code = self.process.wait(timeout)
        self._thread.join(timeout)
        return code

    @property
    def plain(self):
        return STYLES.sub("", self.text)

    @property
    def is_coloured(self):
        return STYLES.search(self.text) is not None
