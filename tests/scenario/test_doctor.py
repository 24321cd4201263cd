# SPDX-License-Identifier: MIT
"""culm doctor: what it finds, what it advises, how it ends."""

import json
import os
import resource
import socket
import subprocess
import threading

import pytest

from harness import provider as p
from harness.environment import TIMEOUT, clean_environment, culm_binary, free_port
from harness.offline import say


class Findings:
    def __init__(self, done):
        self.code = done.returncode
        self.all = [json.loads(line) for line in done.stdout.splitlines()]
        self.text = done.stdout + done.stderr
        for finding in self.all:
            assert finding["verdict"] in ("ok", "warn", "fail")
            assert ("remedy" in finding) == (finding["verdict"] != "ok"), finding

    def of(self, check, verdict=None):
        found = [f for f in self.all if f["check"] == check and verdict in (None, f["verdict"])]
        assert found, f"no {verdict} of {check}: {self.text}"
        return " / ".join(f["text"] for f in found)

    def failing(self):
        return {f["check"] for f in self.all if f["verdict"] == "fail"}


@pytest.fixture
def doctor(cli):
    def run(*args, env=None):
        return Findings(cli.run("doctor", "--json", *args, env=env))

    return run


def test_nothing_fails_before_the_first_start(doctor, cli):
    found = doctor()
    assert (found.code, found.failing()) == (0, set())
    assert "offline" in found.of("provider", "warn")
    assert "nothing is stored yet" in found.of("store", "ok")
    assert not cli.data_dir.exists(), "looking made a directory"


def test_what_is_no_text_is_told_as_text(doctor):
    found = doctor(env={"CULM_N\udc86NE": "1"})  # a byte that is no UTF-8
    assert "CULM_N\ufffdNE" in found.of("configuration", "warn")


def test_it_looks_at_everything(doctor, server, provider):
    server.api.whole_turn(say("x"), "s1")
    before = sorted(os.listdir(server.data_dir))
    found = doctor(env=provider.environment)
    assert (found.code, found.failing()) == (0, set())
    assert "takes work" in found.of("server", "ok")
    assert "1 session" in found.of("store", "ok")
    assert "openai answers" in found.of("provider", "ok")
    assert "a write is on the disk" in found.of("disk", "ok")
    for check in ("configuration", "data directory", "open files", "memory", "clock", "sandbox"):
        found.of(check)
    assert sorted(os.listdir(server.data_dir)) == before
    assert provider.probes[0].headers["authorization"] == "Bearer sk-scenario-canary"


def test_for_people_each_finding_is_a_line_with_its_remedy(cli):
    done = cli.run("doctor")
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    for i, line in enumerate(lines):
        if line.startswith("warn"):
            assert lines[i + 1].strip().startswith("→")
    assert lines[-1].endswith("0 that do not work")


def test_on_a_terminal_verdicts_are_coloured(cli):
    shown = cli.on_terminal("doctor", columns=200)
    assert shown.wait() == 0
    assert "\x1b[32mok" in shown.text


# providers


@pytest.mark.parametrize(
    ("status", "verdict", "word"), [(401, "fail", "key"), (404, "warn", "models"), (500, "warn", "500")]
)
def test_what_a_provider_answers_is_told_apart(doctor, provider, status, verdict, word):
    provider.models = p.failure(status, "no", "invalid_request_error")
    found = doctor(env=provider.environment)
    assert word in found.of("provider", verdict)
    assert found.code == (1 if verdict == "fail" else 0)
    assert "sk-scenario-canary" not in found.text


def test_a_provider_that_is_not_there(doctor, provider):
    env = provider.environment | {"OPENAI_BASE_URL": f"http://127.0.0.1:{free_port()}/v1"}
    found = doctor(env=env)
    assert found.code == 1
    assert "nothing takes the connection" in found.of("provider", "fail")


def test_a_host_that_nobody_knows(doctor, provider):
    found = doctor(env=provider.environment | {"OPENAI_BASE_URL": "http://no-such-host.invalid/v1"})
    assert found.code == 1
    assert "no-such-host.invalid" in found.of("provider", "fail")


def test_a_provider_that_speaks_no_tls(doctor, provider):
    found = doctor(env=provider.environment | {"OPENAI_BASE_URL": provider.url.replace("http:", "https:")})
    assert found.code == 1
    assert "TLS" in found.of("provider", "fail")


@pytest.mark.slow
def test_a_provider_that_says_nothing(doctor, provider):
    provider.models = [p.silence()]
    found = doctor(env=provider.environment)
    assert found.code == 1
    assert "no answer within 5 s" in found.of("provider", "fail")


def test_a_key_that_was_never_set_is_3(doctor, cli):
    cli.data_dir.mkdir(mode=0o700)
    config = cli.data_dir / "config.json"
    config.write_text(json.dumps({"providers": {"mine": {"api_key": "env:MY_KEY", "base_url": "http://127.0.0.1:1"}}}))
    config.chmod(0o600)
    found = doctor()
    assert found.code == 3
    assert "MY_KEY" in found.of("provider", "fail")


