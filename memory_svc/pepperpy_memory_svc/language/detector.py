"""What finds languages."""

from typing import Protocol


class Detector(Protocol):
    """Knows languages by their letters; safe to call from many threads."""

    @property
    def name(self) -> str:
        """What it is called where engines are named."""
        ...

    def detect(self, text: str) -> tuple[str, float]:
        """Returns the likeliest language and its probability; an empty one when it knows none.

        Never raises, whatever the text is; the same text gets the same answer.
        """
        ...
