"""A plan of tasks while it is made and changed: what is stored of it between two attempts."""

from typing import Any

import msgspec

Tried = dict[str, list[str]]
"""The methods that were tried for a task of a plan, by the task's place, in their order."""


class Choice(msgspec.Struct, frozen=True):
    """A method that was chosen.

    Attributes:
        at: The place of the task that it does: the steps that lead there.
        step: The last of these, for people.
        method: The method.
        attempt: How often it was tried there, this time included.
    """

    at: str
    step: str
    method: str
    attempt: int = 1

    def __str__(self) -> str:
        again = f" (attempt {self.attempt})" if self.attempt > 1 else ""
        return f"{self.step}: {self.method}{again}"


class Drafted(msgspec.Struct, frozen=True):
    """A task of a topic.

    Attributes:
        topic: The topic.
        input: What it is given, with references to the results of others.
        after: Those that come before it, besides those that it refers to.
        chosen: The methods that led to it, the outermost first.
        where: The place of its step in the problem, for errors.
    """

    topic: str
    input: Any
    after: list[str]
    chosen: list[Choice]
    where: str = ""


class Draft(msgspec.Struct, frozen=True):
    """The tasks of a plan.

    Attributes:
        tasks: The tasks by the names of their nodes, each after those that it needs.
        output: What the goal returns, with references to results.
        names: The name of each task by its place; names are never given twice.
        tried: What was tried before, by place.
    """

    tasks: dict[str, Drafted]
    output: Any
    names: dict[str, str]
    tried: Tried = {}
