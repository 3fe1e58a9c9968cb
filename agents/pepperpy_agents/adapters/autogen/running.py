"""One run of an agent or a team for a task, and the state that it begins with."""

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, Protocol, cast

from autogen_agentchat.base import ChatAgent, TaskResult, Team
from autogen_agentchat.messages import BaseChatMessage
from autogen_core import CancellationToken

from pepperpy_agents.adapters.autogen.failing import itself
from pepperpy_agents.adapters.autogen.watching import Watching
from pepperpy_schemas.errors import BadConfig, Canceled

GRACE: Final = 5.0
"""Seconds that a run has to end after its token was canceled."""


class Runner(Protocol):
    """An agent or a team of AutoGen."""

    def run_stream(
        self,
        *,
        task: Any = None,
        cancellation_token: CancellationToken | None = None,
        output_task_messages: bool = True,
    ) -> Any:
        """Runs, and yields what happens and last the result."""
        ...

    async def save_state(self) -> Mapping[str, Any]:
        """Returns what it goes on from."""
        ...

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Goes on from there."""
        ...


Maker = Callable[[], Runner | Awaitable[Runner]]


class Runners:
    """Lends agents or teams to tasks, each as it was made.

    Args:
        given: Makes one for each task; or the agent there is, which tasks get one after the other.

    Raises:
        BadConfig: It is a team.
    """

    def __init__(self, given: Runner | Maker) -> None:
        if isinstance(given, Team):
            raise BadConfig(
                "a team of AutoGen that was canceled is in no state to go on",
                hint='give what makes it, for each task anew: autogen_agent("team", make_team)',
            )
        self._given = given
        self._turn = asyncio.Lock()
        self._first: Mapping[str, Any] | None = None

    @contextlib.asynccontextmanager
    async def lent(self) -> AsyncIterator[Runner]:
        """Lends one, within the block."""
        if not hasattr(self._given, "run_stream"):
            made = self._given()
            yield await made if inspect.isawaitable(made) else made
            return
        runner = cast(Runner, self._given)
        async with self._turn:
            if self._first is None:
                self._first = await runner.save_state()
            else:
                # What it keeps beside its state is forgotten, too.
                if isinstance(runner, ChatAgent):
                    await runner.on_reset(CancellationToken())
                await runner.load_state(self._first)
            yield runner


async def run(
    runner: Runner, given: str | BaseChatMessage | list[BaseChatMessage], watching: Watching
) -> TaskResult:
    """Returns what an agent or a team ends with.

    Who stops waiting cancels its token: its models, its tools and the agents of a team end.

    Raises:
        PepperError: What a model of the bus, or an agent there, failed with.
        Canceled: Somebody else canceled it.
    """
    token = CancellationToken()
    with itself(), watching.here():
        running = asyncio.ensure_future(_followed(runner, given, token, watching))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            if running.cancelled() and not _canceling():
                raise Canceled("the run was canceled from inside of it") from None
            token.cancel()
            await asyncio.wait([running], timeout=GRACE)
            raise
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def _followed(
    runner: Runner, given: Any, token: CancellationToken, watching: Watching
) -> TaskResult:
    result: TaskResult | None = None
    pieces = runner.run_stream(task=given, cancellation_token=token, output_task_messages=False)
    async with contextlib.aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, TaskResult):
                result = piece
            else:
                await watching.saw(piece)
    assert result is not None, "the last piece is the result"
    return result


def _canceling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
