"""The processes of a run: upstream, broker, our service, and LiteLLM's proxy as a peer."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import brokers

ROOT = Path(__file__).resolve().parents[2]
MODEL = "mock"
_PATIENCE = 120.0


@dataclass(frozen=True)
class Site:
    """What is asked in a run.

    Attributes:
        upstream: Address of the upstream, with ``/v1``.
        bus: Address of the broker of our service.
        ours: Process id of our service.
        litellm: Address of the proxy, or empty without one.
        litellm_pid: Its process id, or 0.
    """

    upstream: str
    bus: str
    ours: int
    litellm: str
    litellm_pid: int


@contextmanager
def site(*, peer: bool) -> Iterator[Site]:
    """Runs everything on ports of the kernel's choice, and ends it."""
    with ExitStack() as stack:
        folder = stack.enter_context(brokers.scratch("gateways"))
        port = brokers.free_port()
        upstream = f"http://127.0.0.1:{port}/v1"
        script = str(ROOT / "benchmarks/gateways/upstream.py")
        _start(stack, [sys.executable, script, str(port)], folder / "upstream.log")
        broker = stack.enter_context(brokers.nats_server())
        ours = _start(stack, _ours(folder, upstream, broker.url), folder / "ours.log", _keys())
        _until_says(folder / "ours.log", "provider.ready", ours)
        litellm, pid = "", 0
        if peer and (command := _litellm()) is not None:
            proxy_port = brokers.free_port()
            (folder / "litellm.yaml").write_text(_litellm_config(upstream))
            command += ["--config", str(folder / "litellm.yaml"), "--port", str(proxy_port)]
            proxy = _start(
                stack, [*command, "--host", "127.0.0.1"], folder / "litellm.log", _keys()
            )
            litellm, pid = f"http://127.0.0.1:{proxy_port}/v1", proxy.pid
            alive = f"http://127.0.0.1:{proxy_port}/health/liveliness"
            _until_answers(alive, folder / "litellm.log", proxy)
        yield Site(upstream, broker.url, ours.pid, litellm, pid)


def _ours(folder: Path, upstream: str, bus: str) -> list[str]:
    declaration = folder / "models.toml"
    declaration.write_text(
        f'[providers.mock]\nkind = "openai"\nbase_url = "{upstream}"\n'
        f'keys = [{{env = "BENCH_KEY"}}]\n[models.default]\ntargets = ["mock/{MODEL}"]\n'
    )
    command = [sys.executable, "-m", "pepperpy", "--nats", bus, "--log-level", "info"]
    return [*command, "provider", "run", "--declaration", str(declaration)]


def _keys() -> dict[str, str]:
    return {**os.environ, "BENCH_KEY": "sk-bench", "OPENAI_API_KEY": "sk-bench"}


def _litellm() -> list[str] | None:
    """The proxy's command, from a virtual environment of its own: its pins clash with ours."""
    venv = ROOT / "build/bench-litellm"
    program = venv / "bin/litellm"
    if not program.exists():
        print("installing LiteLLM's proxy into build/bench-litellm …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        pip = [str(venv / "bin/python"), "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", "--upgrade", "pip>=25.1"], check=True)
        group = f"{ROOT / 'pyproject.toml'}:bench-litellm"
        if subprocess.run([*pip, "install", "--quiet", "--group", group], check=False).returncode:
            print("LiteLLM cannot be installed: it is left out", file=sys.stderr)
            return None
    return [str(program)]


def _litellm_config(upstream: str) -> str:
    return (
        f"model_list:\n  - model_name: default\n    litellm_params:\n      model: openai/{MODEL}\n"
        f"      api_base: {upstream}\n      api_key: sk-bench\n"
        "litellm_settings:\n  telemetry: false\n  num_retries: 0\n"
        # It would check a key in every request: without one it does less, which is in its favour.
        "general_settings:\n  dangerously_permit_weak_or_unset_master_key: true\n"
    )


def _start(
    stack: ExitStack, command: list[str], log: Path, environment: dict[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    output = stack.enter_context(log.open("wb"))
    process = subprocess.Popen(
        command, cwd=log.parent, env=environment, stdout=output, stderr=output
    )
    stack.callback(_stop, process)
    return process


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _until_says(log: Path, words: str, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _PATIENCE
    while words not in log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit(f"{process.args} did not come up:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)


def _until_answers(url: str, log: Path, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                said = log.read_text(errors="replace")[-2000:]
                raise SystemExit(f"{process.args} did not come up:\n{said}") from None
            time.sleep(0.2)
