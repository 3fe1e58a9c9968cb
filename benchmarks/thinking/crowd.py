"""Many agents made and registered: ours at a real broker, peers in their own process."""

import json
import os
import select
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks import brokers, measure
from benchmarks.parts.ground import ROOT
from benchmarks.race import end
from benchmarks.thinking.costs import OURS, Cost, Round

_PATIENCE = 300.0


def crowd(pythons: Mapping[str, Path], agents: int, rounds: int) -> dict[str, list[Round]]:
    """Runs all kinds in turn, each in a fresh process; ours with a fresh broker.

    Args:
        pythons: The interpreter by kind of agent.
        agents: How many agents.
        rounds: How often.
    """
    found: dict[str, list[Round]] = {name: [] for name in pythons}
    for _ in range(rounds):
        for name, python in pythons.items():
            found[name].append(_round(name, python, agents))
    return found


def _round(name: str, python: Path, agents: int) -> Round:
    with ExitStack() as stack:
        broker = stack.enter_context(brokers.nats_server()) if name == OURS else None
        address = [broker.url] if broker else []
        member = stack.enter_context(_member(python, name, str(agents), *address))
        version = member.says()["version"]
        created, registered = (_phase(member, broker, agents) for _ in range(2))
        return Round(version, created, created + registered)


def _phase(member: "_Member", broker: brokers.Broker | None, agents: int) -> Cost:
    kept, (burnt, stored) = measure.rss_mb(member.pid), _standing(broker)
    member.go_on()
    cpu = member.says()["cpu"]
    kept_now, (burnt_now, stored_now) = measure.rss_mb(member.pid), _standing(broker)
    return Cost(
        cpu / agents * 1e6,
        (kept_now - kept) * 1024 / agents,
        (burnt_now - burnt) / agents * 1e6,
        (stored_now - stored) * 1024 / agents,
    )


def _standing(broker: brokers.Broker | None) -> tuple[float, float]:
    """Seconds of the processor and MiB that a broker has used so far."""
    if broker is None:
        return 0.0, 0.0
    return measure.exact_cpu_seconds(broker.pid), measure.rss_mb(broker.pid)


class _Member:
    """A running process of `member.py`."""

    def __init__(self, name: str, process: "subprocess.Popen[str]", log: Path) -> None:
        self._name = name
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        return self._process.pid

    def says(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        began = time.monotonic()
        ready, _, _ = select.select([self._process.stdout], [], [], _PATIENCE)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            took, told = time.monotonic() - began, self._log.read_text(errors="replace")[-2000:]
            raise SystemExit(f"the {self._name} agents said nothing in {took:.0f} s\n{told}")
        said: dict[str, Any] = json.loads(line)
        return said

    def go_on(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()


@contextmanager
def _member(python: Path, name: str, *arguments: str) -> Iterator[_Member]:
    with brokers.scratch("crowd") as folder, (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(python), str(ROOT / "benchmarks/thinking/member.py"), name, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "AGNO_TELEMETRY": "false"},
        )
        try:
            yield _Member(name, process, folder / "log")
        finally:
            # Nothing of it is worth a drain of a thousand workers.
            process.kill()
            end(process)  # type: ignore[arg-type]  # of text, where the others are of bytes
