# SPDX-License-Identifier: MIT
"""What clients do all the time: stories. A story is one session with a few people in it, from its first message to its
end, where it comes to rest, is read, judged against what everybody saw, and deleted."""

import contextlib
import random
import threading
import time

import httpx

from harness.history import Recorder, Transcript, Viewer, write
from harness.judge import judge, read_log
from harness.offline import say, script, words
from harness.provider import MODEL

OFFLINE = "offline/offline"
ONLINE = f"openai/{MODEL}"
PATIENCE = 120  # seconds in which a session must come to rest when nobody wants more of it, faults or not
AFTER_REFUSAL = 0.2  # pause of one who was refused


class Unsettled(Exception):
    """A session did not come to rest, or cannot be read."""


# What people say: each shape of a run with the weight it has.


def plain(chance, word):
    return say(words(chance.randrange(1, 80), word), delay_ms=chance.choice([0, 0, 1, 3]))


def thoughtful(chance, word):
    return say(words(chance.randrange(1, 20), word), reason=words(chance.randrange(1, 30), "hm"))


def in_other_letters(chance, word):
    return say(f"{word} grüße 漢字 👋🏽 " * chance.randrange(1, 30), delay_ms=chance.choice([0, 1]))


def long(chance, word):
    """More than a ring of events holds."""
    return say(words(chance.randrange(1000, 4000), word))


def calling(chance, word):
    calls = [{"name": f"tool{n}", "args": {"n": n}} for n in range(chance.randrange(1, 4))]
    return script({"say": f"{word} calls", "tools": calls}, {"say": f"{word}: there is no such tool"})


def many_rounds(chance, word):
    rounds = [{"tool": {"name": "again", "args": {"n": n}}} for n in range(chance.randrange(2, 8))]
    return script(*rounds, {"say": f"{word} done"})


def failing(chance, word):
    return script({"say": f"{word} half", "error": {"status": chance.choice([400, 401, 429, 500, 503])}})


def cut(chance, word):
    return say(words(10, word), cut=True)


def hanging(chance, word):
    return say(words(10, word), hang=chance.choice(["headers", "content", "chunk"]))


def nonsense(chance, word):
    return f'{word}\n#!culm {{"say": 7}}'


SHAPES = [(plain, 12), (thoughtful, 3), (in_other_letters, 3), (long, 2), (calling, 4), (many_rounds, 2), (failing, 2),
          (cut, 1), (hanging, 3), (nonsense, 1)]  # fmt: skip


def draw_message(chance, word):
    """(text, model)"""
    if chance.random() < 0.25:
        return f"{word}: tell me something", ONLINE
    shapes, weights = zip(*SHAPES, strict=True)
    return chance.choices(shapes, weights)[0](chance, word), OFFLINE


