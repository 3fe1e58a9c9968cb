"""Problems that are solved here, without a broker."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import typer

if TYPE_CHECKING:
    from pepperpy_capabilities.means import Means

P = TypeVar("P", bound=Any)
A = TypeVar("A")

LIMIT = typer.Option("--limit", metavar="DURATION", help="How long it may take.")


def solved(solve: "Callable[[P, Means], Awaitable[A]]", problem: P, limit: str | None) -> A:
    """Returns the answer to a problem.

    Args:
        solve: What solves it.
        problem: The problem.
        limit: How long it may take, as people write it; as the problem says, by default.

    Raises:
        typer.BadParameter: The limit is no duration.
    """
    from pepperpy.commands._ends import duration
    from pepperpy.commands._session import run
    from pepperpy_capabilities.means import Means
    from pepperpy_capabilities.workshop import Workshop

    given = duration(limit, "--limit")
    seconds = problem.seconds if given is None else given

    async def work() -> A:
        async with Workshop() as workshop:
            return await solve(problem, Means(workshop, seconds=seconds))

    return run(work())
