# SPDX-License-Identifier: MIT
"""A command on a terminal of its own: what it writes there, what is typed, how it leaves it."""

import contextlib
import fcntl
import os
import re
import signal
import struct
import subprocess
import termios
import threading

from .environment import TIMEOUT, clean_environment, culm_binary

ESCAPE = re.compile(r"\x1b\[[?0-9;]*[A-Za-z]")


class Terminal:
    """`Terminal(cli, "top")` starts the command; `text` is all that it has written so far."""

    def __init__(self, cli, *args, rows=24, columns=80):
        self.outer, self.inner = os.openpty()
        self.resize(rows, columns)
        self.settings = termios.tcgetattr(self.inner)
        self.text = ""
        self._changed = threading.Condition()
        environment = clean_environment(cli.home, CULM_DATA_DIR=cli.data_dir, TERM="xterm-256color")
        for name in ("COLUMNS", "LINES", "NO_COLOR", "CLICOLOR"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            [culm_binary(), *map(str, args)],
            stdin=self.inner,
            stdout=self.inner,
            stderr=self.inner,
            env=environment,
            start_new_session=True,
            preexec_fn=self._make_controlling,
        )
        threading.Thread(target=self._read, daemon=True).start()

    @staticmethod
    def _make_controlling():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def _read(self):
        with contextlib.suppress(OSError):
            while part := os.read(self.outer, 65536):
                with self._changed:
                    self.text += part.decode(errors="replace")
                    self._changed.notify_all()

    def resize(self, rows, columns):
        fcntl.ioctl(self.inner, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys):
        os.write(self.outer, keys.encode())

    def signal(self, number):
        self.process.send_signal(number)

    def wait_for(self, condition, what="it", timeout=TIMEOUT):
        with self._changed:
            self._changed.wait_for(lambda: condition(self.text), timeout)
            assert condition(self.text), f"{what} not within {timeout} s: {self.text[-2000:]!r}"

    def wait_text(self, wanted):
        self.wait_for(lambda text: wanted in text, repr(wanted))

    def frames(self):
        """What the screen showed, frame by frame, as lists of plain lines; the last may be incomplete."""
        parts = self.text.split("\x1b[H\x1b[K")[1:]
        return [[ESCAPE.sub("", line).strip("\r") for line in part.split("\n")] for part in parts]

    def wait_exit(self, timeout=TIMEOUT):
        code = self.process.wait(timeout)
        self.wait_for(lambda text: "\x1b[?1049h" not in text or text.rstrip().endswith("\x1b[?1049l"), "the end")
        return code

    def is_restored(self):
        return termios.tcgetattr(self.inner) == self.settings

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(TIMEOUT)
        os.close(self.inner)
        os.close(self.outer)
