# SPDX-License-Identifier: MIT
"""The log: its forms, its levels, and that it never holds the server up."""

import json
import os
import re
import signal

import pytest

from harness import provider as p
from harness import wire
from harness.api import expect, poll
from harness.offline import say

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ENVELOPE = {"ts", "level", "module", "event"}


def events(server, name=None):
    """The events so far, every line of JSON; only those of one name where it is given."""
    found = server.log_events()
    for event in found:
        assert TIME.fullmatch(event["ts"])
        assert event["module"] == event["event"].split(".")[0]
        assert list(event)[: len(ENVELOPE)] == ["ts", "level", "module", "event"]
    return [event for event in found if name in (None, event["event"])]


def configure(server, **log):
    server.data_dir.mkdir(parents=True, exist_ok=True)
    (server.data_dir / "config.json").write_text(json.dumps({"log": log}))


# forms


@pytest.mark.parametrize("how", ["option", "environment", "file"])
def test_a_log_of_json_is_one_object_per_line(make_server, how):
    server = make_server(
        start=False,
        args=["--log", "json"] if how == "option" else [],
        env={"CULM_LOG": "json"} if how == "environment" else {},
    )
    if how == "file":
        configure(server, format="json")
    server.start()
    server.api.whole_turn(say("secret-canary of a person"))
    server.sigterm()
    start = events(server, "server.start")
    assert len(start) == 1
    assert start[0]["data"] == str(server.data_dir)
    assert isinstance(start[0]["files"], int)
    assert events(server, "server.stop")
    assert "canary" not in server.log_text()
    assert (server.data_dir / "token").read_text().strip() not in server.log_text()


def test_a_log_for_people_is_text_without_colours(make_server):
    server = make_server(env={"TERM": "xterm-256color"})
    lines = poll(lambda: server.log_text().splitlines(), lambda seen: len(seen) >= 2)
    for line in lines:
        assert TIME.match(line)
        assert "\x1b" not in line


def test_without_a_journal_its_lines_bear_a_priority(make_server):
    server = make_server(args=["--log", "journald"])
    if server.log_text():  # else this machine has a journal, and it has them
        assert all(re.match(r"<[3467]>[a-z]+\.[a-z_]+ ", line) for line in server.log_text().splitlines())


def test_what_a_start_failed_of_is_json_too(make_server):
    server = make_server(args=["--log", "json"])
    second = server.spawn()
    assert second.wait(30) == 1
    second.stdout.close()
    failed = events(server, "server.fail")
    assert len(failed) == 1
    assert str(server.process.pid) in failed[0]["message"]


@pytest.mark.parametrize(
    ("log", "why"),
    [
        ({"format": "xml"}, "auto, text, json, journald"),
        ({"level": "loud"}, "error, warn, info, debug"),
        ({"levels": ["stoer=debug"]}, 'did you mean "store"'),
        ({"levels": ["store=loud"]}, "none of error, warn, info, debug"),
    ],
)
def test_a_wrong_configuration_of_the_log_is_refused(cli, log, why):
    cli.data_dir.mkdir(parents=True, exist_ok=True)
    (cli.data_dir / "config.json").write_text(json.dumps({"log": log}))
    done = cli.run("serve", "--port", "0")
    assert done.returncode == 1
    assert why in done.stderr
    done = cli.run("serve", "--port", "0", "--log", "yaml")
    assert done.returncode in (1, 2)


# levels


def test_a_reload_changes_the_levels(make_server):
    server = make_server(args=["--log", "json"])
    configure(server, levels=["config=error"])
    server.signal(signal.SIGHUP)
    poll(lambda: events(server, "model.default"), lambda seen: len(seen) == 2)
    assert not events(server, "config.reload")
    configure(server, levels=["config=nonsense"])
    server.signal(signal.SIGHUP)
    refused = poll(lambda: events(server, "config.reload"), bool)
    assert refused[0]["level"] == "error"
    assert "nonsense" in refused[0]["error"]
    configure(server)
    server.signal(signal.SIGHUP)
    poll(lambda: events(server, "config.reload"), lambda seen: len(seen) == 2)
    assert server.api.client.get("/healthz").status_code == 200


# requests


@pytest.fixture
def logging(make_server):
    """A server whose log has every request."""
    return make_server(args=["--log", "json"], env={"CULM_LOG_LEVELS": "http=debug"})


def of_request(server, name, event="http.request"):
    found = [e for e in poll(lambda: events(server, event), bool) if e["request"] == name]
    assert len(found) == 1, found
    return found[0]


def ask(server, **request):
    reply = wire.exchange(server, wire.request(server, **request))
    assert len(reply.headers.get_all("X-Request-Id")) == 1
    return reply, reply.headers["X-Request-Id"]


