"""A signal reads the declaration again, whatever came of the one before."""

import asyncio
import os
import signal
from typing import Any

from pepperpy_provider_svc.serve import _reloading
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


class Offered:
    """What is offered; reading it again fails as planned."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.read: asyncio.Queue[int] = asyncio.Queue()

    async def reload(self) -> None:
        outcome = self.outcomes.pop(0)
        self.read.put_nowait(len(self.outcomes))
        if outcome is not None:
            raise outcome


async def test_a_reload_that_fails_for_any_reason_leaves_the_next_one_possible(
    monkeypatch: Any, caplog: Any
) -> None:
    monkeypatch.setattr("pepperpy_provider_svc.serve.configure", lambda *_: None)
    reloader: Any = Reloads()
    offer: Any = Offered(ValueError("Invalid IPv6 URL"), BadConfig("no"), None)
    async with asyncio.timeout(5), _reloading(reloader, offer):
        for left in (2, 1, 0):
            os.kill(os.getpid(), signal.SIGHUP)
            assert await offer.read.get() == left
    assert "provider.reload_failed" in caplog.text
    assert "provider.reload_refused" in caplog.text
