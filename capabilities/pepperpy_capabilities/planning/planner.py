"""Who plans: the contract of the built-in planners, and of users' own."""

from typing import Protocol, TypeVar

from pepperpy_capabilities.means import Means
from pepperpy_schemas.problems import Answer, Problem

P = TypeVar("P", bound=Problem)
A = TypeVar("A", bound=Answer)


class Planner(Protocol[P, A]):
    """Makes plans for problems of one type.

    Attributes:
        name: One token; its tasks have the topic ``plan-<name>``.
        problem: The type of its problems, a Struct.
        answer: The type of its plans, a Struct with an ``explanation``.
    """

    name: str
    problem: type[P]
    answer: type[A]

    async def plan(self, problem: P, means: Means) -> A:
        """Returns a plan, with the explanation why it is this one.

        It computes in `Means.run` whatever may take longer than some milliseconds, keeps nothing
        between two problems, and plans the same problem with the same seed alike.

        Raises:
            PepperError: One of `pepperpy_schemas.capability_errors`, which says what of the
                problem is to be mended.
        """
        ...
