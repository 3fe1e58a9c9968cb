import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pepperpy.__main__ import main
from pepperpy.stack.broker import Broker
from tests.cli.inline import Inline, TcpServer

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"
NOT_READY = b"HTTP/1.1 503 Service Unavailable\r\n\r\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("PORT", "HOST"):
        monkeypatch.delenv(f"PEPPERPY_WORKER_HEALTH_{name}", raising=False)
    return tmp_path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.mark.parametrize(
    ("options", "path"), [([], "/readyz"), (["--ready"], "/readyz"), (["--live"], "/livez")]
)
def test_a_worker_that_is_well_is_ok(
    options: list[str],
    path: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with TcpServer(OK) as worker:
        monkeypatch.setenv("PEPPERPY_WORKER_HEALTH_PORT", str(worker.port))
        where = f"http://127.0.0.1:{worker.port}{path}"
        # With an option before the command it goes the long way: the answer is the same.
        for before in ([], ["--prefix", "x"]):
            assert main([*before, "health", *options]) == 0
            assert capsys.readouterr().out == f"ok: {where} answers 200\n"
        assert worker.heard[0].startswith(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:".encode())


@pytest.mark.parametrize("before", [[], ["--prefix", "x"]])
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (NOT_READY, "unhealthy: http://127.0.0.1:PORT/readyz answers 503"),
        (b"SSH-2.0-OpenSSH\r\n", "unhealthy: http://127.0.0.1:PORT/readyz speaks no HTTP"),
        (b"", "unhealthy: http://127.0.0.1:PORT/readyz speaks no HTTP"),
        (b"x" * 9000, "unhealthy: http://127.0.0.1:PORT/readyz speaks no HTTP"),
    ],
)
def test_any_other_answer_is_unhealthy(
    before: list[str], answer: bytes, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with TcpServer(answer) as worker:
        url = f"http://127.0.0.1:{worker.port}"
        assert main([*before, "health", "--url", url]) == 1
        assert capsys.readouterr().out == said.replace("PORT", str(worker.port)) + "\n"


def test_nobody_there_is_unhealthy_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["health", "--url", f"http://127.0.0.1:{free_port()}/own"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("unreachable: http://127.0.0.1:")
    assert said.endswith("/own: Connection refused\n")


def test_host_and_port_come_from_the_file_and_the_environment_is_stronger(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with TcpServer(OK) as worker:
        file = folder / "pepperpy.toml"
        file.write_text(
            f'[worker]\nhealth_host = "0.0.0.0"\nhealth_port = {worker.port}\n'
            "[contexts.other.worker]\nhealth_port = 1\n"
        )
        assert main(["health"]) == 0
        assert main(["--context", "other", "health"]) == 1
        assert "127.0.0.1:1/" in capsys.readouterr().out
        monkeypatch.setenv("PEPPERPY_WORKER_HEALTH_HOST", "::")
        monkeypatch.setenv("PEPPERPY_WORKER_HEALTH_PORT", "2")
        assert main(["health"]) == 1
        assert "http://[::1]:2/readyz" in capsys.readouterr().out
        monkeypatch.chdir("/")
        monkeypatch.delenv("PEPPERPY_WORKER_HEALTH_HOST")
        assert main(["--config", str(file), "health"]) == 1


def test_without_a_health_port_the_broker_is_asked(
    broker: Broker, inline: Inline, broker_factory: Callable[..., Broker]
) -> None:
    assert inline.run("health") == 0
    assert inline.out.startswith("ok: nats-server 2.")
    assert broker.url.removeprefix("nats://").split(":")[1] in inline.out
    gone = broker_factory()
    inline.place[1] = gone.url
    gone.stop_sync()
    assert inline.run("health") == 1
    assert inline.out.startswith("unhealthy: no broker answered at nats://127.0.0.1:")


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        (["--live", "--ready"], "use one of --live and --ready"),
        (["--url", "https://h"], "is not like http://host:port"),
        (["--url", "http://h:99999"], "'http://h:99999'"),
        (["--url", "http://"], "is not like http://host:port"),
        (["--urll", "x"], "no such option"),
    ],
)
def test_wrong_usage_is_said(
    arguments: list[str], fact: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["health", *arguments]) == 2
    assert fact in capsys.readouterr().err


def test_a_port_that_the_kernel_chose_must_be_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PEPPERPY_WORKER_HEALTH_PORT", "0")
    assert main(["health"]) == 2
    assert "the worker's log names it" in capsys.readouterr().err


def test_a_plain_question_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom pepperpy.__main__ import main\n"
        "main(['health', '--url', 'http://127.0.0.1:1'])\nprint(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"nats", "pydantic", "rich", "asyncio", "http.client"}
