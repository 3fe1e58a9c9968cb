"""Monitors in processes of their own, on a broker with all roles. Conftests import the fixtures."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pepperpy import connect
from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import role_logins
from pepperpy_bus.client import Client
from pepperpy_bus.config import Settings, load
from pepperpy_bus.trust.principals import ANONYMOUS
from tests.running import until

PASSWORDS = "PEPPERPY_MONITOR_ACTING_PASSWORD"
TOKEN = "a-token-that-nobody-guesses"


def settings_of(broker: Broker, role: str, **more: object) -> Settings:
    """The settings with which somebody is a role there."""
    url = broker.url if role == ANONYMOUS else broker.url_for(role)
    return load(flags={"nats.url": url, **more}, environ={}).settings


class MonitorProcess:
    """`pepperpy monitor run`, with its log in a file."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def text(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines() if line.startswith("{")]

    def said(self, event: str) -> list[dict[str, Any]]:
        """The lines of its log about something."""
        return [line for line in self.lines if line["event"] == event]

    async def says(self, event: str, *, within: float = 20) -> dict[str, Any]:
        """The last line of its log about something, waited for."""

        def look() -> list[dict[str, Any]]:
            assert self.process.poll() is None, self.text
            return self.said(event)

        try:
            return (await until(look, event, within=within))[-1]
        except AssertionError as error:
            error.add_note(self.text)
            raise

    async def page(self) -> str:
        """The address of its dashboard, once it is ready."""
        return str((await self.says("monitor.ready"))["dashboard"])

    async def read(self, path: str) -> Any:
        """What its web API says."""
        return get(f"{await self.page()}{path}")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self, within: float = 15) -> int:
        """Ends it as an operator does; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within)


def get(url: str) -> Any:
    """The JSON at an address."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


@pytest.fixture
def guarded(broker_factory: Callable[..., Broker]) -> Broker:
    """A broker with all roles and the anonymous one, which the test may kill."""
    return broker_factory(logins=role_logins(anonymous=True), anonymous=ANONYMOUS)


@pytest.fixture
async def operator(guarded: Broker) -> Any:
    """A client that may do everything, and has made the streams."""
    async with connect(settings=settings_of(guarded, "operator")) as client:
        yield client


Start = Callable[..., MonitorProcess]


@pytest.fixture
def monitors(guarded: Broker, operator: Client, tmp_path: Path) -> Iterator[Start]:
    """Starts monitors there; they end with the test."""
    started: list[MonitorProcess] = []

    def start(**variables: str) -> MonitorProcess:
        log = tmp_path / f"monitor{len(started)}.log"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PEPPERPY_")}
        environment |= {
            "PEPPERPY_NATS_URL": guarded.url_for("monitor"),
            "PEPPERPY_BUS_PROVISION": "check",
            "PEPPERPY_LOG_FORMAT": "json",
            "PEPPERPY_MONITOR_PORT": "0",
            **variables,
        }
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "pepperpy", "monitor", "run"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=tmp_path,
                env=environment,
            )
        started.append(MonitorProcess(process, log))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.kill()


async def eventually(look: Callable[[], Awaitable[Any]], what: str, within: float = 20) -> Any:
    """The first true value that an async look gives."""
    return await until(look, what, within=within)
