"""What a stock agent answers: the built-in ones, and users' own by entry point."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from pepperpy_agents.agent import Agent
from pepperpy_agents.context import Context
from pepperpy_capabilities.means import Means
from pepperpy_capabilities.workshop import Workshop
from pepperpy_schemas.errors import BadConfig, error_types
from pepperpy_schemas.problems import Answer, Problem


class Kind(msgspec.Struct, frozen=True):
    """A kind of capability.

    Attributes:
        group: The entry points by which users' own are found.
        prefix: What the topics begin with.
        needs: The attributes that each must have.
    """

    group: str
    prefix: str
    needs: tuple[str, ...]

    def topic(self, name: str) -> str:
        """Returns the topic of the one of a name."""
        return f"{self.prefix}-{name}"


REASONERS: Final = Kind("pepperpy.reasoners", "reason", ("name", "problem", "answer", "reason"))
LEARNERS: Final = Kind(
    "pepperpy.learners",
    "learn",
    ("name", "example", "asked", "guess", "learn", "predict", "evaluate", "save", "load", "reset"),
)
PLANNERS: Final = Kind("pepperpy.planners", "plan", ("name", "problem", "answer", "plan"))

# A service that was away is back in seconds. A problem that failed fails again.
PASSING: Final = tuple(one for one in error_types() if one.category in ("bus", "upstream"))
"""Errors that are worth another attempt."""

_LONGEST = 3600.0
"""Seconds of an attempt, with its wait for a place: problems end by their own limits before."""


def installed(kind: Kind) -> Iterator[Any]:
    """Yields what installed packages offer: an entry point names a class without arguments.

    Raises:
        BadConfig: One cannot be loaded or made, or lacks an attribute.
    """
    from importlib.metadata import entry_points

    for point in sorted(entry_points(group=kind.group), key=lambda one: one.name):
        try:
            one = point.load()()
        except Exception as error:
            raise BadConfig(
                f"{point.name} of {kind.group} cannot be made: {type(error).__name__}: {error}",
                hint=f"mend or remove the package that names {point.value}",
            ) from error
        if lacking := [name for name in kind.needs if not hasattr(one, name)]:
            raise BadConfig(
                f"{point.name} of {kind.group} has no {', '.join(lacking)}",
                hint=f"{point.value} must have: {', '.join(kind.needs)}",
            )
        yield one


def every(kind: Kind, built_in: Sequence[Any]) -> list[Any]:
    """Returns the built-in ones and those of installed packages.

    Raises:
        BadConfig: One of a package cannot be used, or has the name of another.
    """
    found: dict[str, Any] = {}
    for one in (*built_in, *installed(kind)):
        if one.name in found:
            raise BadConfig(f"there are two of {kind.group} named {one.name}")
        found[one.name] = one
    return list(found.values())


def answer_problems(
    agent: Agent,
    workshop: Workshop,
    *,
    topic: str,
    problem: type[Problem],
    answer: type[Answer],
    solve: Callable[[Any, Means], Awaitable[Any]],
) -> None:
    """Has an agent answer the problems of a topic.

    A problem has the seconds that it asks for, and no more than its task has until its deadline.

    Args:
        agent: The agent.
        workshop: Where it computes; closed by whoever made it.
        topic: The topic.
        problem: The type of the problems.
        answer: The type of the answers.
        solve: What solves one.
    """

    async def handle(data: Problem, ctx: Context) -> Any:
        seconds = data.seconds
        if ctx.deadline is not None:
            seconds = min(seconds, (ctx.deadline - ctx.now).total_seconds())
        return await solve(data, Means(workshop, seconds=seconds, context=ctx))

    # What the registry shows of a topic is read from its handler.
    handle.__annotations__ = {"data": problem, "ctx": Context, "return": answer}
    handle.__name__ = handle.__qualname__ = topic.replace("-", "_")
    handle.__doc__ = problem.__doc__
    agent.task(topic, retry_on=PASSING, timeout=_LONGEST)(handle)
