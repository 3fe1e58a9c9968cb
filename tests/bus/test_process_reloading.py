"""A signal reads everything again, whatever came of the one before."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.client import Client
from pepperpy_bus.config import load
from pepperpy_bus.config.reload import Reloader
from pepperpy_bus.process.reloading import hangups, reloading
from pepperpy_bus.process.serving import Serving, serve
from pepperpy_bus.services.service import Service
from pepperpy_schemas.errors import BadConfig


class Settings:
    """Settings that never change."""

    class log:
        level = "info"
        format = "json"


class Reloads:
    """Stands for the settings, which are read again."""

    settings = Settings

    def reload(self) -> None:
        pass


class Planned:
    """What is read again; that fails as planned."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.read: asyncio.Queue[int] = asyncio.Queue()

    async def __call__(self) -> None:
        outcome = self.outcomes.pop(0)
        self.read.put_nowait(len(self.outcomes))
        if outcome is not None:
            raise outcome


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The levels and formats that logs were given."""
    given: list[tuple[str, str]] = []

    def configure(level: str, form: str) -> None:
        given.append((level, form))

    monkeypatch.setattr("pepperpy_bus.process.reloading.configure", configure)
    return given


async def test_a_reload_that_fails_for_any_reason_leaves_the_next_one_possible(
    configured: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    reloader: Any = Reloads()
    again = Planned(ValueError("Invalid IPv6 URL"), BadConfig("no"), None)
    with hangups() as wanted:
        async with asyncio.timeout(5), reloading(reloader, again, wanted):
            for left in (2, 1, 0):
                os.kill(os.getpid(), signal.SIGHUP)
                assert await again.read.get() == left
    assert "process.reload_failed" in caplog.text
    assert "process.reload_refused" in caplog.text
    assert configured == [("info", "json")] * 3


@pytest.fixture
def fatal() -> Iterator[list[int]]:
    """The signals that would have ended this process, for nobody in the loop took them."""
    taken: list[int] = []
    before = signal.signal(signal.SIGHUP, lambda number, _: taken.append(number))
    yield taken
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("moment", ["waits for the broker", "loads its model"])
async def test_a_signal_before_a_process_is_ready_is_served_once_it_is(
    broker: Broker, prefix: str, fatal: list[int], moment: str, configured: list[tuple[str, str]]
) -> None:
    again = Planned(None)
    stop, begun, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
    read = partial(load, flags={"nats.url": broker.url, "bus.prefix": prefix}, environ={})

    @contextlib.asynccontextmanager
    async def opening(client: Client) -> AsyncIterator[Serving]:
        begun.set()
        await go_on.wait()
        service = Service(client.connection, prefix, "test", version="1.0.0", endpoints=[])
        yield Serving(
            replica="r1",
            services=[service],
            slots=1,
            running=lambda: 0,
            reload=again,
            facts={},
        )

    async with asyncio.timeout(20):
        serving = asyncio.create_task(serve(Reloader(read(), read), opening, stop=stop))
        await asyncio.sleep(0)
        if moment == "loads its model":
            await begun.wait()
        os.kill(os.getpid(), signal.SIGHUP)
        await begun.wait()
        assert again.read.empty()
        go_on.set()
        assert await again.read.get() == 0
        stop.set()
        await serving
    assert fatal == []
    assert len(configured) == 1
