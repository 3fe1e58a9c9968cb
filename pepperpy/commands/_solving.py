"""Problems that are solved here, without a broker, or by an agent on the bus."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import typer

if TYPE_CHECKING:
    from pepperpy_capabilities.means import Means

P = TypeVar("P", bound=Any)
A = TypeVar("A")

_REASONER = "pepperpy_capabilities.reasoning.reasoner_agent:agent"
_STARTING = 10.0
"""Seconds in which a worker may be starting."""
LIMIT = typer.Option("--limit", metavar="DURATION", help="How long it may take.")


def solved(
    solve: "Callable[[P, Means], Awaitable[A]]",
    problem: P,
    limit: str | None,
    *,
    with_model: str = "",
) -> A:
    """Returns the answer to a problem.

    Args:
        solve: What solves it.
        problem: The problem.
        limit: How long it may take, as people write it; as the problem says, by default.
        with_model: What to do about a problem that needs a language model: here is none.

    Raises:
        TooLong: The time is over; the hint names the option.
        typer.BadParameter: The limit is no duration.
    """
    from pepperpy.commands._ends import duration
    from pepperpy.commands._session import run
    from pepperpy_bus.units import format_duration
    from pepperpy_capabilities.means import Means
    from pepperpy_capabilities.workshop import Workshop
    from pepperpy_schemas.errors import BadConfig, TooLong

    given = duration(limit, "--limit")
    seconds = problem.seconds if given is None else given

    async def work() -> A:
        async with Workshop() as workshop:
            return await solve(problem, Means(workshop, seconds=seconds))

    try:
        return run(work())
    except TooLong as error:
        if error.hint == TooLong.hint:
            more = format_duration(max(1, round(seconds * 10)))
            error.hint = f"give it more time: --limit {more}; or make the problem smaller"
        raise
    except BadConfig as error:
        if with_model and error.context.get("needs") == "model":
            error.hint = with_model
        raise


def asked(ctx: typer.Context, topic: str, problem: Any, answer: type[A], limit: str | None) -> A:
    """Returns the answer of an agent on the bus, to which a problem is submitted.

    Args:
        ctx: The command's context.
        topic: The topic.
        problem: The problem.
        answer: The type of its answer.
        limit: How long it may take, as people write it; as the problem says, by default.

    Raises:
        UnknownTopic: Nobody is at work on the topic.
        typer.BadParameter: The limit is no duration.
    """
    import asyncio

    import msgspec

    from pepperpy.commands._ends import duration
    from pepperpy.commands._session import open_bus, run
    from pepperpy_schemas.errors import UnknownTopic

    given = duration(limit, "--limit")
    if given is not None:
        problem = msgspec.structs.replace(problem, seconds=given)

    async def work() -> A:
        async with open_bus(ctx) as client:
            end = asyncio.get_running_loop().time() + _STARTING
            while not any(topic in one.topics for one in await client.registry.instances()):
                if asyncio.get_running_loop().time() > end:
                    raise UnknownTopic(
                        f"nobody is at work on {topic}",
                        hint=f"start it: pepperpy worker {_REASONER}",
                    )
                await asyncio.sleep(0.2)
            return await client.run(topic, problem, type=answer)

    return run(work())
