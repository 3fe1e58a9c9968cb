"""Agents on the bus, as objects of other frameworks ask them."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any, NamedTuple

from pepperpy_agents.adapters.current import Bus, client_of, current
from pepperpy_agents.tools.agents import deeper
from pepperpy_bus.submission import SubmitOptions
from pepperpy_bus.submitted import outcome
from pepperpy_schemas.errors import PepperError, StreamBroken
from pepperpy_schemas.tokens import new_id


class Outcome(NamedTuple):
    """What a task ended with.

    Attributes:
        value: Its result.
    """

    value: Any


class Asking:
    """Asks whoever takes a topic, in whatever language that is written.

    Whoever stops waiting cancels the task. Within a task of ours the other one is its child: it
    spends from its budget, has no longer than it has, and ends with it.

    Args:
        topic: The topic.
        client: A connected client; that of the task that runs by default.
        options: What is said of each task.
    """

    def __init__(self, topic: str, client: Bus | None, options: SubmitOptions | None) -> None:
        self._topic = topic
        self._client = client
        self._options: SubmitOptions = options or {}

    async def result(self, data: Any) -> Any:
        """Submits a task and returns what it ends with.

        Raises:
            PepperError: The task failed; the error is the one it failed with.
        """
        client, options = client_of(self._client), await self._said()
        try:
            return await client.run(self._topic, data, **options)
        except asyncio.CancelledError:
            await self._cancel(options["id"])
            raise

    async def pieces(self, data: Any) -> AsyncGenerator[Any, None]:
        """Submits a task and yields the text that it shows while it works.

        What it ends with is yielded when it has shown no text, or when it ends with no text.

        Raises:
            StreamBroken: See `updates`.
            PepperError: The task failed; the error is the one it failed with.
        """
        shown = False
        async with contextlib.aclosing(self.updates(data)) as updates:
            async for update in updates:
                if not isinstance(update, Outcome):
                    shown = True
                    yield update
                elif not shown or not isinstance(update.value, str):
                    yield update.value

    async def updates(self, data: Any) -> AsyncGenerator["str | Outcome", None]:
        """Submits a task and yields the text that it shows, and last what it ends with.

        Raises:
            StreamBroken: The text began anew, after pieces of it were yielded: another attempt has
                the task, which goes on.
            PepperError: The task failed; the error is the one it failed with.
        """
        client, options = client_of(self._client), await self._said()
        task_id, attempt = options["id"], 0
        try:
            await client.submit(self._topic, data, **options)
            async for update in client.watch(task_id):
                if update.ended is not None:
                    yield Outcome(outcome(update.ended))
                elif update.token is not None and update.token.t:
                    if attempt and update.token.attempt != attempt:
                        raise StreamBroken(
                            f"task {task_id} began anew, after pieces of its text were given",
                            hint="wait for its end instead of its pieces",
                        )
                    attempt = update.token.attempt
                    yield update.token.t
        except (asyncio.CancelledError, GeneratorExit):
            await self._cancel(task_id)
            raise

    async def _said(self) -> SubmitOptions:
        """The task's options, with an id by which it can be canceled; a child is paid for.

        Raises:
            BudgetExceeded: The task that runs may submit no more.
        """
        options: SubmitOptions = {"id": new_id(), **self._options}
        task = current()
        if task is None:
            return options
        ctx = task.ctx
        options.setdefault("parent", ctx.task_id)
        options.setdefault("root", ctx.root)
        options["headers"] = {**deeper(ctx), **options.get("headers", {})}
        if ctx.deadline is not None:
            left = (ctx.deadline - ctx.now).total_seconds()
            options.setdefault("timeout", max(left, 0.001))
        if (below := ctx.budget.for_child(options.get("budget"))) is not None:
            options["budget"] = below
        async with ctx.budget.spend(tasks=1):
            return options

    async def _cancel(self, task_id: str) -> None:
        # It may have ended already, or not be there yet: the request is stored all the same.
        with contextlib.suppress(PepperError):
            await client_of(self._client).cancel(
                task_id, reason="nobody waits for it any more", wait=0
            )
