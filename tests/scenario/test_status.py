# SPDX-License-Identifier: MIT
"""What the server tells of itself: the document, the text for Prometheus, and that both move as they should."""

import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families

from harness import provider as p
from harness import wire
from harness.api import Api, expect, poll
from harness.offline import say, script

STATUS = "/api/v1/status"

# The schema: a name that is missing here or there is a change of the API.
LENGTHS = {"count", "mean_us", "p50_us", "p90_us", "p99_us"}
SCHEMA = {
    "": {
        *("version", "boot_id", "pid", "started_at", "uptime_ms", "memory", "process", "store", "sessions", "watchers"),
        *("queued_effects", "runs", "text", "http", "loop", "log", "live_runs", "providers", "routes"),
    },
    "memory": {"resident_bytes", "virtual_bytes"},
    "process": {"cpu_ms", "threads", "open_files", "max_files"},
    "store": {
        *("file_bytes", "disk_free_bytes", "queued", "appends", "refused", "failed", "commits", "checkpoints"),
        *("reopened", "flush"),
    },
    "store.flush": LENGTHS,
    "sessions": {"live", "watched"},
    "runs": {"active", "pending", "running", "retrying", "stopping", "started", "recovered", "ended"},
    "runs.ended": {"completed", "suspended", "cancelled", "error", "budget"},
    "text": {"pieces", "bytes", "pieces_per_second"},
    "http": {
        *("connections", "streams", "accepted", "turned_away", "received_bytes", "sent_bytes", "events"),
        *("event_bytes", "stuck_streams", "refused"),
    },
    "http.refused": {
        *("bad_request", "timeout", "too_large", "uri_too_long", "expectation_failed", "headers_too_large"),
        *("unavailable", "misdirected_request", "forbidden", "unauthorized", "unsupported_media_type"),
    },
    "loop": {"stalls", "longest_us", "longest_callback"},
    "log": {"dropped"},
    "live_runs.*": {
        *("session_id", "run_id", "state", "provider", "model", "started_at", "round", "pieces", "bytes"),
        "pieces_per_second",
    },
    "providers.*": {
        *("name", "in_flight", "calls", "retries", "answered", "cancelled", "failed", "prompt_tokens"),
        *("completion_tokens", "first_piece", "last_answered_at", "last_failed_at", "last_failure"),
    },
    "providers.*.first_piece": LENGTHS,
    "providers.*.last_failure": {"kind", "message"},
    "routes.*": {"method", "path", "status", "duration"},
    "routes.*.status": {"2xx", "3xx", "4xx", "5xx"},
    "routes.*.duration": LENGTHS,
}


def status(api):
    return expect(api.client.get(STATUS), 200)


def metrics(api):
    """name: {labels: value}, as the official parser reads it."""
    reply = api.client.get("/metrics")
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = {}
    for family in text_string_to_metric_families(reply.text):
        assert family.documentation
        assert family.type in ("counter", "gauge", "histogram")
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            assert labels not in samples.setdefault(sample.name, {}), f"{sample.name}{labels} comes twice"
            samples[sample.name][labels] = sample.value
    return samples


def only(samples, name, **labels):
    return samples[name][tuple(sorted(labels.items()))]


def provider_of(document, name="openai"):
    return next(row for row in document["providers"] if row["name"] == name)


def route_of(document, method, path):
    return next((r for r in document["routes"] if (r["method"], r["path"]) == (method, path)), None)


def schema_of(value, path=""):
    """path: keys, of everything in a document."""
    if isinstance(value, list):
        found = {}
        for item in value:
            found |= schema_of(item, f"{path}.*")
        return found
    if not isinstance(value, dict):
        return {}
    found = {path: set(value)}
    for key, member in value.items():
        found |= schema_of(member, f"{path}.{key}" if path else key)
    return found


# the forms


