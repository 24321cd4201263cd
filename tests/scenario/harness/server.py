# SPDX-License-Identifier: MIT
"""The real server on a loopback port with a data directory of its own."""

import json
import os
import queue
import re
import signal
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

import httpx

from .api import Api
from .environment import TIMEOUT, clean_environment, culm_binary, free_port

SANITIZER = re.compile(r"(AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|Assertion .* failed)")


class Server:
    def __init__(self, directory, *, args=(), env=None, port=None):
        self.directory = Path(directory)
        self.data_dir = self.directory / "data"
        self.home = self.directory / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.args = list(args)
        self.env = dict(env or {})
        self.process = None
        self.log = self.directory / "server.log"
        self.is_spoiled = False  # the test has damaged what is stored: it is not checked at the end
        self.stderr = None  # a descriptor to be used instead of that file
        self.greeting = None
        self._clients = []
        self._lasting = []

    # life

    def start(self):
        assert self.process is None, "already started"
        self.process = self.spawn()
        lines = queue.Queue()
        threading.Thread(target=self._read_stdout, args=(self.process, lines), daemon=True).start()
        try:
            self.greeting = lines.get(timeout=TIMEOUT)
        except queue.Empty:
            raise AssertionError(f"the server said nothing within {TIMEOUT} s\n{self.log_tail()}") from None
        if self.greeting is None:
            code = self.process.wait(TIMEOUT)
            self.process = None
            raise AssertionError(f"the server ended with {code} before it accepted requests\n{self.log_tail()}")
        self._stdout = lines
        return self

    def command(self, *args):
        return [culm_binary(), "serve", "--port", str(self.port), "--data-dir", str(self.data_dir), *self.args, *args]

    def spawn(self, *args):
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.command(*args),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log if self.stderr is None else self.stderr,
                env=clean_environment(self.home, **self.env),
                start_new_session=True,
            )

    @staticmethod
    def _read_stdout(process, lines):
        for line in process.stdout:
            lines.put(line.decode())
        lines.put(None)

    def signal(self, number):
        os.kill(self.process.pid, number)

    def wait_exit(self, timeout=TIMEOUT):
        code = self.process.wait(timeout)
        self.process = None
        for client in self._clients:
            client.close()
        self._clients.clear()
        rest = self._stdout.get(timeout=TIMEOUT)
        assert rest is None, f"more than one line on stdout: {rest!r}"
        return code

    def kill9(self):
        self.signal(signal.SIGKILL)
        assert self.wait_exit() == -signal.SIGKILL

    def sigterm(self):
        self.signal(signal.SIGTERM)
        code = self.wait_exit()
        assert code == 0, f"SIGTERM ended with {code}\n{self.log_tail()}"

    def restart(self, how="term"):
        if how == "kill":
            self.kill9()
        else:
            self.sigterm()
        return self.start()

    def close(self):
        for client in self._lasting:
            client.close()
        if self.process is not None:
            if self.process.poll() is None:
                self.sigterm()
            else:
                code = self.process.returncode
                self.process = None
                raise AssertionError(f"the server died by itself with {code}\n{self.log_tail()}")
        if not self.is_spoiled:
            self.check_store()
        found = SANITIZER.search(self.log_text())
        assert not found, f"the server's log: {self.log_tail()}"

    def check_store(self, *options):
        """Nothing is wrong with what is stored: after the server's end, or beside it."""
        if (self.data_dir / "culm.db").exists():
            done = self.cli("db", "check", *options)
            assert done.returncode == 0, f"culm db check:\n{done.stdout}{done.stderr}"

    def cli(self, *words):
        """A command for this server's data directory."""
        return subprocess.run(
            [culm_binary(), *map(str, words), "--data-dir", str(self.data_dir)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
            encoding="utf-8",
            env=clean_environment(self.home),
        )

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def log_events(self):
        """Every line of a log of JSON."""
        return [json.loads(line) for line in self.log_text().splitlines()]

    def log_tail(self):
        return "\n".join(self.log_text().splitlines()[-40:])

    # ways in

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket_path(self):
        return self.data_dir / "culm.sock"

    @property
    def token(self):
        return (self.data_dir / "token").read_text().strip()

    @property
    def info(self):
        return json.loads((self.data_dir / "server.json").read_text())

    def client(self, *, token=True, unix=False, lasting=False, **options):
        """An httpx client; closed when the server ends, or lasting over its lives."""
        headers = options.pop("headers", {})
        if token and not unix:
            headers["Authorization"] = f"Bearer {self.token if token is True else token}"
        transport = httpx.HTTPTransport(uds=str(self.socket_path), verify=False) if unix else None
        client = httpx.Client(
            base_url="http://localhost" if unix else self.url,
            headers=headers,
            transport=transport,
            verify=False,  # plain HTTP; reading the certificates of the world takes 20 ms for each client
            timeout=TIMEOUT,
            limits=httpx.Limits(max_connections=None),
            trust_env=False,
            **options,
        )
        (self._lasting if lasting else self._clients).append(client)
        return client

    @property
    def api(self):
        return Api(self.client())


@contextmanager
def running(directory, **options):
    server = Server(directory, **options).start()
    try:
        yield server
    finally:
        server.close()
