# SPDX-License-Identifier: MIT
"""The door, row by row: credentials, the Unix socket, Host, Origin, the order of the checks, wide binds."""

import os
import shutil
import stat
import subprocess

import pytest

from harness import wire
from harness.api import expect, poll
from harness.environment import TIMEOUT
from harness.offline import say

NATIVE = "/api/v1/sessions"
PUBLIC = ["/api/v1/health", "/v1/health", "/healthz", "/readyz"]
PUBLIC_IF_THERE = ["/api/v1/bootstrap", "/openapi.json", "/docs"]
JSON = ("Content-Type", "application/json")
TEXT = ("Content-Type", "text/plain")


def status(server, **request):
    return wire.exchange(server, wire.request(server, **request)).status


# the token


def test_the_token_opens(server, between):
    token = server.token
    assert len(token) >= 43, "256 bits need 43 characters of base64"
    assert status(server, path=NATIVE) == 200
    between(server)
    assert server.token == token
    assert status(server, path=NATIVE) == 200


@pytest.mark.parametrize("token", [False, "wrong", "x" * 64, ""])
def test_no_token_or_another_is_401(server, token):
    reply = wire.exchange(server, wire.request(server, path=NATIVE, token=False if token is False else token or " "))
    assert reply.status == 401
    assert b'"message"' in reply.body


def test_almost_the_token_is_401(server):
    token = server.token
    for wrong in (token[:-1], token + "x", token.swapcase(), token[1:]):
        assert status(server, path=NATIVE, token=wrong) == 401


@pytest.mark.parametrize("field", ["Basic {}", "{}", "Bearer", "Token {}", "Bearer {} x"])
def test_only_the_bearer_scheme(server, field):
    value = field.format(server.token)
    assert status(server, path=NATIVE, token=False, fields=[("Authorization", value)]) == 401


def test_vendor_keys_do_not_open_native_paths(server):
    assert status(server, path=NATIVE, token=False, fields=[("x-api-key", server.token)]) == 401
    assert status(server, path=NATIVE, token=False, fields=[("x-goog-api-key", server.token)]) == 401
    assert status(server, path=f"{NATIVE}?key={server.token}", token=False) == 401


def test_every_native_path_wants_the_token(server):
    for method, path in [
        ("POST", "/api/v1/chat"),
        ("POST", "/api/v1/execute/x"),
        ("GET", "/api/v1/events/x"),
        ("POST", "/api/v1/stop/x"),
        ("GET", "/api/v1/history/x"),
        ("GET", "/api/v1/runs/x"),
        ("GET", "/api/v1/sessions/x"),
        ("PATCH", "/api/v1/sessions/x"),
        ("DELETE", "/api/v1/sessions/x"),
        ("GET", "/api/v1/sessions/x/facts"),
        ("GET", "/api/v1/unknown"),
        ("GET", "/v1/unknown"),
    ]:
        assert status(server, method=method, path=path, token=False) == 401, (method, path)


@pytest.mark.parametrize("path", PUBLIC)
def test_public_paths_want_none(server, path):
    # /readyz is 503 until the sessions of earlier lives have been looked at
    assert poll(lambda: status(server, path=path, token=False), lambda code: code != 503) == 200


@pytest.mark.parametrize("path", PUBLIC_IF_THERE)
def test_public_documents_want_none(server, path):
    assert status(server, path=path, token=False) in (200, 404)


def test_health_says_what_it_should(server):
    health = wire.exchange(server, wire.request(server, path="/api/v1/health", token=False))
    assert health.body == b"OK"
    assert health.headers["content-type"] == "text/plain; charset=utf-8"
    for path in ("/healthz", "/readyz"):
        reply = expect(server.client(token=False).get(path), 200)
        assert reply["status"] == "ok"
        assert reply["version"]


