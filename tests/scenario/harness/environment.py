# SPDX-License-Identifier: MIT
"""What a test takes from the machine: the binary, the kits, free ports, clean environments, short directories."""

import os
import random
import shutil
import socket
import tempfile
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TIMEOUT = float(os.environ.get("CULM_TEST_TIMEOUT", "30"))  # a bound for a wait that fails, never a duration to be met


def culm_binary():
    return os.environ.get("CULM_BIN", str(ROOT / "build" / "culm"))


def kits():
    return Path(os.environ["KITS"]) if "KITS" in os.environ else None


def node_binary():
    found = sorted((kits() / "node_modules").glob("node-linux-*/bin/node"))
    assert found, "the Node kit is not installed"
    return str(found[0])


def clean_environment(home, **more):
    """The environment without anything that configures a model, a proxy or culm itself."""
    keep = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CULM_")
        and not name.endswith(("_API_KEY", "_BASE_URL"))
        and not name.lower().endswith("_proxy")
    }
    return keep | {"HOME": str(home)} | {name: str(value) for name, value in more.items()}


# Below the range that the kernel gives away by itself, so that nobody takes one before the server does; each worker has
# its own, as each of two would find the same port free.
PORTS = range(12000, 32000)
WORKERS = 8
given = set()


def free_port():
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    while True:
        port = random.choice(PORTS[worker::WORKERS])
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in given:
            given.add(port)
            return port
        if len(given) > 1000:  # of so many, most are free again
            given.clear()


@contextmanager
def short_directory():
    """A Unix socket's path has 107 bytes, which pytest's own directories would use up."""
    path = Path(tempfile.mkdtemp(prefix="culm-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
