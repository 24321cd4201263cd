# SPDX-License-Identifier: MIT
"""culm top: lines in a pipe, documents with --json, the whole screen on a terminal, which it leaves as it was."""

import json
import signal
import threading

import pytest

from harness import provider as p
from harness.api import poll
from harness.offline import say
from harness.tty import Terminal

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"


@pytest.fixture
def terminal(cli, server):
    """terminal(…): `culm top` on a terminal; the server is there."""
    started = []

    def start(*args, **options):
        started.append(Terminal(cli, "top", *args, **options))
        return started[-1]

    yield start
    for one in started:
        one.close()


# in a pipe


def test_in_a_pipe_it_looks_once(cli, server):
    server.api.whole_turn(say("hello"))
    done = cli.run("top")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("culm 0.")
    assert "\x1b" not in done.stdout
    assert "runs     0 at work   ended: 1 completed\n" in done.stdout
    assert "model    offline: 0 in flight   1 calls, 0 failed, 0 retries" in done.stdout


def test_a_run_is_a_row(cli, make_server, provider):
    server = make_server(env=provider.environment)
    gate = threading.Event()
    provider.reply(p.text("one"), p.wait(gate), *p.answer("two"))
    session_id, run_id = server.api.turn("question")
    poll(lambda: server.api.client.get("/api/v1/status").json()["text"]["pieces"], lambda n: n == 1)
    row = cli.run("top").stdout.splitlines()[-1].split("\t")
    assert row[:5] == [session_id, run_id, "running", p.MODEL, "1"]
    assert row[6] == "1"
    gate.set()
    server.api.wait_run(run_id)


def test_json_is_one_document_per_line(cli, server):
    done = cli.run("top", "--json", "--count", "2", "--interval", "1")
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["boot_id"] == second["boot_id"]
    assert second["uptime_ms"] >= first["uptime_ms"] + 900


def test_an_interval_alone_goes_on_until_it_is_ended(cli, server):
    command = cli.start("top", "--interval", "1")
    command.wait_output("runs ")
    poll(lambda: command.stdout.count("culm 0."), lambda n: n >= 2)
    command.interrupt()
    assert command.wait() == -signal.SIGINT


def test_by_url_and_token(cli, server):
    done = cli.run("top", "--server", server.url, env={"CULM_TOKEN": server.token})
    assert done.returncode == 0
    assert server.url in done.stdout.splitlines()[0]
    done = cli.run("top", "--server", server.url)
    assert done.returncode == 1
    assert "culm token" in done.stderr


def test_without_a_server_it_says_so(cli, server):
    server.sigterm()
    for options in ([], ["--json"]):
        done = cli.run("top", *options)
        assert done.returncode == 1
        assert done.stdout == ""
        assert "no server is running" in done.stderr
    server.start()


@pytest.mark.parametrize(
    "options", [["--count", "0"], ["--count", "x"], ["--interval", "0"], ["--interval", "1.5"], ["extra"]]
)
def test_wrong_words_are_usage(cli, options):
    assert cli.run("top", *options).returncode == 2


# on a terminal


@pytest.mark.parametrize("key", ["q", "Q"])
def test_q_ends_it(terminal, key):
    screen = terminal()
    screen.wait_text("process ")
    assert not screen.is_restored()  # keys are not shown while it runs
    screen.type(key)
    assert screen.wait_exit() == 0
    assert screen.is_restored()
    assert screen.text.count(ENTER) == screen.text.count(LEAVE) == 1
    assert screen.text.index("process ") > screen.text.index(ENTER)


def test_ctrl_c_ends_it(terminal):
    screen = terminal()
    screen.wait_text("process ")
    screen.type("\x03")
    assert screen.wait_exit() == 130
    assert screen.is_restored()


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGTERM, 130),
        (signal.SIGINT, 130),
        (signal.SIGHUP, -signal.SIGHUP),
        (signal.SIGQUIT, -signal.SIGQUIT),
        (signal.SIGABRT, -signal.SIGABRT),
    ],
)
def test_every_signal_leaves_the_terminal_as_it_was(terminal, number, code):
    screen = terminal()
    screen.wait_text("process ")
    screen.signal(number)
    assert screen.wait_exit() == code
    assert screen.is_restored()
    assert screen.text.count(ENTER) == screen.text.count(LEAVE) == 1


def test_it_looks_again_each_second(terminal):
    screen = terminal()
    screen.wait_for(lambda _: len(screen.frames()) >= 4, "four frames")
    screen.type("q")
    assert screen.wait_exit() == 0


def test_it_fits_the_terminal_and_follows_its_size(terminal, server):
    server.api.whole_turn(say("x"))
    screen = terminal("--interval", "3600", rows=24, columns=80)
    screen.wait_text("model ")
    assert all(len(line) <= 80 for line in screen.frames()[0])
    screen.resize(5, 40)
    screen.signal(signal.SIGWINCH)
    screen.wait_for(lambda _: len(screen.frames()) >= 2 and "\x1b[0m" in screen.text.rpartition("store ")[2], "a frame")
    small = screen.frames()[1]
    assert len(small) == 5
    assert all(len(line) <= 40 for line in small)
    screen.type(" ")  # looks at once
    screen.wait_for(lambda _: len(screen.frames()) >= 3, "a third frame")
    screen.type("q")
    assert screen.wait_exit() == 0


def test_a_stop_gives_the_terminal_back_for_a_while(terminal):
    screen = terminal()
    screen.wait_text("process ")
    screen.type("\x1a")
    screen.wait_text(LEAVE)
    poll(screen.is_restored, bool)
    screen.signal(signal.SIGCONT)
    screen.wait_for(lambda text: "process " in text.rpartition(LEAVE)[2], "the screen again")
    screen.type("q")
    assert screen.wait_exit() == 0
    assert screen.is_restored()


def test_a_server_that_goes_is_waited_for(terminal, server):
    screen = terminal()
    screen.wait_text("process ")
    server.kill9()
    screen.wait_text("no answer: ")
    server.start()
    pid = f"pid {server.process.pid}"
    screen.wait_text(pid)
    screen.wait_for(lambda text: "no answer" not in text.rpartition("\x1b[H")[2], "a frame without trouble")
    screen.type("q")
    assert screen.wait_exit() == 0


def test_with_a_count_it_prints_lines_there_too(terminal):
    screen = terminal("--count", "1")
    assert screen.wait_exit() == 0
    screen.wait_text("process ")
    assert ENTER not in screen.text