class Story:
    def __init__(self, world, number, seed):
        self.world = world
        self.session = f"story-{number}"
        self.chance = random.Random(seed)
        self.transcript = Transcript(world.tally)
        self.http = httpx.Client(**world.client_options)
        self.over = threading.Event()
        self.begun = threading.Event()
        self.deleted_early = self.chance.random() < 0.1

    def recorder(self, name):
        return Recorder(self.transcript, name, self.http)

    def pause(self, longest):
        self.over.wait(self.chance.uniform(0, longest))

    def play(self):
        talkers = 1 if self.deleted_early else self.chance.choice([1, 2, 2, 3])
        talking = [Talker(self, f"talker{n}", self.chance.random()) for n in range(talkers)]
        looking = [Onlooker(self, f"onlooker{n}", self.chance.random()) for n in range(self.chance.choice([1, 1, 2]))]
        for person in [*talking, *looking]:
            person.start()
        for person in talking:
            person.join()
        self.over.set()
        self.begun.set()
        for person in looking:
            person.join()
        return self.close()

    # the end

    def close(self):
        """What the judge finds; nothing where the server has died by itself, which says it all."""
        log, findings = None, []
        try:
            if not self.deleted_early:
                log = self.rest_and_read()
            self.delete()
        except Unsettled as e:
            findings.append(f"I-END: {e}")
        findings += map(str, judge(self.transcript.records, log))
        if self.world.broken.is_set():
            findings = []
        if findings:
            write(self.world.evidence / f"{self.session}.jsonl", self.transcript.records, log)
        self.http.close()
        return findings

    def patiently(self):
        """Turns, as long as there is patience and a server."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and not self.world.broken.is_set():
            yield

    def get(self, path, **query):
        """The JSON of a 200, however long it takes to get one; None where there is no session."""
        answer = None
        for _ in self.patiently():
            with contextlib.suppress(httpx.HTTPError):
                answer = self.http.get(path, params=query)
                if answer.status_code in (200, 404):
                    return answer.json() if answer.status_code == 200 else None
            self.world.wait(AFTER_REFUSAL)
        raise Unsettled(f"{path} could not be read within {PATIENCE} s, last: {answer and answer.text[:200]}")

    def rest_and_read(self):
        """None: no message was ever taken."""
        host = self.recorder("host")
        patience = self.chance.uniform(0, 3)
        began = time.monotonic()
        row = None
        for _ in self.patiently():
            row = self.get(f"/api/v1/sessions/{self.session}")
            if row is None:
                return None
            state = row["session"]["state"]
            if state == "queued":
                host.execute(self.session, model=OFFLINE)
            elif state != "running":
                return read_log(self.get, self.session) | {"at_rest": True}
            elif time.monotonic() > began + patience:
                host.stop(self.session)
            self.world.wait(0.1)
        raise Unsettled(f"{self.session} is not at rest after {PATIENCE} s: {row}")

    def delete(self):
        """Until it is certain."""
        host = self.recorder("host")
        for _ in self.patiently():
            if host.delete(self.session).status in (200, 404):
                host.get(self.session)
                return
            self.world.wait(AFTER_REFUSAL)
        raise Unsettled(f"{self.session} could not be deleted within {PATIENCE} s")


class Person(threading.Thread):
    """A thread of its own in a story."""

    def __init__(self, story, name, seed):
        super().__init__(name=f"{story.session} {name}", daemon=True)
        self.story = story
        self.session = story.session
        self.chance = random.Random(seed)
        self.recorder = story.recorder(name)
        self.label = name
        self.viewer = Viewer(self.recorder, story.session, text_cursor=self.chance.random() < 0.5)

    def run(self):
        try:
            self.live()
        except Exception as e:
            self.story.world.found(f"the harness failed: {self.name}: {e!r}")
            raise


class Talker(Person):
    def live(self):
        for turn in range(self.chance.randrange(2, 7)):
            if self.story.world.stopping.is_set():
                return
            self.turn(f"{self.label}t{turn}w")
            if turn > 0 and self.story.deleted_early and self.chance.random() < 0.5:
                self.begin_another_and_delete()
                return

    def turn(self, word):
        text, model = draw_message(self.chance, word)
        more = {"message_id": f"{self.session}.{word}"} if self.chance.random() < 0.5 else {}
        at_once = self.chance.random() < 0.5
        posted = self.recorder.chat(self.session, text, model=model, execute=at_once, **more)
        if not posted.ok:
            self.story.pause(AFTER_REFUSAL * 2)
            return
        self.story.begun.set()
        run = posted.get("run_id")
        if not at_once:
            self.aside()
            run = self.recorder.execute(self.session).get("run_id")
        self.watch(run)

    def watch(self, run):
        """To the end, or until patience ends; then the run is stopped, or left alone."""
        watcher = self.viewer.connect()
        if watcher is None or watcher.status != 200:
            self.story.pause(AFTER_REFUSAL * 2)
            return
        if not watcher.ends_within(self.chance.uniform(0.1, 4)):
            if self.chance.random() < 0.7:
                self.recorder.stop(self.session, run if self.chance.random() < 0.7 else None)
                watcher.ends_within(1)
            watcher.leave()
        self.aside()
        self.viewer.take(watcher.wait_end())

    def aside(self):
        """What else people do."""
        what = self.chance.randrange(10)
        if what == 0:
            self.recorder.edit(
                self.session, title=f"{self.label} {self.chance.random()}", pinned=self.chance.random() < 0.5
            )
        elif what == 1:
            self.recorder.history(self.session)
        elif what == 2:
            self.recorder.get(self.session)
        elif what == 3:
            self.recorder.list(self.session, limit=self.chance.choice([5, 50, 1000]))
        elif what == 4:
            self.recorder.execute(self.session)
        elif what == 5:
            self.story.pause(1)

    def begin_another_and_delete(self):
        """Deleted in the middle of a run."""
        self.recorder.chat(self.session, say(words(500), delay_ms=5), execute=True)
        self.story.pause(0.3)
        self.story.delete()


class Onlooker(Person):
    """One who only watches, each in another way."""

    WAYS = ("follow", "no text", "in batches", "without cursor", "slowly")

    def live(self):
        self.story.begun.wait()
        way = self.chance.choice(self.WAYS)
        while not self.story.over.is_set():
            watcher = self.connect(way)
            if watcher is None or watcher.status != 200:
                self.story.pause(AFTER_REFUSAL * 2)
                continue
            self.stay(watcher, self.chance.uniform(0.5, 10))
            watcher.leave()
            watcher.wait_end()
            if way != "without cursor":
                self.viewer.take(watcher)
            self.story.pause(0.5)

    def connect(self, way):
        if way == "without cursor":
            return self.recorder.watch(self.session)
        if way == "no text":
            self.viewer.text_cursor = False
            return self.viewer.connect(deltas=0, follow=1)
        if way == "in batches":
            return self.viewer.connect(batch_ms=self.chance.choice([1, 50, 500]))
        if way == "slowly":
            return self.viewer.connect(follow=1, pace=lambda: self.story.over.wait(0.02))
        return self.viewer.connect(follow=1)

    def stay(self, watcher, seconds):
        """Until the story is over, the stream has ended, or it gets boring."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.story.over.is_set():
            if watcher.ends_within(0.2):
                return


class Stage(Story):
    """What the crowd watches: one who talks without end, until the next stage takes over."""

    SECONDS = 60

    def play(self):
        self.deleted_early = False
        host = self.recorder("speaker")
        until = time.monotonic() + self.SECONDS
        while time.monotonic() < until and not self.world.stopping.is_set():
            posted = host.chat(self.session, say(words(3000, f"s{time.monotonic():.3f}w")), execute=True)
            if posted.ok and self.session not in self.world.stages:
                self.world.stages.append(self.session)
            self.world.wait(0.5 if posted.ok else AFTER_REFUSAL)
        if self.session in self.world.stages:
            self.world.stages.remove(self.session)
        return self.close()
