# SPDX-License-Identifier: MIT
"""What culm says is stored is on the disk by then: the bytes, and the names in the directories that lead to them."""

import pytest

from harness.system_calls import Call, calls_in, can_trace, traced

COMMANDS = {
    "config": (["config", "set", "server.port", "4000"], "config.json", "rename"),
    "token": (["token"], "token", "link"),
}
RUN = ["run", "hello"]


@pytest.fixture(autouse=True)
def tracer():
    if not can_trace():
        pytest.skip("no strace, or it may not trace here")


@pytest.fixture
def home(directory):
    return directory.resolve()


@pytest.fixture
def data(home):
    """A data directory that is not there, nor what leads to it."""
    return home / "some" / "where"


def find(calls, what, fits, after=-1):
    for at in range(after + 1, len(calls)):
        if fits(calls[at]):
            return at
    told = "\n".join(map(str, calls[max(after, 0) :]))
    raise AssertionError(f"no {what} after {calls[after] if after >= 0 else 'the start'}:\n{told}")


def find_sync(calls, path, after):
    return find(calls, f"sync of {path}", lambda c: c.name in ("fsync", "fdatasync") and c.path == str(path), after)


def find_word(calls):
    """The first word to whoever waits for the command."""
    return find(calls, "word", lambda c: c.name == "write" and c.fd in (1, 2))


def check_directories(calls, home):
    """Whatever was made in a directory came after the name of that directory was on the disk."""
    made = [at for at, c in enumerate(calls) if c.name == "mkdir" and c.path.startswith(f"{home}/")]
    for at in made:
        path = calls[at].path
        synced = find_sync(calls, path.rpartition("/")[0], at)
        inside = find(calls, f"use of {path}", lambda c, p=path: c.path.startswith(f"{p}/"), at)
        assert synced < inside, f"{calls[inside]} before the sync of what holds {path}"
    return [calls[at].path for at in made]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_small_file_is_on_the_disk_before_it_has_its_name_and_its_name_before_that_is_told(home, data, command):
    words, name, naming = COMMANDS[command]
    path = str(data / name)
    calls = traced(home, *words, "--data-dir", data)
    named = find(calls, f"{naming} to {path}", lambda c: c.name == naming and c.to == path)
    draft = calls[named].path
    written = [at for at, c in enumerate(calls) if c.name == "write" and c.path == draft]
    assert written, "the draft was not written"
    assert find_sync(calls, draft, written[-1]) < named
    assert find_sync(calls, data, named) < find_word(calls)


@pytest.mark.parametrize("words", [*(c[0] for c in COMMANDS.values()), RUN], ids=[*COMMANDS, "run"])
def test_a_new_data_directory_is_on_the_disk_before_anything_is_put_into_it(home, data, words):
    calls = traced(home, *words, "--data-dir", data)
    assert check_directories(calls, home) == [str(data.parent), str(data)]


def test_the_names_of_the_stores_files_are_on_the_disk_before_they_are_relied_upon(home, data):
    """The model of the disk in tests/unit/store/power_vfs.c takes this of SQLite for granted."""
    calls = traced(home, *RUN, "--data-dir", data)
    db, journal, log = (str(data / f"culm.db{suffix}") for suffix in ("", "-journal", "-wal"))
    for path, relying in ((journal, db), (log, log)):
        made = find(calls, f"creation of {path}", lambda c, p=path: c.creates and c.path == p)
        synced = find_sync(calls, path, made)
        named = find_sync(calls, data, synced)
        relied = find(calls, f"write to {relying}", lambda c, p=relying: c.name == "pwrite64" and c.path == p, synced)
        assert named < relied


def test_a_record_is_read_with_its_threads_apart():
    text = """7 openat(AT_FDCWD</x>, "/x/a", O_RDWR|O_CREAT, 0600) = 3</x/a>
7 fsync(3</x/a> <unfinished ...>
8 write(1<pipe:[1]>, ""..., 5) = 5
7 <... fsync resumed>) = 0
8 openat(AT_FDCWD</x>, "/x/b", O_RDONLY) = -1 ENOENT (No such file or directory)
8 rename("/x/a", "/x/b") = 0
7 +++ exited with 0 +++
"""
    assert list(calls_in(text)) == [
        Call("openat", "/x/a", creates=True),
        Call("write", "pipe:[1]", fd=1),
        Call("fsync", "/x/a", fd=3),
        Call("rename", "/x/a", "/x/b"),
    ]