def test_a_request_keeps_the_name_its_client_gave_it(logging):
    session_id, run_id = logging.api.turn(say("x"))
    logging.api.wait_run(run_id)
    reply, name = ask(logging, path=f"/api/v1/sessions/{session_id}", fields=[("X-Request-Id", "trace:1.2_3-x")])
    assert (reply.status, name) == (200, "trace:1.2_3-x")
    line = of_request(logging, name)
    assert (line["level"], line["method"], line["route"]) == ("debug", "GET", "/sessions/{session}")
    assert (line["session"], line["status"], line["bytes"]) == (session_id, 200, len(reply.body))
    assert isinstance(line["ms"], int)
    executed = [e for e in events(logging, "http.request") if e.get("run") == run_id and e["status"] == 202]
    assert [e["session"] for e in executed] == [session_id]


@pytest.mark.parametrize("bad", ["a b", "x" * 129, "a/b", "é", "", "."])
def test_a_name_that_is_none_is_replaced(logging, bad):
    first, second = (ask(logging, fields=[("X-Request-Id", bad)])[1] for _ in range(2))
    assert first != second
    assert re.fullmatch(r"[A-Za-z0-9._:-]{1,128}", first)
    assert of_request(logging, first)["status"] == 200


@pytest.mark.parametrize(
    ("status", "request_", "route"),
    [
        (404, {"path": "/api/v1/sessions/nobody"}, "/sessions/{session}"),
        (404, {"path": "/api/v1/runs/nobody"}, "/runs/{run}"),
        (404, {"path": "/nowhere"}, None),
        (405, {"method": "PUT", "path": "/api/v1/sessions/x"}, None),
        (400, {"path": "/api/v1/sessions/%20"}, "/sessions/{session}"),
        (400, {"path": "/api/v1/sessions?limit=x"}, "/sessions"),
        (401, {"path": "/api/v1/sessions", "token": False}, "/sessions"),
        (421, {"path": "/api/v1/sessions", "host": "evil.example"}, "/sessions"),
        (403, {"path": "/healthz", "fields": [("Origin", "https://evil.example")]}, "/healthz"),
    ],
)
def test_errors_bear_the_name_too(logging, status, request_, route):
    reply, name = ask(logging, **request_)
    assert reply.status == status
    if reply.body:
        assert json.loads(reply.body)["request_id"] == name
    line = of_request(logging, name)
    assert (line["status"], line.get("route")) == (status, route)
    assert line["level"] == ("info" if status in (401, 403, 421) else "debug")


def test_bytes_that_are_no_request_get_a_name(logging):
    reply = wire.exchange(logging, b"GET / HTTP/1.1\r\n\r\n")
    name = reply.headers["X-Request-Id"]
    assert json.loads(reply.body)["request_id"] == name
    line = of_request(logging, name, "http.refuse")
    assert (line["status"], line["level"], line["peer"]) == (400, "info", "127.0.0.1")


def test_a_stream_bears_the_name_and_its_end_is_logged(logging):
    session_id, _ = logging.api.whole_turn(say("x"))
    watcher = logging.api.watch(session_id, after=0, headers={"X-Request-Id": "watcher-1"})
    watcher.wait_done()
    assert watcher.headers["X-Request-Id"] == "watcher-1"
    assert of_request(logging, "watcher-1")["stream"] is True
    end = of_request(logging, "watcher-1", "http.stream_end")
    assert end["end"] == "done"
    assert end["bytes"] > 100


def test_without_asking_only_trouble_is_logged(make_server):
    server = make_server(args=["--log", "json"])
    server.api.whole_turn(say("x"))
    expect(server.client().get("/api/v1/sessions/nobody"), 404)
    assert not events(server, "http.request")
    expect(server.client(token=False).get("/api/v1/sessions"), 401)
    refused = poll(lambda: events(server, "http.request"), bool)
    assert [e["status"] for e in refused] == [401]


def test_a_reader_of_the_log_that_does_not_read_stops_nothing(make_server):
    """The pipe behind stderr takes 64 KiB and no more; each request would write about 200 bytes."""
    server = make_server(start=False, env={"CULM_LOG": "json", "CULM_LOG_LEVEL": "debug"})
    out, server.stderr = os.pipe()
    try:
        server.start()
        client = server.client()
        for _ in range(600):
            expect(client.get("/api/v1/sessions"), 200)
        session_id, _ = server.api.whole_turn(say("all is well"))
        assert ("assistant", "all is well") in server.api.conversation(session_id)
        os.set_blocking(out, False)
        seen = b"".join(iter(lambda: read_some(out), b""))
        assert all(json.loads(line) for line in seen.splitlines())
        expect(client.get("/api/v1/sessions"), 200)
        dropped = [json.loads(line) for line in read_some(out).splitlines()]
        assert dropped[0]["event"] == "log.dropped"
        assert dropped[0]["lines"] > 100
    finally:
        os.close(server.stderr)
        server.stderr = None
        os.close(out)