def test_secrets_are_for_the_owner_only(server):
    for path in (server.data_dir / "token", server.socket_path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(server.data_dir.stat().st_mode) & 0o077 == 0


# the Unix socket


def test_the_unix_socket_wants_no_token(server, between):
    between(server)
    client = server.client(unix=True)
    expect(client.get(NATIVE), 200)
    session_id = expect(client.post("/api/v1/chat", json={"message": say("x")}), 201)["session_id"]
    expect(client.post(f"/api/v1/execute/{session_id}", json={}), 202)


def test_a_stale_socket_is_replaced(server):
    server.kill9()
    assert server.socket_path.exists()
    server.start()
    expect(server.client(unix=True).get(NATIVE), 200)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as somebody else")
def test_another_user_is_refused_on_the_unix_socket(server):
    for path in (server.directory.parent, server.directory, server.data_dir):
        path.chmod(0o755)
    server.socket_path.chmod(0o666)
    asked = subprocess.run(
        [shutil.which("curl"), "-s", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", str(server.socket_path)]
        + [f"http://localhost{NATIVE}"],
        user=65534,
        group=65534,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert asked.stdout in ("401", "403", "000")
    expect(server.client(unix=True).get(NATIVE), 200)


# Host


@pytest.mark.parametrize("host", ["localhost:{}", "127.0.0.1:{}", "[::1]:{}", "LOCALHOST:{}"])
def test_our_own_names_pass(server, host):
    assert status(server, path=NATIVE, host=host.format(server.port)) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:{}",
        "127.0.0.1:1",
        "localhost",
        "127.0.0.1",
        "127.0.0.1.evil.example:{}",
        "localhost.:{}",
        "0.0.0.0:{}",
        "[::]:{}",
        "[::ffff:127.0.0.1]:{}",
        "127.1:{}",
        "2130706433:{}",
        "user@localhost:{}",
        "localhost:{}, evil.example",
    ],
)
@pytest.mark.parametrize("path", [NATIVE, "/healthz"])
def test_any_other_name_is_421(server, host, path):
    reply = wire.exchange(server, wire.request(server, path=path, host=host.format(server.port)))
    assert reply.status in ((400, 421) if "@" in host or "," in host else (421,))


def test_a_request_without_host_or_with_two_is_400(server):
    assert status(server, path=NATIVE, host=False) == 400
    assert status(server, path=NATIVE, fields=[("Host", f"localhost:{server.port}")]) == 400


# Origin


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:1", "file://", "chrome-extension://x"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS", "PATCH"])
def test_foreign_pages_are_403(server, origin, method):
    reply = wire.exchange(server, wire.request(server, method=method, path=NATIVE, fields=[("Origin", origin), JSON]))
    assert reply.status == 403
    assert not [name for name in reply.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize(
    ("site", "code"), [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)]
)
def test_a_plain_load_by_a_foreign_page_is_403(server, site, code):
    """Browsers leave Origin away there, and say whose page asked."""
    assert status(server, path=NATIVE, fields=[("Sec-Fetch-Site", site)]) == code


def test_our_own_page_may_call(server):
    own = [("Origin", f"http://127.0.0.1:{server.port}"), JSON]
    assert status(server, method="POST", path="/api/v1/chat", fields=own, body=b'{"message":"x"}') == 201


def test_foreign_pages_cannot_even_watch(server):
    session_id, _ = server.api.whole_turn(say("x"))
    assert status(server, path=f"/api/v1/events/{session_id}", fields=[("Origin", "https://evil.example")]) == 403


def test_no_reply_has_cors_headers(server):
    for path in (NATIVE, "/healthz", "/api/v1/unknown"):
        reply = wire.exchange(server, wire.request(server, path=path))
        assert not [name for name in reply.headers if name.lower().startswith("access-control-")]


# the order of the checks

WRONG = {
    400: {"fields": [("Content-Length", "0"), ("Transfer-Encoding", "chunked")]},
    421: {"host": "evil.example"},
    403: {"fields": [("Origin", "https://evil.example")]},
    401: {"token": False},
    415: {"fields": [TEXT], "body": b"{}"},
}


@pytest.mark.parametrize("first", list(WRONG))
def test_the_first_wrong_thing_is_named(server, first):
    """A request that is wrong from one check on in all that follow is told about the first."""
    request = {"method": "POST", "path": "/api/v1/chat", "fields": []}
    for code in list(WRONG)[list(WRONG).index(first) :]:
        for key, value in WRONG[code].items():
            request[key] = request["fields"] + value if key == "fields" else value
    if first == 400:
        request.pop("body")
    assert status(server, **request) == first


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None])
def test_a_body_that_is_not_json_is_415(server, kind):
    fields = [("Content-Type", kind)] if kind else []
    assert status(server, method="POST", path="/api/v1/chat", fields=fields, body=b'{"message":"x"}') == 415


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_by_any_of_its_names(server, kind):
    body = b'{"message":"x"}'
    assert status(server, method="POST", path="/api/v1/chat", fields=[("Content-Type", kind)], body=body) == 201


# --compat-open-loopback


@pytest.fixture
def open_server(make_server):
    return make_server(args=["--compat-open-loopback"])


def test_open_loopback_takes_any_credential_or_none(open_server):
    assert status(open_server, path=NATIVE, token=False) == 200
    assert status(open_server, path=NATIVE, token="sk-somebody-elses") == 200
    assert status(open_server, path=NATIVE) == 200


def test_open_loopback_warns(open_server):
    poll(open_server.log_text, lambda log: "open_loopback" in log)


def test_open_loopback_keeps_host_and_origin(open_server):
    assert status(open_server, path=NATIVE, token=False, host="evil.example") == 421
    assert status(open_server, path=NATIVE, token=False, fields=[("Origin", "https://evil.example")]) == 403


# wide binds


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1"])
@pytest.mark.parametrize("options", [[], ["--compat-open-loopback"]])
def test_a_wide_bind_is_refused(cli, address, options):
    done = cli.run("serve", "--bind", address, "--port", "0", *options)
    assert done.returncode not in (0, None)
    assert done.stdout == ""
    assert address in done.stderr


def test_loopback_addresses_may_be_bound(make_server):
    make_server(args=["--bind", "127.0.0.1"])
