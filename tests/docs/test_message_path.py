"""ARCHITECTURE.md names the files that a task crosses; a running task says which they are."""

import asyncio
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from pepperpy import Agent, connect
from pepperpy.stack.broker import Broker
from pepperpy_agents.worker import Worker, WorkerOptions

ROOT = Path(__file__).parents[2]
SENDS = {"Connection.publish", "Connection.request"}

agent = Agent("path", version="1.0.0")


@agent.task("path")
async def handler_of_the_path(text: str) -> str:
    return text


def named_in_the_document() -> list[str]:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    part = text.partition("## One message's way")[2].partition("\n## ")[0]
    return re.findall(r"^\d+\. `([\w/]+\.py)`", part, re.M)


def ours(frame: FrameType | None) -> Iterator[str]:
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT) and not {".venv", "tests"} & set(path.parts):
            yield str(path.relative_to(ROOT))
        frame = frame.f_back


class Stacks:
    """The files on the stack whenever the task leaves this process, enters one, or is handled."""

    def __init__(self, prefix: str) -> None:
        self.files: dict[str, None] = {}
        self._ours = (f"{prefix}.task.", f"{prefix}.result.", f"$JS.ACK.{prefix.upper()}_TASKS.")

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call" and self._matters(frame):
            self.files |= dict.fromkeys(reversed([*ours(frame)]))

    def _matters(self, frame: FrameType) -> bool:
        name = frame.f_code.co_qualname
        if name in SENDS:
            return str(frame.f_locals.get("subject")).startswith(self._ours)
        if name == "BaseEventLoop.create_task":
            return str(frame.f_locals.get("name")).startswith("w_")
        return name == handler_of_the_path.__qualname__


async def test_a_task_crosses_the_files_that_the_architecture_names(
    broker: Broker, prefix: str
) -> None:
    stacks = Stacks(prefix)
    async with connect(broker.url, bus__prefix=prefix) as bus:
        worker = Worker(agent, bus, WorkerOptions())
        working = asyncio.create_task(worker.run(), name="worker")
        await bus.run("path", "first", wait="30s")  # what happens once is no part of the way
        sys.setprofile(stacks)
        try:
            task_id = await bus.submit("path", "second")
            await bus.result(task_id, wait="30s")
            async with asyncio.timeout(30):
                while worker.in_flight:
                    await asyncio.sleep(0.01)
        finally:
            sys.setprofile(None)
            worker.stop()
            await working
    assert sorted(stacks.files) == sorted(named_in_the_document())
    assert len(stacks.files) <= 8
