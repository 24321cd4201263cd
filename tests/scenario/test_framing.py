# SPDX-License-Identifier: MIT
"""Bytes that are no sound HTTP/1.1: each is refused, its connection ends, and nothing behind it is ever served."""

import json
import re
import socket

import pytest

from harness.api import expect
from harness.environment import TIMEOUT

BODY = b'{"message":"smuggled"}'
CHUNKED = b"Transfer-Encoding: chunked\r\n"

# What stands between "POST /api/v1/chat HTTP/1.1", Host and credential, and the end of the head; then the body.
FIELDS = {
    "two different lengths": (b"Content-Length: 2\r\nContent-Length: 22\r\n", BODY),
    "two equal lengths": (b"Content-Length: 22\r\nContent-Length: 22\r\n", BODY),
    "list of lengths": (b"Content-Length: 2, 22\r\n", BODY),
    "list of equal lengths": (b"Content-Length: 22, 22\r\n", BODY),
    "length with a sign": (b"Content-Length: +22\r\n", BODY),
    "negative length": (b"Content-Length: -22\r\n", BODY),
    "hexadecimal length": (b"Content-Length: 0x16\r\n", BODY),
    "length with a blank": (b"Content-Length: 2 2\r\n", BODY),
    "empty length": (b"Content-Length:\r\n", BODY),
    "length beyond 64 bits": (b"Content-Length: 18446744073709551638\r\n", BODY),
    "length and chunked": (b"Content-Length: 22\r\n" + CHUNKED, b"0\r\n\r\n"),
    "chunked and length": (CHUNKED + b"Content-Length: 5\r\n", b"0\r\n\r\n"),
    "chunked twice": (CHUNKED + CHUNKED, b"0\r\n\r\n"),
    "chunked after another encoding": (b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
    "chunked before another encoding": (b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"),
    "another encoding": (b"Transfer-Encoding: gzip\r\n", BODY),
    "identity": (b"Transfer-Encoding: identity\r\nContent-Length: 22\r\n", BODY),
    "almost chunked": (b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"),
    "chunked behind a vertical tab": (b"Transfer-Encoding:\x0bchunked\r\n", b"0\r\n\r\n"),
    "chunked in quotes": (b'Transfer-Encoding: "chunked"\r\n', b"0\r\n\r\n"),
    "blank before the colon of a length": (b"Content-Length : 22\r\n", BODY),
    "blank before the colon of an encoding": (b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"),
    "blank before any colon": (b"X-A : b\r\n", b""),
    "no colon": (b"X-A\r\n", b""),
    "no name": (b": b\r\n", b""),
    "name that is no token": (b"X(A): b\r\n", b""),
    "folded field": (b"X-A: b\r\n c\r\n", b""),
    "folded field by a tab": (b"X-A: b\r\n\tc\r\n", b""),
    "NUL in a value": (b"X-A: b\0c\r\n", b""),
    "NUL in a name": (b"X\0A: b\r\n", b""),
    "bare CR in a value": (b"X-A: b\rX-B: c\r\n", b""),
    "bare CR before a length": (b"X-A: b\rContent-Length: 22\r\n", BODY),
    "escape in a value": (b"X-A: \x1b[2J\r\n", b""),
    "DEL in a value": (b"X-A: \x7f\r\n", b""),
    "second host": (b"Host: evil.example\r\n", b""),
    "second host that is the same": (b"Host: %HOST%\r\n", b""),
    "100 KB of header": (b"X-A: " + b"x" * 100_000 + b"\r\n", b""),
    "10,000 fields": (b"X-A: b\r\n" * 10_000, b""),
    "expectation nobody knows": (b"Expect: cake\r\nContent-Length: 22\r\n", BODY),
    "body that is too large": (b"Content-Length: 99999999\r\n", BODY),
}

CHUNKS = {
    "chunk size beyond 64 bits": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "chunk size of all bits": b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "negative chunk size": b"-5\r\nhello\r\n0\r\n\r\n",
    "chunk size with a sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "chunk size with 0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "no chunk size": b"\r\nhello\r\n0\r\n\r\n",
    "chunk size that is none": b"xyz\r\nhello\r\n0\r\n\r\n",
    "blank before a chunk size": b" 5\r\nhello\r\n0\r\n\r\n",
    "blank behind a chunk size": b"5 \r\nhello\r\n0\r\n\r\n",
    "chunk extension": b"5;a=b\r\nhello\r\n0\r\n\r\n",
    "chunk size ended by LF": b"5\nhello\r\n0\r\n\r\n",
    "chunk data overrun": b"5\r\nhello!\r\n0\r\n\r\n",
    "chunk data ended by LF": b"5\r\nhello\n0\r\n\r\n",
    "trailer": b"5\r\nhello\r\n0\r\nX-A: b\r\n\r\n",
    "length in a trailer": b"0\r\nContent-Length: 22\r\n\r\n",
}

# Whole heads.
HEADS = {
    "no host": b"GET /healthz HTTP/1.1\r\nX-A: b\r\n\r\n",
    "no field": b"GET /healthz HTTP/1.1\r\n\r\n",
    "chunked in HTTP/1.0": b"POST /api/v1/chat HTTP/1.0\r\nHost: %HOST%\r\n%TOKEN%" + CHUNKED + b"\r\n0\r\n\r\n",
    "version 3.1": b"GET /healthz HTTP/3.1\r\nHost: %HOST%\r\n\r\n",
    "version 1.2": b"GET /healthz HTTP/1.2\r\nHost: %HOST%\r\n\r\n",
    "version 2.0": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "version in small letters": b"GET /healthz http/1.1\r\nHost: %HOST%\r\n\r\n",
    "no version": b"GET /healthz\r\nHost: %HOST%\r\n\r\n",
    "version of another protocol": b"GET /healthz RTSP/1.1\r\nHost: %HOST%\r\n\r\n",
    "more behind the version": b"GET /healthz HTTP/1.1 x\r\nHost: %HOST%\r\n\r\n",
    "blank behind the version": b"GET /healthz HTTP/1.1 \r\nHost: %HOST%\r\n\r\n",
    "two blanks": b"GET  /healthz HTTP/1.1\r\nHost: %HOST%\r\n\r\n",
    "tab for a blank": b"GET\t/healthz\tHTTP/1.1\r\nHost: %HOST%\r\n\r\n",
    "blank before the method": b" GET /healthz HTTP/1.1\r\nHost: %HOST%\r\n\r\n",
    "blank before the first field": b"GET /healthz HTTP/1.1\r\n Host: %HOST%\r\nHost: %HOST%\r\n\r\n",
    "empty line before the request": b"\r\nGET /healthz HTTP/1.1\r\nHost: %HOST%\r\n\r\n",
    "method in small letters": b"get /healthz HTTP/1.1\r\nHost: %HOST%\r\n\r\n",
    "method nobody knows": b"BREW /healthz HTTP/1.1\r\nHost: %HOST%\r\n\r\n",
    "method that is no token": b"G(E)T /healthz HTTP/1.1\r\nHost: %HOST%\r\n\r\n",
    "method with a NUL": b"G\0T /healthz HTTP/1.1\r\nHost: %HOST%\r\n\r\n",
    "method of two letters": b"GE / HTTP/1.1\r\nHost: %HOST%\r\n\r\n",
    "method of 100 letters": b"G" * 100 + b" /healthz HTTP/1.1\r\nHost: %HOST%\r\n\r\n",
    "no method": b"/healthz HTTP/1.1\r\nHost: %HOST%\r\n\r\n",
    "tunnel": b"CONNECT %HOST% HTTP/1.1\r\nHost: %HOST%\r\n\r\n",
    "encoded NUL in the path": b"GET /healthz%00 HTTP/1.1\r\nHost: %HOST%\r\n\r\n",
    "NUL in the path": b"GET /healthz\0 HTTP/1.1\r\nHost: %HOST%\r\n\r\n",
    "control character in the target": b"GET /healthz\x01 HTTP/1.1\r\nHost: %HOST%\r\n\r\n",
    "tab in the target": b"GET /health\tz HTTP/1.1\r\nHost: %HOST%\r\n\r\n",
    "DEL in the target": b"GET /healthz\x7f HTTP/1.1\r\nHost: %HOST%\r\n\r\n",
    "bare CR in the target": b"GET /health\rz HTTP/1.1\r\nHost: %HOST%\r\n\r\n",
    "fragment in the target": b"GET /healthz#a HTTP/1.1\r\nHost: %HOST%\r\n\r\n",
    "target without a slash": b"GET healthz HTTP/1.1\r\nHost: %HOST%\r\n\r\n",
    "target of two slashes": b"GET //healthz HTTP/1.1\r\nHost: %HOST%\r\n\r\n",
    "target of another host": b"GET http://evil.example/healthz HTTP/1.1\r\nHost: %HOST%\r\n\r\n",
    "target of no port": b"GET http://localhost:99999/ HTTP/1.1\r\nHost: localhost:99999\r\n\r\n",
    "target of 9 KB": b"GET /" + b"x" * 9216 + b" HTTP/1.1\r\nHost: %HOST%\r\n\r\n",
    "target without an end": b"GET /" + b"x" * 100_000,
    "body of a HEAD": b"HEAD /healthz HTTP/1.1\r\nHost: %HOST%\r\nContent-Length: 22\r\n\r\n" + BODY,
    "body of a TRACE": b"TRACE /healthz HTTP/1.1\r\nHost: %HOST%\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xa5" * 300 + b"\r\n\r\n",
}

CHAT = b"POST /api/v1/chat HTTP/1.1\r\nHost: %HOST%\r\n%TOKEN%Content-Type: application/json\r\n"
CASES = (
    {name: CHAT + fields + b"\r\n" + body for name, (fields, body) in FIELDS.items()}
    | {name: CHAT + CHUNKED + b"\r\n" + body for name, body in CHUNKS.items()}
    | HEADS
)
FOLLOWER = (
    b"POST /api/v1/sessions HTTP/1.1\r\nHost: %HOST%\r\n%TOKEN%X-Request-Id: smuggled\r\nContent-Length: 0\r\n\r\n"
)


@pytest.fixture
def server(make_server):
    return make_server(args=["--log", "json"], env={"CULM_LOG_LEVELS": "http=debug"})


def fill(server, request):
    host = f"127.0.0.1:{server.port}".encode()
    return request.replace(b"%HOST%", host).replace(b"%TOKEN%", f"Authorization: Bearer {server.token}\r\n".encode())


def send(server, *pieces):
    """All that comes back until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as sock:
        heard = b""
        try:
            for piece in pieces:
                sock.sendall(piece)
            while part := sock.recv(65536):
                heard += part
        except (ConnectionResetError, BrokenPipeError):
            pass  # closed in mid-sending; TimeoutError, a connection that stays open, is no such thing
        return heard


def check_refused(server, name, heard):
    answers = re.findall(rb"^HTTP/1\.[01] (\d{3}) ", heard, re.MULTILINE)
    assert len(answers) <= 1, f"{name}: {heard}"
    assert all(answer[:1] in b"45" for answer in answers), f"{name}: {heard}"
    if answers:
        assert b"\r\nX-Request-Id: " in heard, f"{name}: {heard}"
    assert b"<HTML" not in heard.upper(), f"{name}: {heard}"


@pytest.mark.parametrize("how", ["at once", "cut in two", "without a follower"])
def test_what_is_not_sound_is_refused_and_ends_the_connection(server, how):
    follower = fill(server, FOLLOWER)
    for name, request in CASES.items():
        whole = fill(server, request)
        half = len(whole) // 2
        if how == "at once":
            heard = send(server, whole + follower)
        elif how == "cut in two":
            heard = send(server, whole[:half], whole[half:] + follower)
        else:
            heard = send(server, whole)
        check_refused(server, name, heard)
    # The server is well, and none of it was served: neither a chat nor what stood behind it.
    client = server.client()
    assert client.get("/healthz").status_code == 200
    assert expect(client.get("/api/v1/sessions"), 200)["total"] == 0
    assert b" 201 " in send(server, follower.replace(b"Content-Length", b"Connection: close\r\nContent-Length"))
    served = [e for e in server.log_events() if e.get("request") == "smuggled"]
    assert [e["status"] for e in served] == [201], json.dumps(served)
