# SPDX-License-Identifier: MIT
"""Fixtures: everything a test starts ends with it, and is looked at once more when it does."""

import signal

import pytest

from harness.cli import Cli
from harness.environment import kits, short_directory
from harness.provider import Provider
from harness.server import Server

RESTARTS = ("warm", "restarted", "killed")


# Tests that run in the background are started with these ignored, and so would be what they start.
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def directory():
    with short_directory() as path:
        yield path


@pytest.fixture
def make_server(directory):
    """make_server(args=…, env=…): starts a server; one data directory per test unless `name` differs."""
    servers = []

    def make(name="a", *, start=True, **options):
        server = Server(directory / name, **options)
        servers.append(server)
        return server.start() if start else server

    yield make
    for server in servers:
        server.close()


@pytest.fixture
def server(make_server):
    return make_server()


@pytest.fixture
def api(server):
    return server.api


@pytest.fixture
def provider():
    """A scripted provider; the test fails if a request to it was not what the SDK would send."""
    provider = Provider()
    yield provider
    provider.close()
    assert not provider.problems, "\n".join(provider.problems)


@pytest.fixture
def cli(directory):
    """The command line with a data directory of its own, `directory / "a" / "data"`: that of `make_server()`."""
    home = directory / "a" / "home"
    home.mkdir(parents=True, exist_ok=True)
    return Cli(home, directory / "a" / "data")


@pytest.fixture(params=RESTARTS)
def between(request):
    """between(server): called between two requests; the second must be answered the same, restart or not."""

    def pause(server):
        if request.param == "restarted":
            server.restart("term")
        elif request.param == "killed":
            server.restart("kill")
        return server.api

    return pause


@pytest.fixture(scope="session")
def node_kit():
    """The directory of the test kits."""
    assert kits(), "KITS does not name the test kits; ./dev test does"
    return kits()
