"""What every embedder does: texts in, vectors of one length out."""

from array import array
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Literal, Protocol, Self, TypeAlias

Purpose: TypeAlias = Literal["query", "passage"]
"""What a text is: a question, or something that may answer one. Some models tell them apart."""

Vector: TypeAlias = "array[float]"
"""Single precision numbers of length 1."""


class Embedder(Protocol):
    """A model that embeds: open inside of ``async with``, which loads it.

    Attributes:
        name: The model's name.
        version: Whatever else changes its answers: vectors of another version are not comparable.
        dims: Numbers of a vector; known once it is open.
        characters: Of all texts of one call, at most: a question waits for the call that runs.
    """

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def version(self) -> str:
        """Whatever else changes its answers."""

    @property
    def dims(self) -> int:
        """Numbers of a vector."""

    @property
    def characters(self) -> int:
        """Characters of all texts of one call, at most; one text alone may have more."""

    async def __aenter__(self) -> Self:
        """Loads the model.

        Raises:
            BadConfig: It is not installed, or not where it should be.
        """

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Gives its memory back."""

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> list[Vector]:
        """Returns a vector for every text, in their order; the event loop runs meanwhile.

        Texts beyond what the model reads are cut.
        """


def generation_name(spec: str, embedder: Embedder) -> str:
    """Returns the name of the generation of vectors that an embedder makes.

    Args:
        spec: How settings name the embedder, so that every replica can open it.
        embedder: The embedder.
    """
    return f"{spec}@{embedder.version}"


def spec_of(generation: str) -> str:
    """Returns how settings name the embedder of a generation."""
    return generation.rpartition("@")[0]


def unit(numbers: Iterable[float]) -> Vector:
    """Returns numbers as a vector of length 1; without a direction, as a fixed one."""
    vector = array("f", numbers)
    length = sum(one * one for one in vector) ** 0.5
    if length < 1e-12:
        return array("f", [1.0, *[0.0] * (len(vector) - 1)])
    return array("f", (one / length for one in vector))