def test_the_schema_is_stable(make_server, provider):
    """Whatever has happened, the document has the same names."""
    server = make_server(env=provider.environment)
    api = server.api
    gate = threading.Event()
    empty = schema_of(status(api))
    for path, keys in empty.items():
        assert keys == SCHEMA[path], path
    assert {"", "store.flush", "providers.*.last_failure"} <= set(empty)
    provider.reply(p.text("half"), p.wait(gate), *p.answer("whole"))
    session_id, run_id = api.turn("question")
    provider.wait_requests(1)
    poll(lambda: status(api)["text"]["pieces"], lambda n: n > 0)
    assert schema_of(status(api)) == SCHEMA
    gate.set()
    api.wait_run(run_id)
    assert api.session(session_id)["state"] == "done"


def test_both_forms_want_the_token(server):
    for path in (STATUS, "/metrics"):
        assert server.client(token=False).get(path).status_code == 401
        assert server.client(unix=True).get(path).status_code == 200
        assert server.client().head(path).status_code == 200
        assert server.client().post(path, json={}).status_code == 405


def test_both_forms_say_the_same(api):
    api.whole_turn(say("hello"))
    document, samples = status(api), metrics(api)
    assert only(samples, "culm_build_info", version=document["version"]) == 1
    assert only(samples, "culm_runs_ended_total", end="completed") == document["runs"]["ended"]["completed"] == 1
    assert only(samples, "culm_store_commits_total") == document["store"]["commits"]
    assert only(samples, "culm_text_pieces_total") == document["text"]["pieces"] > 0
    assert only(samples, "culm_provider_answered_total", provider="offline") == 1
    assert only(samples, "process_max_fds") == document["process"]["max_files"]
    assert only(samples, "process_threads") == document["process"]["threads"]
    assert only(samples, "culm_store_file_bytes") == document["store"]["file_bytes"]
    chat = {"method": "POST", "route": "/api/v1/chat"}
    assert only(samples, "culm_http_requests_total", status="2xx", **chat) == 1
    assert only(samples, "culm_http_request_duration_seconds_count", **chat) == 1


def test_histograms_add_up(api):
    api.whole_turn(say("hello"))
    samples = metrics(api)
    histograms = [name.removesuffix("_bucket") for name in samples if name.endswith("_bucket")]
    assert set(histograms) == {
        "culm_store_flush_seconds",
        "culm_provider_first_piece_seconds",
        "culm_http_request_duration_seconds",
    }
    for name in histograms:
        for labels, count in samples[f"{name}_count"].items():
            buckets = {
                float(dict(key)["le"]): value
                for key, value in samples[f"{name}_bucket"].items()
                if tuple(pair for pair in key if pair[0] != "le") == labels
            }
            assert [buckets[bound] for bound in sorted(buckets)] == sorted(buckets.values()), name
            assert buckets[float("inf")] == count
            assert {0.0001, 0.001, 0.01, 0.1, 1.0, 10.0} <= set(buckets)


# the numbers


def test_a_turn_is_counted(make_server, provider):
    server = make_server(env=provider.environment)
    api = server.api
    before = status(api)
    provider.reply(*p.answer("one", "two", prompt=11, completion=7))
    api.whole_turn("question")
    after = status(api)
    row = provider_of(after)
    assert (row["calls"], row["answered"], row["failed"], row["retries"], row["in_flight"]) == (1, 1, 0, 0, 0)
    assert (row["prompt_tokens"], row["completion_tokens"]) == (11, 7)
    assert row["first_piece"]["count"] == 1
    assert row["last_answered_at"] is not None
    assert row["last_failed_at"] is None
    assert after["runs"]["started"] == 1
    assert after["runs"]["ended"] == {"completed": 1, "suspended": 0, "cancelled": 0, "error": 0, "budget": 0}
    assert after["runs"]["active"] == 0
    assert after["live_runs"] == []
    assert (after["text"]["pieces"], after["text"]["bytes"]) == (2, 6)
    assert after["store"]["appends"] > before["store"]["appends"]
    assert after["store"]["flush"]["count"] == after["store"]["commits"] > before["store"]["commits"]
    assert after["store"]["queued"] == 0
    assert after["http"]["received_bytes"] > before["http"]["received_bytes"]
    assert route_of(after, "POST", "/api/v1/execute/{session}")["status"]["2xx"] == 1


