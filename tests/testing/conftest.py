"""Suites of tests as users write them, each in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pepperpy.stack.broker import Broker

AGENT = """
from msgspec import Struct
from pepperpy import Agent, Context

agent = Agent("support", version="1.2.0")


class Ticket(Struct):
    text: str
    customer: str


class Reply(Struct):
    text: str


@agent.task("triage", retries=0)
async def triage(ticket: Ticket, ctx: Context) -> Reply:
    draft = await ctx.step("draft", ctx.llm.chat, ticket.text)
    return Reply(draft.text)


@agent.task("confirm", retries=0)
async def confirm(what: str, ctx: Context) -> str:
    return await ctx.ask(f"Really {what}?", choices=["yes", "no"], deadline="2d", default="no")


@agent.task("nap")
async def nap(times: int, ctx: Context) -> str:
    for _ in range(times):
        await ctx.sleep("1d")
    return f"after {times} days"


@agent.task("slow")
async def slow(seconds: float) -> None:
    import asyncio

    await asyncio.sleep(seconds)
"""

Suite = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def suite(tmp_path: Path, broker: Broker) -> Suite:
    """Runs a file of tests beside an agent; `url=""` has it start a broker of its own."""
    (tmp_path / "support.py").write_text(AGENT)
    settings = (
        "[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"
        "pythonpath = .\n"
    )

    def run(
        text: str, *options: str, ini: str = "", url: str | None = None, **modules: str
    ) -> "subprocess.CompletedProcess[str]":
        (tmp_path / "pytest.ini").write_text(settings + ini)
        for name, source in {"test_it": text, **modules}.items():
            (tmp_path / f"{name}.py").write_text(source)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PEPPERPY_")}
        where = broker.url if url is None else url
        if where:
            environment["PEPPERPY_NATS_URL"] = where
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run
