# SPDX-License-Identifier: MIT
"""Clients and a provider that nobody here wrote: curl, the npm package eventsource, and aimock."""

import json
import shutil
import subprocess
import threading

import pytest

from harness import checks
from harness.api import poll
from harness.environment import ROOT, TIMEOUT, clean_environment, free_port, node_binary
from harness.offline import say, words

FIXTURES = ROOT / "tests" / "scenario" / "fixtures"
GREETING = "Good day, watchers: grüße, 你好, 👋🏽. This answer comes from a provider that nobody here wrote."


def curl(*args):
    done = subprocess.run(
        [shutil.which("curl"), "-sS", "--fail-with-body", "--noproxy", "*", *args],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_a_turn_with_curl(server):
    auth = ["-H", f"Authorization: Bearer {server.token}"]
    body = json.dumps({"message": say("by curl"), "execute": True, "session_id": "curled"})
    curl(*auth, "--json", body, f"{server.url}/api/v1/chat")
    stream = curl(*auth, "-N", f"{server.url}/api/v1/events/curled?after=0")
    assert stream.rstrip().endswith("data: [DONE]")
    history = json.loads(curl(*auth, f"{server.url}/api/v1/history/curled"))
    assert history["messages"][-1]["content"] == "by curl"


def test_a_turn_with_curl_on_the_unix_socket(server):
    socket = ["--unix-socket", str(server.socket_path)]
    body = json.dumps({"message": say("by socket"), "execute": True, "session_id": "curled"})
    curl(*socket, "--json", body, "http://localhost/api/v1/chat")
    assert "by socket" in curl(*socket, "-N", "http://localhost/api/v1/events/curled?after=0")


# eventsource


class EventSource:
    """tests/scenario/fixtures/eventsource.mjs: prints each event as a line, reconnects by itself."""

    def __init__(self, kit, server, path):
        self.lines = []
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            [node_binary(), str(FIXTURES / "eventsource.mjs"), f"{server.url}{path}", server.token, str(kit)],
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environment(server.home),
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(json.loads(line))
                self._changed.notify_all()

    def wait_for(self, predicate):
        with self._changed:
            assert self._changed.wait_for(lambda: any(map(predicate, self.lines)), TIMEOUT), self.lines
        return next(line for line in self.lines if predicate(line))

    def events(self):
        return [json.loads(line["data"]) for line in list(self.lines) if line["data"].startswith("{")]


@pytest.fixture
def event_source(node_kit):
    started = []

    def start(server, path):
        started.append(EventSource(node_kit, server, path))
        return started[-1]

    yield start
    for source in started:
        source.process.kill()
        source.process.wait()


def test_eventsource_reads_a_run(server, event_source):
    text = words(50, "wörd")
    session_id = server.api.chat(say(text))["session_id"]
    source = event_source(server, f"/api/v1/events/{session_id}?follow=1")
    source.wait_for(lambda line: "stream_opened" in line["data"])
    server.api.execute(session_id)
    source.wait_for(lambda line: '"complete"' in line["data"])
    texts = checks.Texts()
    for event in source.events():
        texts.take(event)
    assert list(texts.parts.values()) == [text.encode()]


def test_eventsource_reconnects_through_a_kill_and_misses_nothing(server, event_source):
    text = words(200)
    session_id = server.api.chat(say(text, delay_ms=5))["session_id"]
    source = event_source(server, f"/api/v1/events/{session_id}?follow=1")
    source.wait_for(lambda line: "stream_opened" in line["data"])
    run_id = server.api.execute(session_id)["run_id"]
    source.wait_for(lambda line: '"token"' in line["data"])
    server.restart("kill")
    assert server.api.wait_run(run_id)["status"] == "completed"
    source.wait_for(lambda line: '"complete"' in line["data"])
    numbered = [(json.loads(line["data"]), line) for line in source.lines if '"seq"' in line["data"]]
    ids = [event["seq"] for event, line in numbered if str(event["seq"]) == line["id"]]
    assert ids == sorted(set(ids))
    texts = checks.Texts()
    for event in source.events():
        texts.take(event)
    assert texts.text(server.api.messages(session_id)[-1]["id"]) == text


# aimock


@pytest.fixture
def aimock(node_kit, directory):
    port = free_port()
    log = (directory / "aimock.log").open("w+")
    process = subprocess.Popen(
        [node_binary(), str(node_kit / "node_modules/@copilotkit/aimock/dist/cli.js")]
        + ["-h", "127.0.0.1", "-p", str(port), "-f", str(FIXTURES / "aimock"), "--validate-on-load", "--strict"],
        stdout=log,
        stderr=subprocess.STDOUT,
        env=clean_environment(directory),
    )

    def said():
        log.seek(0)
        return log.read()

    poll(said, lambda text: "listening" in text or process.poll() is not None)
    assert process.poll() is None, said()
    yield {"OPENAI_API_KEY": "any", "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1", "CULM_MODEL": "openai/gpt-4o"}
    process.kill()
    process.wait()
    log.close()


def test_a_turn_with_aimock(make_server, aimock, between):
    server = make_server(env=aimock)
    session_id, run_id = server.api.whole_turn("Please greet the watchers.")
    api = between(server)
    assert api.run(run_id)["status"] == "completed"
    assert api.conversation(session_id)[-1] == ("assistant", GREETING)
    usage = next(f["usage"] for f in api.replay(session_id) if f.type == "complete")
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (11, 22)


def test_a_tool_call_with_aimock(make_server, aimock):
    api = make_server(env=aimock).api
    session_id, run_id = api.whole_turn("Please ring the bell.")
    assert api.run(run_id)["status"] == "completed"
    roles = [m["role"] for m in api.messages(session_id) if m["role"] != "system"]
    assert roles == ["user", "assistant", "tool", "assistant"]
    assert api.conversation(session_id)[-1] == ("assistant", "There is no bell to ring.")


def test_what_aimock_does_not_know_ends_the_run(make_server, aimock):
    server = make_server(env=aimock)
    session_id, run_id = server.api.turn("Nobody wrote an answer to this.")
    server.api.stop(session_id)
    assert server.api.wait_run(run_id)["status"] in ("error", "cancelled")