def test_failures_and_retries_are_counted(make_server, provider):
    server = make_server(env=provider.environment)
    api = server.api
    provider.reply(*p.failure(500, message="a bad day"))
    provider.reply(*p.answer("well"))
    api.whole_turn("question")
    provider.reply(*p.failure(401, message="who are you"))
    api.whole_turn("another")
    document, samples = status(api), metrics(api)
    row = provider_of(document)
    assert (row["calls"], row["answered"], row["failed"], row["retries"]) == (3, 1, 2, 1)
    assert row["last_failure"]["kind"] == "authentication"
    assert row["last_failed_at"] is not None
    assert "sk-scenario-canary" not in str(document)
    assert document["runs"]["ended"]["completed"] == 1
    assert document["runs"]["ended"]["error"] == 1
    assert only(samples, "culm_provider_failed_total", provider="openai", kind="provider_error") == 1
    assert only(samples, "culm_provider_failed_total", provider="openai", kind="authentication") == 1
    assert only(samples, "culm_provider_failed_total", provider="openai", kind="timeout") == 0


def test_a_run_at_work_is_listed(make_server, provider):
    server = make_server(env=provider.environment)
    api = server.api
    gate = threading.Event()
    provider.reply(p.text("four"), p.text("five!"), p.wait(gate), *p.answer(" six"))
    session_id, run_id = api.turn("question")
    document = poll(lambda: status(api), lambda d: d["text"]["pieces"] == 2)
    assert document["runs"]["active"] == document["runs"]["running"] == 1
    assert document["sessions"]["live"] == 1
    assert provider_of(document)["in_flight"] == 1
    (row,) = document["live_runs"]
    assert (row["session_id"], row["run_id"], row["state"]) == (session_id, run_id, "running")
    assert (row["provider"], row["model"], row["round"]) == ("openai", p.MODEL, 1)
    assert (row["pieces"], row["bytes"]) == (2, 9)
    gate.set()
    api.wait_run(run_id)
    poll(lambda: status(api), lambda d: d["live_runs"] == [] and d["sessions"]["live"] == 0)


def test_a_pause_before_a_retry_and_a_stop_are_seen(make_server, provider):
    server = make_server(env=provider.environment)
    api = server.api
    provider.reply(*p.failure(429, Retry_After="60"))
    session_id, run_id = api.turn("question")
    document = poll(lambda: status(api), lambda d: d["runs"]["retrying"] == 1)
    assert document["live_runs"][0]["state"] == "retrying"
    api.stop(session_id)
    api.wait_run(run_id)
    document = status(api)
    assert document["runs"]["ended"]["cancelled"] == 1
    assert document["runs"]["active"] == 0


def test_a_call_that_is_given_up_is_neither_answered_nor_failed(make_server, provider):
    server = make_server(env=provider.environment)
    api = server.api
    provider.reply(p.text("endless"), p.silence())
    session_id, run_id = api.turn("question")
    poll(lambda: status(api)["text"]["pieces"], lambda n: n == 1)
    api.stop(session_id)
    api.wait_run(run_id)
    row = poll(lambda: provider_of(status(api)), lambda r: r["in_flight"] == 0)
    assert (row["cancelled"], row["answered"], row["failed"]) == (1, 0, 0)


