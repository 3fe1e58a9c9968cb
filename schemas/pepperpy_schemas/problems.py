"""What all problems to reason, learn or plan about have in common, and all answers to them."""

from typing import Annotated

import msgspec

MAX_SECONDS = 600.0
"""Most seconds that a problem may ask for."""

Seconds = Annotated[float, msgspec.Meta(gt=0, le=MAX_SECONDS)]


class Problem(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A problem: each kind adds its own fields.

    Attributes:
        seconds: How long it may take; what is not done by then ends as ``too_long``.
        seed: The same problem with the same seed has the same answer.
    """

    seconds: Seconds = 30.0
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0


class Answer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An answer: each kind adds its own fields.

    Attributes:
        explanation: Why this is the answer, for people: lines of plain text.
    """

    explanation: str = ""


class Measured(msgspec.Struct, frozen=True):
    """How well a learner does at a moment.

    Attributes:
        examples: How many examples it had learned from by then.
        figures: The measures by name: ``accuracy``, ``mae``, ``reward`` …
    """

    examples: Annotated[int, msgspec.Meta(ge=0)]
    figures: dict[str, float]
