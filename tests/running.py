"""A `pepperpy up` of a test's own. Conftests import the fixture `start_up`."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

T = TypeVar("T")

AGENT = """
import asyncio, os
from pepperpy import Agent

agent = Agent("tests", version="1.0.0")

@agent.task("add")
async def add(numbers: list[int]) -> int:
    return sum(numbers)

@agent.task("nap", timeout=None)
async def nap(seconds: float) -> str:
    print("napping", flush=True)
    await asyncio.sleep(seconds)
    return "rested"

@agent.task("who")
async def who(nothing: None) -> int:
    return os.getpid()
"""


def gone(pid: int) -> bool:
    """Whether a process has ended, waited for or not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


async def until(look: Callable[[], Awaitable[T] | T], what: str, *, within: float = 20) -> T:
    """The first true value that `look` gives before the deadline."""
    try:
        async with asyncio.timeout(within):
            while True:
                seen = look()
                if isinstance(seen, Awaitable):
                    seen = await seen
                if seen:
                    return seen
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited {within:g} s for {what}") from None


@dataclass
class Up:
    """A `pepperpy up` of its own, in a home of its own."""

    process: asyncio.subprocess.Process
    home: Path
    lines: list[str] = field(default_factory=list)
    ready: dict[str, Any] = field(default_factory=dict)
    readers: list["asyncio.Task[None]"] = field(default_factory=list)

    @property
    def url(self) -> str:
        return str(self.ready["url"])

    @property
    def pids(self) -> dict[str, int]:
        return dict(self.ready["pids"])

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    async def is_ready(self) -> None:
        async def look() -> bool:
            assert self.process.returncode is None, self.text
            return bool(self.ready)

        try:
            await until(look, "the stack")
        except AssertionError as error:
            error.add_note(self.text)
            raise

    async def says(self, words: str, *, after: int = 0) -> None:
        await until(
            lambda: any(words in line for line in self.lines[after:]), f"{words!r} in {self.text}"
        )

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    async def ends(self, *, within: float = 20) -> int:
        try:
            code = await asyncio.wait_for(self.process.wait(), within)
        except TimeoutError as error:
            error.add_note(self.text)
            raise
        await asyncio.gather(*self.readers)
        return code


@pytest.fixture
async def start_up(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Up]]]:
    """Starts stacks; each is ended with its children after the test."""
    started: list[Up] = []
    (tmp_path / "tasks.py").write_text(AGENT)

    async def start(*arguments: str | Path, **variables: str) -> Up:
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        environment = {
            **{k: v for k, v in os.environ.items() if not _is_somebodys(k)},
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "TMPDIR": str(home),
            **variables,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "pepperpy",
            "up",
            # A database, a model and a dashboard beside every stack would cost more than the test.
            *(() if "--memory" in arguments else ("--no-memory",)),
            *(() if "--monitor" in arguments else ("--no-monitor",)),
            *map(str, arguments),
            "--json",
            cwd=tmp_path,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        one = Up(process, home)
        one.readers = [asyncio.create_task(_read(one)), asyncio.create_task(_read_ready(one))]
        started.append(one)
        return one

    yield start
    for one in started:
        if one.process.returncode is None:
            one.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(one.process.wait(), 10)
        if one.process.returncode is None:
            one.process.kill()
        await one.ends()


def _is_somebodys(variable: str) -> bool:
    """Whether it is a setting, or a key, of the person who runs the tests."""
    return variable.startswith(("PEPPERPY_", "OPENAI_", "ANTHROPIC_"))


async def _read(up: Up) -> None:
    assert up.process.stderr is not None
    async for line in up.process.stderr:
        up.lines.append(line.decode().rstrip("\n"))


async def _read_ready(up: Up) -> None:
    assert up.process.stdout is not None
    async for line in up.process.stdout:
        up.ready = json.loads(line)
