"""A signal reads everything again, whatever came of the one before."""

import asyncio
import os
import signal
from typing import Any

import pytest

from pepperpy_bus.process.reloading import reloading
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
    async with asyncio.timeout(5), reloading(reloader, again):
        for left in (2, 1, 0):
            os.kill(os.getpid(), signal.SIGHUP)
            assert await again.read.get() == left
    assert "process.reload_failed" in caplog.text
    assert "process.reload_refused" in caplog.text
    assert configured == [("info", "json")] * 3
