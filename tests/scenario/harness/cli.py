# SPDX-License-Identifier: MIT
"""The command line, as a person or a script meets it."""

import signal
import subprocess
import threading

from .environment import TIMEOUT, clean_environment, culm_binary
from .terminal import Terminal


class Cli:
    def __init__(self, home, data_dir, env=None):
        self.home = home
        self.data_dir = data_dir
        self.env = dict(env or {})

    def _options(self, env):
        return {
            "env": clean_environment(self.home, CULM_DATA_DIR=self.data_dir, **self.env, **(env or {})),
            "cwd": self.home,
            "encoding": "utf-8",
        }

    def run(self, *args, env=None, stdin=""):
        return subprocess.run(
            [culm_binary(), *map(str, args)],
            input=stdin,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
            **self._options(env),
        )

    def start(self, *args, env=None):
        return Command([culm_binary(), *map(str, args)], **self._options(env))

    def on_terminal(self, *args, columns=80, env=None):
        options = self._options({"TERM": "xterm", "COLUMNS": "", "NO_COLOR": "", **(env or {})})
        del options["encoding"]
        return Terminal([culm_binary(), *map(str, args)], columns=columns, **options)


class Command:
    """A command that goes on while the test looks at what it has printed."""

    def __init__(self, words, **options):
        self.process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
        )
        self.stdout = ""
        self.stderr = ""
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._read, args=(name,), daemon=True) for name in ("stdout", "stderr")
        ]
        for thread in self._threads:
            thread.start()

    def _read(self, name):
        stream = getattr(self.process, name)
        while part := stream.read(1):
            with self._changed:
                setattr(self, name, getattr(self, name) + part)
                self._changed.notify_all()

    def wait_output(self, wanted, timeout=TIMEOUT):
        with self._changed:
            self._changed.wait_for(lambda: wanted in self.stdout, timeout)
            assert wanted in self.stdout, f"{wanted!r} not within {timeout} s: {self.stdout!r} {self.stderr!r}"

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def wait(self, timeout=TIMEOUT):
        code = self.process.wait(timeout)
        for thread in self._threads:
            thread.join(timeout)
        return code
