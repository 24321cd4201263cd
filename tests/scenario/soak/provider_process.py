# SPDX-License-Identifier: MIT
"""A provider in a process of its own, in one mood at a time; a line on its standard input names the next mood."""

import json
import random
import subprocess
import sys

from harness import provider as p
from harness.environment import ROOT, TIMEOUT
from harness.offline import words

SCENARIOS = ROOT / "tests" / "scenario"


def good(chance):
    pieces = [f"p{chance.randrange(1000)} " for _ in range(chance.randrange(1, 40))]
    return p.answer(*pieces)


def reset(chance):
    return chance.choice(
        [[p.reset()], [p.text("so far "), p.reset()], [p.text("half "), p.reset_in_chunk(b'data: {"choi')]]
    )


def hang(chance):
    return chance.choice([[p.silence()], [p.headers(), p.silence()], [p.text("and then "), p.silence()]])


def limited(chance):
    return p.failure(429, type="rate_limit_error", Retry_After=str(chance.choice([0, 1, 2])))


def garbage(chance):
    return chance.choice(
        [
            [p.raw(b"\x00\xff garbage\n\n", bytes(range(256))), p.done()],
            [p.data(b'{"choices": [{"delta": {"content": 7'), p.done()],
            [p.data(b"[[[[[["), p.text(words(5)), p.finish(), p.done()],
            [p.headers(200, content_type="text/html"), p.raw(b"<html>502</html>")],
            [p.text("no end")],
        ]
    )


def broken(chance):
    return p.failure(chance.choice([400, 401, 500, 502, 503]))


MOODS = {"good": good, "reset": reset, "hang": hang, "limited": limited, "garbage": garbage, "broken": broken}
BAD_MOODS = [name for name in MOODS if name != "good"]


class Moody(p.Provider):
    def __init__(self):
        super().__init__()
        self.mood = good
        self.chance = random.Random()

    def next_reply(self, request):
        with self._changed:
            self.requests.clear()  # whoever runs for hours keeps nothing
        return self.mood(self.chance)


class ProviderProcess:
    """The parent's side."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "soak.provider_process"],
            cwd=SCENARIOS,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.environment = json.loads(self.process.stdout.readline())

    def set_mood(self, name):
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()

    def close(self):
        """What was wrong with the requests that it got."""
        self.process.stdin.close()
        problems = json.loads(self.process.stdout.readline())
        self.process.wait(TIMEOUT)
        return problems


def main():
    provider = Moody()
    print(json.dumps(provider.environment), flush=True)
    for line in sys.stdin:
        provider.mood = MOODS[line.strip()]
    provider.close()
    print(json.dumps(provider.problems[:20]), flush=True)


if __name__ == "__main__":
    main()
