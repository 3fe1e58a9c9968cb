"""What could cost a durable task its journal, its end, or a step that was done."""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pepperpy import Agent, Client, Context, PepperError
from pepperpy_bus.streams.blobs import Blobs
from pepperpy_bus.streams.jetstream import store
from pepperpy_bus.tasks.journal import Journal
from pepperpy_bus.units import now
from pepperpy_schemas.catalog import STEP, TASK
from pepperpy_schemas.errors import BadPayload
from pepperpy_schemas.headers import BLOB
from pepperpy_schemas.messages import ReleaseEntry

Working = Callable[..., contextlib.AbstractAsyncContextManager[Any]]
Eventually = Callable[..., Awaitable[Any]]


async def journal_of(client: Client, task_id: str) -> Journal:
    journal = Journal(client.connection, client.prefix, task_id, "test")
    await journal.read()
    return journal


# --- what is written can be read ------------------------------------------------------------------


async def test_bytes_that_are_no_json_fail_the_step_and_leave_the_journal_readable(
    client: Client, working: Working
) -> None:
    agent = Agent("raw")

    @agent.task("raw", retries=1, retry_delay=0.01)
    async def raw(_: None, ctx: Context) -> Any:
        await ctx.step("fine", lambda: 1)
        return await ctx.step("fetch", lambda: b"\x89PNG")

    async with working(agent):
        task_id = await client.submit("raw")
        with pytest.raises(BadPayload):
            await client.result(task_id, wait=5)
    assert (await journal_of(client, task_id)).history.failures >= 1


async def test_bytes_that_a_handler_returns_and_are_no_json_fail_the_task(
    client: Client, working: Working
) -> None:
    agent = Agent("rawend")

    @agent.task("rawend", retries=0)
    async def rawend(_: None) -> bytes:
        return b"\x89PNG"

    async with working(agent):
        with pytest.raises(PepperError, match="JSON"):
            await client.run("rawend", wait=5)


async def test_what_stands_in_place_of_a_body_by_reference_need_not_be_json(
    client: Client, working: Working
) -> None:
    agent = Agent("byref")

    @agent.task("byref", retries=2, retry_delay=0.01)
    async def byref(text: str, ctx: Context) -> int:
        size: int = await ctx.step("size", lambda: len(text))
        if ctx.attempt == 1:
            raise ValueError("again")
        return size

    async with working(agent):
        reference = await Blobs(client.connection, client.prefix).put(b'"hello"')
        subject = TASK.of(client.prefix, topic="byref", id="foreign")
        await store(
            client.connection, subject, b"see there", msg_id="foreign", headers={BLOB: reference}
        )
        assert await client.result("foreign", wait=5) == 5


async def test_a_journal_of_more_than_ten_thousand_entries_is_read_to_its_end(
    client: Client,
) -> None:
    journal = await journal_of(client, "long")
    subject = STEP.of(client.prefix, id="long")
    entry = STEP.encode(ReleaseEntry("test", now()))
    for _ in range(10_000):
        await client.connection.publish(subject, entry)
    await store(client.connection, subject, entry, msg_id="last")
    await journal.read()
    await journal.claim(1)
    assert len(journal.history.entries) == 10_002
