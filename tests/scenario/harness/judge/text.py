# SPDX-License-Identifier: MIT
"""Text in flight: what each watcher saw, against what is stored."""

from .story import Finding, is_answer, short

TEXT = {"token": "content", "reasoning_token": "reasoning"}


class Shown:
    """The bytes of one channel of one message, as far as anybody has seen them, or as they are stored."""

    def __init__(self, stored):
        self.stored = None if stored is None else stored.encode()
        self.data = b"" if stored is None else self.stored

    def put(self, offset, piece):
        """False: these bytes differ from those known."""
        if self.stored is not None:
            return self.stored[offset : offset + len(piece)] == piece
        if offset > len(self.data):
            return True  # its beginning was shown to a watcher who has not told yet
        known = self.data[offset : offset + len(piece)]
        if not piece.startswith(known):
            return False
        self.data += piece[len(known) :]
        return True


def texts(story):
    stored = {f["message_id"]: {"token": f["content"]} for f in story.facts.values() if is_answer(f)}
    for m in story.log["messages"]:
        if m["id"] in stored:
            stored[m["id"]]["reasoning_token"] = m.get("reasoning", "")
    discarded = {f["message_id"]: s for s, f in story.facts.items() if f["type"] == "message_discarded"}
    shown = {}
    for op in story.of("watch"):
        if op.ok:
            yield from text_of_stream(op, stored, shown)
    for message, channel in shown:
        if channel != "token" or message in stored or message in discarded or not story.has_log:
            continue
        yield Finding("I-TEXT", f"text of {message} was shown that is neither stored nor discarded")


def text_of_stream(op, stored, shown):
    have = {}  # (message, channel): how far this watcher has come
    over = {}  # message: why nothing of it may follow
    cursor = op.args.get("message_id")
    if cursor:
        have[cursor, "token"] = int(op.args["offset"])
    for _, _, event, _ in op.frames:
        kind = event["type"] if event else None
        if kind in TEXT:
            message, piece = event["message_id"], event["content"].encode()
            key = (message, kind)
            if message in over:
                yield Finding("I-TEXT", f"{op}: text of {message} came after it was {over[message]}")
            if event["offset"] > have.get(key, 0):
                yield Finding("I-TEXT", f"{op}: text of {message} goes on at {event['offset']}, not {have.get(key, 0)}")
            if key not in shown:
                shown[key] = Shown(stored.get(message, {}).get(kind))
            if not shown[key].put(event["offset"], piece):
                yield Finding(
                    "I-TEXT", f"{op}: other text of {message} at {event['offset']}: {short(event['content'])}"
                )
            have[key] = max(have.get(key, 0), event["offset"] + len(piece))
        elif kind == "message_discarded":
            over[event["message_id"]] = "discarded"
        elif event and is_answer(event):
            over[event["message_id"]] = "finished"
            yield from completed(op, event["message_id"], stored, have, cursor)


def completed(op, message, stored, have, cursor):
    if str(op.args.get("deltas")) == "0":
        return
    for kind, text in stored.get(message, {}).items():
        size = len(text.encode())
        if have.get((message, kind), 0) != size and not (kind == "reasoning_token" and message == cursor):
            yield Finding(
                "I-TEXT", f"{op}: {have.get((message, kind), 0)} of {size} bytes of {message} were shown ({kind})"
            )
