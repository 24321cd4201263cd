# SPDX-License-Identifier: MIT
"""What shells and readers make of the scripts and the page that culm prints."""

import json
import re
import shutil
import subprocess

import pytest

from harness.environment import TIMEOUT, clean_environment, culm_binary
from harness.offline import say

BASH = """
source <("$CULM" completions bash)
COMP_WORDS=("$CULM" "${@}")
COMP_CWORD=$#
_culm
for word in "${COMPREPLY[@]}"; do printf '%s\\n' "$word"; done
"""


def need(program):
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


@pytest.fixture
def complete(cli):
    """complete("sessions", "--st"): what bash offers for the last word."""

    def words(*given):
        env = clean_environment(cli.home, CULM=culm_binary(), CULM_DATA_DIR=cli.data_dir)
        done = subprocess.run(
            [need("bash"), "--norc", "-c", BASH, "bash", *given],
            env=env,
            cwd=cli.home,
            capture_output=True,
            encoding="utf-8",
            timeout=TIMEOUT,
            check=False,
        )
        assert done.stderr == ""
        return done.stdout.splitlines()

    return words


def test_bash_completes_commands(complete):
    assert complete("ses") == ["sessions"]
    assert {"serve", "run", "config", "completions"} <= set(complete(""))
    assert complete("config", "s") == ["show", "set"]
    assert complete("completions", "") == ["bash", "zsh", "fish"]
    assert complete("nonsense", "") == []


def test_bash_completes_options(complete):
    assert complete("sessions", "--st") == ["--state"]
    assert set(complete("config", "set", "--")) == {"--config", "--revision", "--data-dir", "--help"}
    assert "--port" in complete("serve", "--json", "--")
    assert "--json" not in complete("serve", "--")
    assert "--version" in complete("--")


def test_bash_completes_values(complete, cli):
    assert complete("sessions", "--state", "r") == ["running"]
    assert complete("sessions", "--state", "=", "r") == ["running"], "bash takes --state=r apart"
    assert set(complete("sessions", "--state", "=")) >= {"idle", "done"}
    assert complete("sessions", "--limit", "") == []
    assert complete("config", "show", "server.po") == ["server.port"]
    (cli.home / "a file.json").touch()
    (cli.home / "folder").mkdir()
    assert "a file.json" in complete("serve", "--config", "a")
    assert complete("serve", "--data-dir", "fol") == ["folder"]


def test_bash_completes_sessions(complete, api):
    for session_id in ("tea", "tree", "other"):
        api.whole_turn(say("x"), session_id)
    assert set(complete("history", "t")) == {"tea", "tree"}
    assert complete("tail", "--after", "3", "o") == ["other"]
    assert complete("run", "--session", "o") == ["other"]
    assert complete("history", "tea", "") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_itself_can_read_its_script(cli, shell):
    script = cli.home / "script"
    script.write_text(cli.run("completions", shell).stdout)
    done = subprocess.run([need(shell), "-n", script], capture_output=True, timeout=TIMEOUT, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_unknown_shell_is_a_usage_error(cli):
    done = cli.run("completions", "tcsh")
    assert done.returncode == 2
    assert "bash, zsh and fish" in done.stderr


def test_the_manual_page_is_good_roff(cli):
    page = cli.run("help", "--man").stdout
    done = subprocess.run(
        [need("groff"), "-man", "-ww", "-Tutf8", "-P-cbou"],
        input=page,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "--compat-open-loopback" in done.stdout
    assert re.search(r"^EXIT STATUS", done.stdout, re.MULTILINE)


def test_the_manual_page_is_good_for_mandoc(cli):
    done = subprocess.run(
        [need("mandoc"), "-T", "lint", "-W", "error"],
        input=cli.run("help", "--man").stdout,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


# --json where it is one value


def test_version_and_health_as_json(cli, server):
    version = json.loads(cli.run("version", "--json").stdout)["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    health = json.loads(cli.run("health", "--json").stdout)
    assert health == {"healthy": True, "version": version, "where": str(server.socket_path)}


def test_the_configuration_as_one_line(cli):
    line = cli.run("config", "show", "--json").stdout
    assert line.count("\n") == 1
    assert json.loads(line) == json.loads(cli.run("config", "show").stdout)
    assert cli.run("config", "show", "--json", "server.port").stdout == "9562\n"


def test_help_names_the_exit_codes(cli):
    text = cli.run("help").stdout
    assert re.search(r"^  130 +", text, re.MULTILINE)