# configuration and data


def test_a_configuration_that_cannot_be_used(doctor, directory):
    path = directory / "culm.json"
    path.write_text("{ nonsense")
    found = doctor("--config", path)
    assert found.code == 1
    assert str(path) in found.of("configuration", "fail")
    path.write_text(json.dumps({"server": {"prot": 1}}))
    assert "port" in doctor("--config", path).of("configuration", "fail")
    assert doctor("--config", directory / "nowhere.json").code == 1


def test_a_price_of_a_model_that_is_not_there(doctor, directory):
    path = directory / "culm.json"
    price = {"input_price": 1.25, "output_price": 10}
    path.write_text(json.dumps({"models": {"offlin/offline": price, "offline/offline": price}}))
    found = doctor("--config", path)
    assert 'models.offlin/offline: there is no provider "offlin"' in found.of("configuration", "warn")
    assert "offline/offline:" not in found.text
    assert found.code == 0


def test_who_may_read_and_write_what(doctor, server):
    config = server.data_dir / "config.json"
    config.write_text(json.dumps({"providers": {"mine": {"driver": "offline", "api_key": "sk-literal"}}}))
    config.chmod(0o644)
    found = doctor()
    assert "holds a key" in found.of("configuration", "warn")
    assert "sk-literal" not in found.text
    config.chmod(0o666)
    (server.data_dir / "token").chmod(0o644)
    server.data_dir.chmod(0o755)
    found = doctor()
    assert found.code == 1
    assert "changed by others" in found.of("configuration", "fail")
    assert "token" in found.of("data directory", "fail")
    assert "open to others" in found.of("data directory", "warn")
    server.data_dir.chmod(0o700)
    (server.data_dir / "token").chmod(0o600)


def test_a_data_directory_that_cannot_be_written_to(cli):
    """A directory of the kernel's, which even root cannot write to."""
    done = cli.run("doctor", "--json", "--data-dir", "/sys/kernel")
    found = Findings(done)
    assert found.code == 1
    assert "cannot be written to" in found.of("disk", "fail")


def test_a_file_where_the_directory_should_be(cli, directory):
    path = directory / "file"
    path.write_text("")
    found = Findings(cli.run("doctor", "--json", "--data-dir", path))
    assert found.code == 1
    assert "no directory" in found.of("data directory", "fail")


def test_a_damaged_store(doctor, server):
    server.api.whole_turn(say("word " * 20000), "s1")
    server.sigterm()
    path = server.data_dir / "culm.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * 16384 + whole[8192 + 16384 :])
    assert doctor().of("store", "fail")
    path.write_bytes(b"no database at all" * 1000)
    assert doctor().code == 1
    path.write_bytes(whole)
    server.start()


# the server


def test_a_server_that_was_killed_leaves_its_file(doctor, server):
    server.kill9()
    assert "killed" in doctor().of("server", "warn")
    server.start()
    assert "takes work" in doctor().of("server", "ok")


def test_a_directory_that_is_held_by_a_process_that_does_not_answer(doctor, server):
    (server.data_dir / "culm.sock").rename(server.data_dir / "moved.sock")
    assert "holds" in doctor().of("server", "warn")
    (server.data_dir / "moved.sock").rename(server.data_dir / "culm.sock")


@pytest.mark.slow
def test_a_socket_that_takes_connections_and_says_nothing(doctor, cli):
    cli.data_dir.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(cli.data_dir / "culm.sock"))
        listener.listen()
        found = doctor()
    assert found.code == 1
    assert "does not answer" in found.of("server", "fail")


# the machine


@pytest.mark.parametrize(("limit", "verdict"), [(64, "fail"), (1024, "warn")])
def test_few_open_files(cli, directory, limit, verdict):
    done = subprocess.run(
        [culm_binary(), "doctor", "--json"],
        env=clean_environment(cli.home, CULM_DATA_DIR=cli.data_dir),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)),
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        check=False,
    )
    found = Findings(done)
    assert str(limit) in found.of("open files", verdict)
    assert found.code == (1 if verdict == "fail" else 0)


def test_several_providers_are_asked_at_once(doctor, cli, provider):
    """Each waits for the other: one after the other would come to no answer."""
    meeting = threading.Barrier(2, timeout=4)

    def meet(x):
        meeting.wait()
        x.start(content_type="application/json")
        x.chunk(b'{"object":"list","data":[]}')

    provider.models = [meet]
    cli.data_dir.mkdir(mode=0o700)
    config = cli.data_dir / "config.json"
    config.write_text(json.dumps({"providers": {n: {"base_url": provider.url, "api_key": "x"} for n in ("a", "b")}}))
    config.chmod(0o600)
    found = doctor()
    assert found.code == 0, found.text
    assert "a answers" in found.of("provider", "ok")
    assert "b answers" in found.of("provider", "ok")
