# SPDX-License-Identifier: MIT
"""A strict reader of culm's event streams, and a watcher that reads one in the background."""

import contextlib
import json
import socket
import threading
from dataclasses import dataclass, field

import httpx

from .environment import TIMEOUT

KEEPALIVE = "[KEEPALIVE]"
DONE = "[DONE]"
TERMINAL = ("complete", "cancelled", "error")


class FramingError(AssertionError):
    pass


@dataclass(frozen=True)
class Frame:
    id: int | None
    data: str
    event: dict | None = field(default=None)

    @property
    def told(self):
        """The event itself: on the account feed it stands in an envelope."""
        return self.event if self.event is None or "type" in self.event else self.event["event"]

    @property
    def type(self):
        return self.told["type"] if self.event else None

    def __getitem__(self, key):
        return self.event[key]


def parse_frame(lines):
    """One frame: at most one `id: N`, then exactly one `data: …`, and nothing else."""
    ids = [line[4:] for line in lines if line.startswith("id: ")]
    data = [line[6:] for line in lines if line.startswith("data: ")]
    if len(ids) > 1 or len(data) != 1 or len(ids) + len(data) != len(lines):
        raise FramingError(f"not a frame: {lines!r}")
    if ids and not (ids[0].isdecimal() and str(int(ids[0])) == ids[0]):
        raise FramingError(f"not an id: {ids[0]!r}")
    event = None
    if data[0] not in (KEEPALIVE, DONE):
        event = json.loads(data[0])
        told = event.get("event", event) if isinstance(event, dict) else None
        if not isinstance(told, dict) or not isinstance(event.get("type", told.get("type")), str):
            raise FramingError(f"not an event: {data[0]!r}")
    frame = Frame(int(ids[0]) if ids else None, data[0], event)
    if frame.id is not None and (event is None or event.get("seq") != frame.id):
        raise FramingError(f"the id of a frame is the seq of its fact: {lines!r}")
    return frame


class FrameParser:
    def __init__(self):
        self.rest = b""

    def feed(self, data):
        self.rest += data
        while b"\n\n" in self.rest:
            block, self.rest = self.rest.split(b"\n\n", 1)
            yield parse_frame(block.decode("utf-8").split("\n"))


class Watcher:
    """Reads one stream in the background until it ends. Every wait is bounded."""

    def __init__(self, client, path, params=None, headers=None):
        self.frames = []
        self.error = None
        self.ended = False
        self._changed = threading.Condition()
        self._request = client.build_request(
            "GET", path, params=params, headers=headers, timeout=httpx.Timeout(TIMEOUT, read=None)
        )
        self._client = client
        self._response = client.send(self._request, stream=True)
        self.status = self._response.status_code
        self.headers = self._response.headers
        self.body = None
        if self.status == 200:
            self.on_answer()
            self._thread = threading.Thread(target=self._read, daemon=True)
            self._thread.start()
        else:
            self._response.read()
            self.body = self._response.json()
            self.on_answer()
            self.ended = True

    # what a subclass may want to know, each in its order

    def on_answer(self):
        """The status is known."""

    def on_frame(self, frame):
        """One more, on the reader's thread."""

    def on_end(self):
        """The last one, on the reader's thread."""

    def _read(self):
        parser = FrameParser()
        try:
            for data in self._response.iter_raw():
                for frame in parser.feed(data):
                    self.on_frame(frame)
                    with self._changed:
                        self.frames.append(frame)
                        self._changed.notify_all()
            if parser.rest:
                self.error = FramingError(f"half a frame at the end: {parser.rest!r}")
        except httpx.HTTPError as e:
            self.error = e
        except (AssertionError, ValueError) as e:
            self.error = e
        finally:
            self.on_end()
            with self._changed:
                self.ended = True
                self._changed.notify_all()

    # what has been seen

    def events(self, *types):
        return [f for f in list(self.frames) if f.event and (not types or f.type in types)]

    def types(self):
        return [f.type or f.data for f in list(self.frames)]

    @property
    def last_id(self):
        return max((f.id for f in list(self.frames) if f.id is not None), default=0)

    @property
    def finished(self):
        """Ended by [DONE], in good order."""
        return self.ended and self.error is None and bool(self.frames) and self.frames[-1].data == DONE

    # waiting

    def _wait(self, condition, what, timeout):
        with self._changed:
            self._changed.wait_for(condition, timeout)
            if not condition():
                raise AssertionError(f"no {what} within {timeout} s; seen: {self.describe()}")

    def wait_for(self, predicate, timeout=TIMEOUT, what="such frame"):
        """The first frame, from the beginning of the stream, that the predicate accepts."""

        def find():
            return next((f for f in self.frames if f.event and predicate(f)), None)

        self._wait(lambda: find() is not None or self.ended, what, timeout)
        found = find()
        if found is None:
            raise AssertionError(f"the stream ended without {what} ({self.error}); seen: {self.describe()}")
        return found

    def wait_type(self, *types, timeout=TIMEOUT):
        return self.wait_for(lambda f: f.type in types, timeout, " or ".join(types))

    def wait_text(self, bytes_wanted, timeout=TIMEOUT):
        """Until so many bytes of text have been seen, over all messages."""

        def enough():
            return sum(len(f["content"].encode()) for f in self.frames if f.type == "token") >= bytes_wanted

        self._wait(lambda: enough() or self.ended, f"{bytes_wanted} bytes of text", timeout)
        assert enough(), f"the stream ended too early ({self.error}); seen: {self.describe()}"

    def wait_end(self, timeout=TIMEOUT):
        self._wait(lambda: self.ended, "end of the stream", timeout)
        return self

    def ends_within(self, seconds):
        """Whether it has; for who does something else then."""
        with self._changed:
            return self._changed.wait_for(lambda: self.ended, seconds)

    def wait_done(self, timeout=TIMEOUT):
        self.wait_end(timeout)
        assert self.finished, f"the stream ended without [DONE] ({self.error!r}); seen: {self.describe()}"
        return self

    def describe(self):
        lines = [f"{f.id or '-'} {f.data[:160]}" for f in self.frames]
        if len(lines) > 40:
            lines = [*lines[:15], f"… {len(lines) - 30} more …", *lines[-15:]]
        return f"{len(self.frames)} frames\n  " + "\n  ".join(lines)

    def close(self):
        self._response.close()

    def leave(self):
        """Ends the stream from this side; unlike close() it wakes the reader, so that wait_end() can follow."""
        sock = self._response.extensions["network_stream"].get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
