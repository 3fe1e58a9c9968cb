"""What the tests of reading share."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest

from pepperpy_monitor_svc.loops import Work, looping
from pepperpy_schemas.messages import AgentInstance
from pepperpy_schemas.monitor import BrokerFigures, Gap
from tests.bus.conftest import (  # noqa: F401 - fixtures
    bus,
    connect,
    connection,
    own,
    streams,
    worker,
)
from tests.links import proxy_to  # noqa: F401 - a fixture


class Recorder:
    """Takes what is read and keeps it."""

    def __init__(self) -> None:
        self.events: list[tuple[str, bytes, int]] = []
        self.results: list[tuple[str, bytes]] = []
        self.letters: list[tuple[str, str]] = []
        self.waiting: list[tuple[str, str, Mapping[str, str]]] = []
        self.beats: list[AgentInstance] = []
        self.left: list[tuple[str, str]] = []
        self.figures: list[BrokerFigures] = []
        self.gaps: list[Gap] = []
        self.times: list[float] = []

    def event(self, subject: str, body: bytes, seq: int, at: float) -> None:
        self.events.append((subject, body, seq))
        self.times.append(at)

    def result(
        self,
        task_id: str,
        body: bytes,
        seq: int,
        at: float,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.results.append((task_id, body))

    def letter(self, topic: str, task_id: str, body: bytes, seq: int, at: float) -> None:
        self.letters.append((topic, task_id))

    def submitted(self, topic: str, task_id: str, at: float, headers: Mapping[str, str]) -> None:
        self.waiting.append((topic, task_id, headers))
        self.times.append(at)

    def beat(self, instance: AgentInstance, at: float) -> None:
        self.beats.append(instance)

    def gone(self, agent: str, instance: str, at: float) -> None:
        self.left.append((agent, instance))

    def broker(self, figures: BrokerFigures, at: float) -> None:
        self.figures.append(figures)

    def gap(self, gap: Gap) -> None:
        self.gaps.append(gap)


@pytest.fixture
def recorder() -> Recorder:
    """Takes what is read and keeps it."""
    return Recorder()


@contextlib.asynccontextmanager
async def at_work(work: Callable[[], Awaitable[None]] | Mapping[str, Work]) -> AsyncIterator[None]:
    """Does what goes on for ever while its context is open."""
    async with looping(work if isinstance(work, Mapping) else {"work": work}):
        yield


async def until(check: Callable[[], Any], within: float = 10.0) -> None:
    """Returns when a check holds."""
    async with asyncio.timeout(within):
        while not check():
            await asyncio.sleep(0.01)