def read_some(fd):
    try:
        return os.read(fd, 65536)
    except BlockingIOError:
        return b""


# runs


def test_the_lines_of_a_run_bear_its_request(make_server):
    server = make_server(args=["--log", "json"])
    session_id = server.api.chat(say("x"))["session_id"]
    client = server.client(headers={"X-Request-Id": "starter"})
    run_id = expect(client.post(f"/api/v1/execute/{session_id}", json={}), 202)["run_id"]
    end = poll(lambda: events(server, "run.end"), bool)
    start = events(server, "run.start")
    assert len(start) == len(end) == 1
    for line in start + end:
        assert (line["session"], line["run"], line["request"]) == (session_id, run_id, "starter")
    assert start[0]["model"] == "offline"
    assert (end[0]["end"], end[0]["rounds"], end[0]["level"]) == ("completed", 1, "info")


def test_a_run_that_goes_on_after_a_crash_says_so(make_server, provider):
    server = make_server(args=["--log", "json"], env=provider.environment)
    provider.reply(p.text("half"), p.silence())
    session_id, run_id = server.api.turn("question")
    server.api.watch(session_id, after=0).wait_text(len("half"))
    provider.reply(*p.answer("whole"))
    server.restart("kill")
    server.api.wait_run(run_id)
    (recovered,) = events(server, "run.recover")
    assert (recovered["session"], recovered["run"]) == (session_id, run_id)
    assert (recovered["level"], recovered["crashed"]) == ("warn", True)


def test_what_a_provider_says_is_not_in_the_log(make_server, provider):
    server = make_server(args=["--log", "json"], env=provider.environment | {"CULM_LOG_LEVEL": "debug"})
    provider.reply(*p.failure(500, message="provider-canary: try again"))
    provider.reply(*p.failure(401, message="provider-canary: wrong key"))
    session_id, run_id = server.api.turn("person-canary")
    assert server.api.wait_run(run_id)["status"] == "error"
    (failed,) = events(server, "model.retry")
    assert (failed["run"], failed["failure"]) == (run_id, "provider_error")
    (end,) = poll(lambda: events(server, "run.end"), bool)
    assert (end["session"], end["level"], end["failure"]) == (session_id, "warn", "authentication")
    assert "canary" not in server.log_text()


# levels through the API

LEVELS = "/api/v1/log-levels"


def test_levels_are_changed_while_the_server_runs(make_server):
    server = make_server(args=["--log", "json"])
    client = server.client()
    before = expect(client.get(LEVELS), 200)
    assert before["default"] == "info"
    assert set(before.values()) == {"info", "default"}
    after = expect(client.put(LEVELS, json={"default": "warn", "http": "debug"}), 200)
    assert after == before | {"default": "warn", "http": "debug"}
    assert expect(client.get(LEVELS), 200) == after
    _, name = ask(server, path="/api/v1/sessions")
    assert of_request(server, name)["status"] == 200
    expect(client.put(LEVELS, json=before), 200)
    changes = poll(lambda: events(server, "log.levels"), lambda seen: len(seen) == 2)
    assert changes[0]["modules"] == "http=debug"
    ask(server, path="/api/v1/sessions", fields=[("X-Request-Id", "quiet")])
    assert not [e for e in events(server, "http.request") if e["request"] == "quiet"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"default": "info", "stoer": "debug"}, '"store"'),
        ({"default": "info", "store": "loud"}, "store: expected one of"),
        ({"store": "info"}, "default"),
        ({"default": "default"}, "default: expected one of"),
        ([], ""),
    ],
)
def test_wrong_levels_change_nothing(server, body, why):
    client = server.client()
    before = expect(client.get(LEVELS), 200)
    assert why in expect(client.put(LEVELS, json=body), 400)["error"]["message"]
    assert expect(client.get(LEVELS), 200) == before


def test_levels_want_the_token(server):
    assert server.client(token=False).get(LEVELS).status_code == 401
    assert server.client(token=False).put(LEVELS, json={"default": "info"}).status_code == 401


def test_a_reload_gives_back_the_configured_levels(make_server):
    server = make_server(args=["--log", "json"])
    client = server.client()
    expect(client.put(LEVELS, json={"default": "error", "config": "info"}), 200)
    server.signal(signal.SIGHUP)
    poll(lambda: expect(client.get(LEVELS), 200), lambda levels: levels["default"] == "info")
