"""Opening what a test gets, and taking it away again."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pepperpy.testing.broker import sweep
from pepperpy.testing.crew import Crew
from pepperpy.testing.model import ScriptedModel
from pepperpy.testing.models import declare, served
from pepperpy.testing.passing import Passing
from pepperpy.testing.pepper import Pepper
from pepperpy.testing.recording import Recorder
from pepperpy_bus.opening import connect

if TYPE_CHECKING:
    from pepperpy_agents.agent import Agent


@contextlib.asynccontextmanager
async def opened(
    url: str,
    prefix: str,
    folder: Path,
    *,
    agents: Sequence["Agent"] = (),
    models: Sequence[str] = (),
) -> AsyncIterator[Pepper]:
    """Opens a bus of one test's own; everything of it is gone at the end.

    Args:
        url: The broker.
        prefix: The first token of its subjects, which nobody else uses.
        folder: Where it may write.
        agents: Agents whose workers run from the beginning.
        models: Models that are asked for besides ``default`` and ``embedding``.

    Raises:
        Unreachable: There is no broker.
        PepperError: An agent could not start.
    """
    # What a project sets for its own deployment is not for a broker of one node.
    flags: dict[str, Any] = {"bus__prefix": prefix, "bus__provision": "auto", "bus__replicas": 1}
    file, model, passing = str(declare(folder, models)), ScriptedModel(), Passing()
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(connect(url, source="test", **flags))
        serving = connect(url, source="worker", provider__declaration=file, **flags)
        backend = await stack.enter_async_context(serving)
        stack.push_async_callback(sweep, client.connection, prefix)
        recorder, crew = Recorder(backend), Crew(backend, passing)
        await stack.enter_async_context(recorder.running())
        with passing.clocks():
            await stack.enter_async_context(served(backend, model))
        stack.push_async_callback(crew.stop)
        pepper = Pepper(client, url, model, recorder, passing, crew)
        for agent in agents:
            await pepper.worker(agent)
        yield pepper
