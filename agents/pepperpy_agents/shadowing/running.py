"""One run of a handler in a shadow, with everything that a worker makes of its ways to end."""

import asyncio
from typing import Any, cast

from pepperpy_agents.agent import TaskSpec
from pepperpy_agents.attempt import Completed, Failed
from pepperpy_agents.context import Context
from pepperpy_agents.execution import call_handler, outcome_of
from pepperpy_agents.giving_up import shorten
from pepperpy_agents.runner import Runner
from pepperpy_agents.shadowing.context import Diverged, ShadowContext
from pepperpy_agents.shadowing.hearing import LiveInput
from pepperpy_bus.client import Client
from pepperpy_bus.streams.blobs import redeem
from pepperpy_schemas.cloudevents import is_cloudevent, unwrap
from pepperpy_schemas.errors import HandlerError, TaskTimeout, info_of


async def shadow_outcome(
    client: Client,
    runner: Runner,
    spec: TaskSpec,
    live: LiveInput,
    context: ShadowContext,
    timeout: float | None,
) -> Completed | Failed:
    """Runs a handler, and returns how it ended.

    Args:
        client: The client, to read large inputs with.
        runner: Where handlers run.
        spec: What the agent does with the topic.
        live: The input.
        context: The handler's context.
        timeout: Seconds that it may take; None for ever.

    Raises:
        Diverged: It came to something that the live task did not do.
    """
    limit = asyncio.timeout(timeout)
    try:
        data = await _read(client, spec, live)
        async with limit:
            value = await call_handler(runner, spec.handler, data, cast("Context", context))
    except BaseExceptionGroup as group:
        if diverged := group.subgroup(Diverged):
            raise _first(diverged) from None
        if not isinstance(group, ExceptionGroup):
            raise
        return Failed(shorten(info_of(group)))
    except asyncio.CancelledError:
        current = asyncio.current_task()
        if current is not None and current.cancelling():
            raise
        return Failed(HandlerError("the handler raised CancelledError").info())
    except TimeoutError as error:
        if not limit.expired():
            return Failed(shorten(info_of(error)))
        told = f"{spec.topic} ran longer than {timeout:g} s"
        return Failed(TaskTimeout(told).info())
    except (Exception, SystemExit) as error:
        return Failed(shorten(info_of(error)))
    return outcome_of(spec, value)


async def _read(client: Client, spec: TaskSpec, live: LiveInput) -> Any:
    body = await redeem(client.connection, client.prefix, live.body, live.headers)
    if is_cloudevent(live.headers):
        body = unwrap(body, live.headers)
    return spec.handler.decode(body)


def _first(group: "BaseExceptionGroup[Diverged]") -> Diverged:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