def test_watchers_come_and_go(api):
    session_id, _ = api.whole_turn(say("x"))
    assert status(api)["watchers"] == 0
    watchers = [api.watch(session_id, follow=1) for _ in range(3)]
    for watcher in watchers:
        watcher.wait_type("stream_opened")
    document = status(api)
    assert document["watchers"] == document["http"]["streams"] == 3
    assert document["sessions"]["watched"] == 1
    assert document["http"]["events"] >= 3
    assert route_of(document, "GET", "/api/v1/events/{session}")["status"]["2xx"] == 3
    for watcher in watchers:
        watcher.leave()
    poll(lambda: status(api), lambda d: d["watchers"] == 0 and d["sessions"]["watched"] == 0)


def test_more_runs_than_are_listed(api):
    """The list is bounded; the number is not."""
    sessions = [api.turn(script({"tokens": 1000, "delay_ms": 1000}))[0] for _ in range(102)]
    document = poll(lambda: status(api), lambda d: d["runs"]["active"] == len(sessions))
    assert [row["session_id"] for row in document["live_runs"]] == sessions[:100]
    for session_id in sessions:
        api.stop(session_id)
    poll(lambda: status(api), lambda d: d["runs"]["ended"]["cancelled"] == len(sessions))


@pytest.mark.parametrize(
    ("reason", "request_"),
    [
        ("bad_request", {"fields": [("Content-Length", "0"), ("Transfer-Encoding", "chunked")]}),
        ("misdirected_request", {"host": "evil.example"}),
        ("forbidden", {"fields": [("Origin", "https://evil.example")]}),
        ("unauthorized", {"token": False}),
        ("unsupported_media_type", {"method": "POST", "path": "/api/v1/chat", "body": b"{}"}),
    ],
)
def test_the_door_counts_whom_it_refused(server, reason, request_):
    api = server.api
    assert not any(status(api)["http"]["refused"].values())
    wire.exchange(server, wire.request(server, **({"path": "/api/v1/sessions"} | request_)))
    document = status(api)
    assert {r: n for r, n in document["http"]["refused"].items() if n} == {reason: 1}
    assert only(metrics(api), "culm_http_refused_total", reason=reason) == 1


def test_no_label_holds_a_path_of_a_client(server):
    for path in ("/secret-path", "/api/v1/secret-path", "/api/v1/sessions/secret-path", "/api/v1/runs/secret-path"):
        server.client().get(path)
    text = server.client().get("/metrics").text
    assert "secret-path" not in text
    assert "secret-path" not in server.client().get(STATUS).text
    assert only(metrics(server.api), "culm_http_requests_total", method="other", route="other", status="4xx") == 2


# the life


def test_another_life_counts_anew(make_server, provider):
    server = make_server(env=provider.environment)
    provider.reply(*p.answer("one"))
    server.api.whole_turn("question")
    provider.reply(p.text("half"), p.silence())
    _, run_id = server.api.turn("cut")
    before = poll(lambda: status(server.api), lambda d: d["text"]["pieces"] == 2)
    provider.reply(*p.answer("whole"))
    server.restart("kill")
    server.api.wait_run(run_id)
    after = status(server.api)
    assert after["boot_id"] != before["boot_id"]
    assert after["started_at"] > before["started_at"]
    assert (after["runs"]["started"], after["runs"]["recovered"]) == (0, 1)
    assert after["runs"]["ended"]["completed"] == 1
    row = provider_of(after)
    assert (row["calls"], row["answered"], row["retries"]) == (1, 1, 1)


def test_what_is_open_is_closed_again(server):
    """Connections and descriptors come back to where they were."""
    with server.client() as client:
        api = Api(client)
        before = poll(lambda: status(api), lambda d: d["http"]["connections"] == 1)
        others = [server.client() for _ in range(5)]
        for other in others:
            other.get("/healthz")
        during = status(api)
        for other in others:
            other.close()
        files = before["process"]["open_files"]  # a descriptor is closed a moment after its connection is
        poll(lambda: status(api), lambda d: d["http"]["connections"] == 1 and d["process"]["open_files"] == files)
    assert during["http"]["connections"] == 6
    assert during["http"]["accepted"] == before["http"]["accepted"] + 5
    assert during["process"]["open_files"] == files + 5
