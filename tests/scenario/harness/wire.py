# SPDX-License-Identifier: MIT
"""Requests no client library would send, byte by byte."""

import http.client
import socket

from .environment import TIMEOUT


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()


def exchange(server, request, *, unix=False):
    """Sends the bytes on a fresh connection and reads one reply; None where the connection was only closed."""
    if unix:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(TIMEOUT)
        sock.connect(str(server.socket_path))
    else:
        sock = socket.create_connection(("127.0.0.1", server.port), TIMEOUT)
    with sock:
        sock.sendall(request)
        response = http.client.HTTPResponse(sock)
        try:
            response.begin()
            return Reply(response)
        except (http.client.BadStatusLine, ConnectionError):
            return None


def request(server, method="GET", path="/api/v1/sessions", *, host=None, token=True, body=b"", fields=()):
    """The bytes of a request with exactly these header fields besides Host, credential and length."""
    lines = [f"{method} {path} HTTP/1.1"]
    if host is not False:
        lines.append(f"Host: {host or f'127.0.0.1:{server.port}'}")
    if token:
        lines.append(f"Authorization: Bearer {server.token if token is True else token}")
    if body:
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in fields]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
