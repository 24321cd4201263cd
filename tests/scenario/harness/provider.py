# SPDX-License-Identifier: MIT
"""A provider of OpenAI chat completions whose every byte is scripted by the test.

A reply is a list of steps, played in order; a step is a function of the exchange. Requests take replies in the
order in which the test gave them. Whatever is wrong with a request is kept in `problems`, which the fixture asserts
to be empty.
"""

import json
import queue
import socket
import struct
import threading
import time
from dataclasses import dataclass

import pydantic

from .environment import TIMEOUT
from .strict import check_chat_completion

MODEL = "stand-in-1"


class Gone(Exception):
    """The exchange is over: the client left, or the test is."""


@dataclass
class Request:
    method: str
    path: str
    headers: dict
    body: bytes
    connection: int

    @property
    def json(self):
        return json.loads(self.body)


class Exchange:
    """One reply on its way: what steps act on."""

    def __init__(self, provider, sock, request):
        self.provider = provider
        self.sock = sock
        self.request = request
        self.started = False
        self.over = False

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError as e:
            raise Gone from e

    def start(self, status=200, reason="OK", content_type="text/event-stream", **headers):
        lines = [f"HTTP/1.1 {status} {reason}", f"Content-Type: {content_type}", "Transfer-Encoding: chunked"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([*lines, "", ""]).encode())
        self.started = True

    def chunk(self, data):
        if not self.started:
            self.start()
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def finish(self):
        """The end of the HTTP message, if it has one to end."""
        if self.started and not self.over:
            self.send(b"0\r\n\r\n")
        self.over = True

    def until(self, event, timeout=TIMEOUT):
        """Waits for the event while the client is there."""
        deadline = time.monotonic() + timeout
        self.sock.settimeout(0.02)
        while not event.is_set():
            if self.provider.closing.is_set() or time.monotonic() > deadline:
                raise Gone
            try:
                if not self.sock.recv(1, socket.MSG_PEEK):
                    raise Gone
            except TimeoutError:
                continue
            except OSError as e:
                raise Gone from e
        self.sock.settimeout(TIMEOUT)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
        raise Gone


# Steps


def chunk_object(delta, finish=None, **more):
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    } | more


def data(value):
    """One `data:` line; bytes go out as they are, all else as JSON."""
    line = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
    return lambda x: x.chunk(b"data: " + line + b"\n\n")


def raw(*pieces):
    """Bytes of the stream, each piece a chunk of its own."""
    return lambda x: [x.chunk(piece) for piece in pieces]


def text(content):
    return data(chunk_object({"content": content}))


def reasoning(content):
    return data(chunk_object({"reasoning_content": content}))


def tool(index, *, id=None, name=None, arguments=None):
    """A fragment of a tool call, as providers send them: id and name first, arguments in pieces."""
    call = {"index": index}
    if id is not None:
        call |= {"id": id, "type": "function"}
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return data(chunk_object({"tool_calls": [call | {"function": function}]}))


def finish(reason="stop"):
    return data(chunk_object({}, reason))


def usage(prompt, completion, **more):
    sums = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return data(chunk_object({}) | {"choices": [], "usage": sums | more})


def done():
    return data(b"[DONE]")


def comment(content="keep-alive"):
    return raw(b": " + content.encode() + b"\n\n")


def headers(status=200, reason="OK", **more):
    return lambda x: x.start(status, reason, **more)


def wait(event):
    return lambda x: x.until(event)


def silence():
    """Nothing more, until the client leaves."""
    return lambda x: x.until(threading.Event())


def reset():
    """The connection breaks between two chunks."""
    return lambda x: x.reset()


def reset_in_chunk(part):
    """The connection breaks in the middle of a chunk that promised more."""

    def step(x):
        if not x.started:
            x.start()
        x.send(b"%x\r\n%s" % (len(part) + 1000, part))
        x.reset()

    return step


