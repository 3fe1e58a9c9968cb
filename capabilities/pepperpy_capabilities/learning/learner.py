"""Who learns: the contract of the built-in learners, and of users' own."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

import msgspec

from pepperpy_schemas.problems import Answer, Measured

ExampleT = TypeVar("ExampleT", bound=msgspec.Struct)
AskedT = TypeVar("AskedT", bound=msgspec.Struct)
GuessT = TypeVar("GuessT", bound=Answer)


class Learner(Protocol[ExampleT, AskedT, GuessT]):
    """Learns from one example after the other, and guesses at any time.

    It is pure: it has its state in itself, and neither a clock nor a bus. Whoever keeps it saves
    that state with a version, and loads it where it goes on.

    Attributes:
        name: One token; its tasks have the topic ``learn-<name>``.
        example: The type of its examples, a Struct.
        asked: The type of its questions, a Struct.
        guess: The type of its guesses, a Struct with an ``explanation``.
    """

    name: str
    example: type[ExampleT]
    asked: type[AskedT]
    guess: type[GuessT]

    def learn(self, example: ExampleT) -> None:
        """Changes the state by one example; one that cannot be used changes nothing.

        Raises:
            BadExample: It cannot be used; NaN and infinite values never can.
        """
        ...

    def predict(self, asked: AskedT) -> GuessT:
        """Returns a guess with its explanation; changes nothing.

        Raises:
            BadExample: The question is none that it can answer.
        """
        ...

    def evaluate(self) -> Sequence[Measured]:
        """Returns how well it did over time, the oldest first; it guessed before it learned."""
        ...

    def save(self) -> bytes:
        """Returns the whole state."""
        ...

    def load(self, state: bytes) -> None:
        """Takes over a state; one that cannot be read changes nothing.

        Raises:
            BadProblem: It is none of this learner.
        """
        ...

    def reset(self) -> None:
        """Forgets all it has learned, and keeps its options."""
        ...
