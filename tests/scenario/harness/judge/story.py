# SPDX-License-Identifier: MIT
"""The records of one session by what they belong to, and the log, made ready to be asked."""

import bisect
import itertools
import json
import math
from dataclasses import dataclass, field

from ..sse import DONE, KEEPALIVE, TERMINAL

NUMBERED = frozenset({"message_appended", "execution_started", "message_discarded", "tool_start", "tool_complete",
                      "tool_error", "budget_exceeded", *TERMINAL})  # fmt: skip
NEWEST_ONLY = frozenset({"token_budget_updated", "runner_progress", "session_title_updated", "session_pinned_updated"})


@dataclass(frozen=True)
class Finding:
    id: str
    text: str

    def __str__(self):
        return f"{self.id}: {self.text}"


@dataclass
class Op:
    """One request, and for "watch" the stream that it opened."""

    n: int
    client: str
    op: str
    session: str
    args: dict
    invoked: float
    kind: str | None = None
    answered: float = math.inf
    status: int | None = None
    body: object = None
    frames: list = field(default_factory=list)  # (time, id or None, event or None, data)
    closed: str | None = None
    broken: str | None = None

    def __str__(self):
        return f"{self.op} {self.n} of {self.client}"

    @property
    def ok(self):
        return self.kind == "ok"

    def get(self, key, default=None):
        return self.body.get(key, default) if self.ok and isinstance(self.body, dict) else default


def canonical(value):
    """The bytes of JSON as the server writes it: the order of keys counts."""
    return json.dumps(value, ensure_ascii=False)


def short(value, limit=160):
    text = value if isinstance(value, str | bytes) else canonical(value)
    return str(text) if len(text) <= limit else f"{text[:limit]}…"


def is_user_message(fact):
    return fact["type"] == "message_appended" and fact["role"] == "user"


def is_answer(fact):
    return fact["type"] == "message_appended" and fact["role"] == "assistant"


def read_log(get, session):
    """All that the server tells of a session at rest. get(path, **query) gives the JSON of a 200."""
    facts, after = [], 0
    while True:
        page = get(f"/api/v1/sessions/{session}/facts", after=after, limit=512)
        facts += page["facts"]
        if not page["more"]:
            break
        after = page["next_after"]
    history = get(f"/api/v1/history/{session}")
    runs = get(f"/api/v1/sessions/{session}/runs", limit=1000)["runs"]
    return {"facts": facts, "messages": history["messages"], "total": history["total_message_count"], "runs": runs}


class Story:
    """The records by what they belong to, and the log made ready to be asked."""

    def __init__(self, records, log):
        self.ops = {}
        for r in records:
            self._take(r)
        self.has_log = log is not None
        self.log = log or {"facts": [], "messages": [], "runs": [], "total": 0}
        self.facts = {f["seq"]: f for f in self.log["facts"]}
        if not self.has_log:
            for op in self.of("watch"):
                for _, seq, event, _ in op.frames:
                    if seq is not None:
                        self.facts.setdefault(seq, event)
        self.numbered = sorted(seq for seq, f in self.facts.items() if f["type"] in NUMBERED)
        self.last_seq = max(self.facts, default=0)
        self.fold = fold(self.log["facts"])
        self._know()

    def _take(self, r):
        if r["ev"] == "invoke":
            self.ops[r["n"]] = Op(r["n"], r["client"], r["op"], r["session"], r["args"], r["t"])
            return
        op = self.ops[r["n"]]
        if r["ev"] == "frame":
            event = json.loads(r["data"]) if r["data"] not in (DONE, KEEPALIVE) else None
            op.frames.append((r["t"], r["seq"], event, r["data"]))
        elif r["ev"] == "closed":
            op.closed, op.broken = r["how"], r.get("broken")
        else:
            op.kind, op.answered, op.status, op.body = r["ev"], r["t"], r["status"], r["body"]

    def of(self, *names):
        return [op for op in self.ops.values() if op.op in names]

    def _know(self):
        """When a client knew that the log had come so far: (times, highest seq until then)."""
        seen = []
        for op in self.ops.values():
            seen.append((op.answered, op.get("ingress_seq") or (op.get("session") or {}).get("last_seq", 0)))
            seen += [(t, event.get("seq") or event.get("last_seq", 0)) for t, _, event, _ in op.frames if event]
        seen.sort()
        self._times = [t for t, _ in seen]
        self._seqs = list(itertools.accumulate((seq for _, seq in seen), max))

    def known(self, time):
        i = bisect.bisect_left(self._times, time)
        return self._seqs[i - 1] if i else 0

    def deleted_before(self, time):
        """Somebody had asked by then for the session to be deleted."""
        return any(op.invoked < time and op.kind != "failed" for op in self.of("delete"))

    def seqs_of(self, kind):
        return [f for f in self.log["facts"] if f["type"] == kind]


@dataclass
class Entry:
    """One message of the history, and the fact that put it there."""

    seq: int
    id: str | None
    role: str
    content: str
    call: str | None = None

    def fits(self, message):
        if self.role == "tool":
            return (message["role"], message.get("tool_call_id"), message["content"]) == (
                "tool",
                self.call,
                self.content,
            )
        return (message["role"], message["id"], message["content"]) == (self.role, self.id, self.content)


def fold(facts):
    """The history as a client can add it up: posted messages wait for the round that takes them up."""
    entries, inbox = [], []
    for f in facts:
        if is_user_message(f):
            inbox.append(f)
        elif is_answer(f):
            entries.append(Entry(f["seq"], f["message_id"], "assistant", f["content"]))
        elif f["type"] == "runner_progress":
            entries += [Entry(f["seq"], m["message_id"], "user", m["content"]) for m in inbox]
            inbox.clear()
        elif f["type"] == "tool_complete":
            entries.append(Entry(f["seq"], None, "tool", f["result"]["result"], f["tool_call_id"]))
        elif f["type"] == "tool_error":
            entries.append(Entry(f["seq"], None, "tool", f["error"], f["tool_call_id"]))
    return entries