def long_line(size):
    """One line of the stream that does not end for `size` bytes."""

    def step(x):
        x.chunk(b'data: {"choices":[{"index":0,"delta":{"content":"')
        block = b"x" * 65536
        for _ in range(size // len(block)):
            x.chunk(block)
        x.chunk(b'"}}]}\n\n')

    return step


def answer(*contents, prompt=10, completion=5):
    """A whole good reply."""
    return [*(text(c) for c in contents), finish(), usage(prompt, completion), done()]


def failure(status, message="scripted failure", type="server_error", code=None, **more):
    """A whole reply that is an error, as OpenAI words them."""
    body = json.dumps({"error": {"message": message, "type": type, "param": None, "code": code}}).encode()

    def step(x):
        x.start(status, "Scripted", content_type="application/json", **more)
        x.chunk(body)

    return [step]


def model_list():
    body = json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model"}]}).encode()

    def step(x):
        x.start(content_type="application/json")
        x.chunk(body)

    return [step]


class Provider:
    def __init__(self):
        self.requests = []
        self.probes = []  # for the list of models, which is always the same reply
        self.models = model_list()
        self.problems = []
        self.connections = 0
        self.closing = threading.Event()
        self._replies = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def environment(self):
        """What makes this the server's model."""
        return {
            "OPENAI_API_KEY": "sk-scenario-canary",
            "OPENAI_BASE_URL": self.url,
            "CULM_MODEL": f"openai/{MODEL}",
        }

    def reply(self, *steps):
        """The reply to the next request that has none yet."""
        self._replies.put(list(steps))
        return self

    def next_reply(self, request):
        """The steps of the reply to this request."""
        try:
            return self._replies.get_nowait()
        except queue.Empty:
            self.problems.append(f"a request that no reply was given for: {request.body[:300]!r}")
            return failure(400, "no reply was scripted for this request", "invalid_request_error")

    def wait_requests(self, count, timeout=TIMEOUT):
        with self._changed:
            self._changed.wait_for(lambda: len(self.requests) >= count, timeout)
            assert len(self.requests) >= count, f"{len(self.requests)} requests within {timeout} s, not {count}"
            return self.requests[count - 1]

    def close(self):
        self.closing.set()
        self._listener.close()

    # one thread per connection

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True).start()

    def _serve(self, sock, connection):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with sock, sock.makefile("rb") as stream:
            while not self.closing.is_set():
                try:
                    request = self._read(stream, connection)
                    if request is None or not self._answer(sock, request):
                        return
                except (Gone, OSError, ValueError):
                    return

    def _read(self, stream, connection):
        line = stream.readline().decode()
        if not line:
            return None
        method, path, _ = line.split(" ")
        fields = {}
        while (line := stream.readline().decode().strip()) != "":
            name, value = line.split(":", 1)
            fields[name.lower()] = value.strip()
        body = stream.read(int(fields.get("content-length", 0)))
        return Request(method, path, fields, body, connection)

    def _answer(self, sock, request):
        exchange = Exchange(self, sock, request)
        if request.method == "GET" and request.path.endswith("/models"):
            self.probes.append(request)
            for step in self.models:
                step(exchange)
            exchange.finish()
            return True
        self._check(request)
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
        for step in self.next_reply(request):
            step(exchange)
        exchange.finish()
        return True

    def _check(self, request):
        if (request.method, request.path) != ("POST", "/v1/chat/completions"):
            self.problems.append(f"{request.method} {request.path}")
        if request.headers.get("authorization") != "Bearer sk-scenario-canary":
            self.problems.append(f"authorization: {request.headers.get('authorization')!r}")
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            self.problems.append(f"content-type: {request.headers.get('content-type')!r}")
        try:
            check_chat_completion(request.body)
        except pydantic.ValidationError as e:
            self.problems.append(f"not a chat completion of the SDK: {e}\n{request.body[:2000]!r}")
