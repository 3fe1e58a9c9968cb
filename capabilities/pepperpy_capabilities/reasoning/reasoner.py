"""Who reasons: the contract of the built-in reasoners, and of users' own."""

from typing import Protocol, TypeVar

from pepperpy_capabilities.means import Means
from pepperpy_schemas.problems import Answer, Problem

P = TypeVar("P", bound=Problem)
A = TypeVar("A", bound=Answer)


class Reasoner(Protocol[P, A]):
    """Answers problems of one type.

    Attributes:
        name: One token; its tasks have the topic ``reason-<name>``.
        problem: The type of its problems, a Struct.
        answer: The type of its answers, a Struct with an ``explanation``.
    """

    name: str
    problem: type[P]
    answer: type[A]

    async def reason(self, problem: P, means: Means) -> A:
        """Returns the answer to a problem, with its explanation.

        It computes in `Means.run` whatever may take longer than some milliseconds, keeps nothing
        between two problems, and answers the same problem with the same seed alike.

        Raises:
            PepperError: One of `pepperpy_schemas.capability_errors`, which says what of the
                problem is to be mended.
        """
        ...
