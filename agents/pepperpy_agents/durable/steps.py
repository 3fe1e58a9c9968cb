"""Steps: what a task does once, whatever happens to its workers."""

import functools
import time
import typing
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from pepperpy_agents.durable.replay import Replay
from pepperpy_agents.handler import decode_as
from pepperpy_agents.runner import Runner
from pepperpy_bus.bodies import to_json
from pepperpy_bus.client import Client
from pepperpy_bus.streams.blobs import claim_check, redeem
from pepperpy_bus.trace import active, current, place_span
from pepperpy_bus.units import now
from pepperpy_schemas.errors import BadName
from pepperpy_schemas.headers import BLOB
from pepperpy_schemas.messages import StepEntry

MAX_NAME: Final = 200
"""Characters of a step's name."""

_BY_REFERENCE: Final = BLOB.lower()


async def do_step(
    replay: Replay,
    client: Client,
    runner: Runner,
    name: str,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    kind: Any = None,
) -> Any:
    """Returns what a step returned: now, or in an earlier attempt.

    What the caller gets has travelled through the journal in both cases, so that it is the same.

    Args:
        replay: The attempt's way through the journal.
        client: The client.
        runner: Where plain functions run.
        name: The step's name.
        function: What to do; plain functions run in a thread.
        args: Its arguments.
        kwargs: Its named arguments.
        kind: The type of the result; the function's annotation by default.

    Raises:
        BadName: The name is empty or too long.
        JournalMismatch: The journal has something else at this place.
        Fenced: Another worker has the task; the step's result was not written.
    """
    if not 0 < len(name) <= MAX_NAME:
        raise BadName(f"step name {name!r:.80} has {len(name)} characters", hint="use 1 to 200")
    n = replay.place()
    returned = result_type(function) if kind is None else kind
    done = replay.find(n, StepEntry, name)
    if done is None:
        with replay.doing(step=True):
            done = await _do(replay, client, runner, n, name, function, args, kwargs)
    else:
        await replay.turn(n)
    data = bytes(done.data)
    if done.blob:
        data = await redeem(client.connection, client.prefix, data, {_BY_REFERENCE: done.blob})
    return decode_as(data, returned)


async def _do(
    replay: Replay,
    client: Client,
    runner: Runner,
    n: int,
    name: str,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> StepEntry:
    began = time.perf_counter()
    # The input is written while the first step is being done.
    replay.begin()
    value = await _traced(replay, n, runner.call(function, *args, **kwargs))
    data, fields = await claim_check(
        client.connection,
        client.prefix,
        to_json(value),
        {},
        client.settings.bus.blob_threshold,
    )
    ms = round((time.perf_counter() - began) * 1e3, 3)
    entry = StepEntry(replay.attempt, n, name, now(), msgspec.Raw(data), fields.get(BLOB, ""), ms)
    journal = await replay.journal()
    await journal.append(entry)
    return entry


async def _traced(replay: Replay, n: int, call: Awaitable[Any]) -> Any:
    """Has what a step does belong to the step's span."""
    trace = current()
    if trace is None:  # a context of its own, as frameworks make them
        return await call
    with active(trace.at(place_span(replay.task.id, replay.attempt, n))):
        return await call


def result_type(function: Callable[..., Any]) -> Any:
    """Returns what a function says it returns; Any when it says nothing."""
    while isinstance(function, functools.partial):
        function = function.func
    returned = getattr(function, "__annotations__", {}).get("return", Any)
    if not isinstance(returned, str):
        return returned
    try:
        return typing.get_type_hints(function).get("return", Any)
    except (TypeError, NameError):
        return Any
