"""`pepperpy edge run` as a process: its tokens, its signals, its last answers."""

import json
import re
import signal
import subprocess
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.cli.command_line import Cli

OLD, NEW = "the-token-that-was-first", "the-token-that-came-later"


def ask(url: str, token: str, body: bytes | None = None, task: str = "") -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    if task:
        headers["Pp-Id"] = task
    request = urllib.request.Request(url, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def logged(process: "subprocess.Popen[str]", words: str) -> str:
    """The first line of the log with these words."""
    assert process.stderr is not None
    return next(line for line in process.stderr if words in line)


def test_the_edge_serves_reads_its_tokens_again_and_lets_those_finish_that_wait(
    cli: Cli, tmp_path: Path
) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(f'crm = "{OLD}"\n')
    tokens.chmod(0o600)
    process = cli.start(
        "edge", "run", "--port", "0", "--health-port", "0", "--tokens", "tokens.toml"
    )
    port = re.search(r"port\W+(\d+)", logged(process, "process.health"))
    assert port is not None
    health = f"http://127.0.0.1:{port[1]}/readyz"
    ready = logged(process, "edge.ready")
    assert OLD not in ready
    found = re.search(r"http://[0-9.:]+", ready)
    assert found is not None, ready
    url = found[0]
    assert status_of(health) == 200
    assert ask(f"{url}/v1/tasks/echo", OLD, b"1")[0] == 202
    assert ask(f"{url}/v1/tasks/echo", NEW, b"1")[0] == 401
    assert any(one["agent"] == "edge" for one in cli.json("agents", "ls"))

    tokens.write_text(f'crm = "{NEW}"\n')
    process.send_signal(signal.SIGHUP)
    logged(process, "edge.tokens_read")
    assert ask(f"{url}/v1/tasks/echo", OLD, b"1")[0] == 401

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, f"{url}/v1/tasks/echo?wait=60s", NEW, b'{"n":7}', "mine")
        while ask(f"{url}/v1/tasks/mine", NEW)[0] != 200:
            assert not waiting.done()
        process.send_signal(signal.SIGTERM)
        logged(process, "process.stopping")
        for one in (health, f"{url}/readyz"):
            while status_of(one) != 503:
                assert not waiting.done()
        cli.worker("echo")
        status, said = waiting.result(30)
    assert (status, said["data"]) == (200, {"n": 7})
    assert process.wait(15) == 0


def test_a_wrong_token_ends_the_edge_at_once(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "tokens.toml").write_text('crm = "short"\n')
    (tmp_path / "tokens.toml").chmod(0o600)
    done = cli.run("edge", "run", "--port", "0", "--tokens", "tokens.toml")
    assert done.returncode == 1
    assert "fewer than 16 characters" in done.stderr
    assert "short" not in done.stderr.replace("tokens", "")


def test_the_edge_does_not_listen_for_everybody_without_a_token(cli: Cli) -> None:
    done = cli.run("edge", "run", "--port", "0", "--host", "0.0.0.0")
    assert done.returncode == 1
    assert "there is no token" in done.stderr
