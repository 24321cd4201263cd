# SPDX-License-Identifier: MIT
"""Tables of requests and of the whole replies that they must have, and a server with a session in every state."""

from dataclasses import dataclass, field
from unittest.mock import ANY

from .api import expect
from .offline import say, script

HANG = script({"hang": "content"})
QUESTION = {"question": "Which one?", "options": ["a", "b"], "allow_custom": False}
ASK = script({"tools": [{"name": "ask_user", "args": QUESTION}]}, {"say": "Thank you."})


class Says:
    """Equal to every text that has these words in it."""

    def __init__(self, *words):
        self.words = words

    def __eq__(self, other):
        return isinstance(other, str) and all(word in other for word in self.words)

    __hash__ = None

    def __repr__(self):
        return f"<a text with {', '.join(map(repr, self.words))}>"


@dataclass(frozen=True)
class Ask:
    """One request, its status and its body: equal to `wanted`, key for key."""

    request: str  # "POST /chat"
    status: int
    wanted: object
    body: object = None
    headers: dict = field(default_factory=dict)

    def send(self, client):
        method, path = self.request.split(" ")
        response = client.request(method, f"/api/v1{path}", json=self.body, headers=self.headers)
        asked = f"{self.request} {self.body} {self.headers}"
        assert response.status_code == self.status, f"{asked}: {response.status_code} {response.text[:500]}"
        told = response.json() if response.content else None
        assert told == self.wanted, f"{asked}\n  told   {told}\n  wanted {self.wanted}"
        return told


def refusal(text, code="bad_request", /, **beside):
    """The body of an error."""
    return {"error": {"message": text, "type": "api_error", "code": code}, "request_id": ANY, **beside}


def no_session(session_id):
    return refusal("Session not found", "not_found", session_id=session_id)


def play(client, *table):
    return [ask.send(client) for ask in table]


def each_state(api):
    """Sessions named after what they are: the ids of their last runs."""
    runs = {"done": api.whole_turn(say("hello"), "done")[1]}
    api.chat(say("later"), "waiting")
    for name, prompt in (("asking", ASK), ("failed", script({"error": {"status": 400}}))):
        runs[name] = api.whole_turn(prompt, name)[1]
    runs["stopped"] = api.turn(HANG, "stopped")[1]
    api.stop("stopped")
    api.wait_run(runs["stopped"])
    runs["busy"] = api.turn(HANG, "busy")[1]
    return runs


def made(api, **body):
    """The id of a session that nobody has spoken in."""
    return expect(api.client.post("/api/v1/sessions", json=body), 201)["session"]["id"]
