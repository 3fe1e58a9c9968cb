"""What the router gives back, and whom it tells what was paid."""

from typing import Generic, Protocol, TypeVar

import msgspec

from pepperpy_schemas.chat import Finish, Try, Usage
from pepperpy_schemas.errors import PepperError

T = TypeVar("T")


class Answered(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """An answer.

    Attributes:
        value: The answer; None after a stream, which has given it.
        target: ``provider/model`` that answered.
        key: Name of the key it was asked with.
        attempts: The calls that were made, the last one answered.
        usage: Tokens of every call that was paid for.
        finish: Why the model stopped; None where it is no model's text.
    """

    value: T
    target: str
    key: str
    attempts: list[Try]
    usage: Usage
    finish: Finish | None = None


class Restarted(msgspec.Struct, frozen=True):
    """The streamed answer begins anew: what was given of it does not count.

    Attributes:
        error: What broke it.
    """

    error: PepperError


class Bill(Protocol):
    """Hears of every call that was paid for, also when the request fails or is cancelled."""

    async def ready(self) -> None:
        """Hears that a call comes; raises `BudgetExceeded` when it may not be paid for."""
        ...

    def add(self, target: str, usage: Usage) -> None:
        """Adds what a call of a target has used."""
        ...
