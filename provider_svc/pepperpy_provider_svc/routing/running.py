"""One call while it runs, and what is noted when it ends."""

import time
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from pepperpy_provider_svc.routing.answers import Answered, Bill
from pepperpy_provider_svc.routing.breakers import Breakers
from pepperpy_provider_svc.routing.figures import Figures
from pepperpy_provider_svc.routing.trip import Call, Settle, Trip
from pepperpy_schemas.chat import Finish, Try, Usage
from pepperpy_schemas.errors import Canceled, PepperError

T = TypeVar("T")


class Running:
    """A call, as a context manager; one that ends without a word was cancelled.

    Args:
        call: The call.
        trip: The request's way.
        figures: Where it is counted.
        breakers: Where its success is told; a failure is the trip's to judge.
        settle: Corrects what was reserved.
        bill: Hears what was paid, if anybody wants to.

    Attributes:
        call: The call, with what its breaker says now.
        usage: Tokens so far, as far as the provider has told them.
    """

    def __init__(
        self,
        call: Call,
        trip: Trip,
        figures: Figures,
        breakers: Breakers,
        settle: Settle,
        bill: Bill | None,
    ) -> None:
        self.call = call
        self.usage: Usage | None = None
        self._trip = trip
        self._figures = figures
        self._breakers = breakers
        self._settle = settle
        self._bill = bill
        self._begin = time.monotonic()
        self._first: float | None = None
        self._ended = False

    def __enter__(self) -> Self:
        self._figures.begin(*self.call.pair)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._ended:
            self._breakers.released(self.call.permit)
            self._end(code=Canceled.code, failed=False, used=None)

    def begun(self) -> None:
        """The first piece of the answer is there."""
        self._first = self._seconds()
        permit = self._breakers.begun(self.call.permit)
        self.call = msgspec.structs.replace(self.call, permit=permit)

    def done(self) -> None:
        """The answer is whole."""
        self._breakers.succeeded(self.call.permit)
        if self._first is None:
            self._first = self._seconds()
        self._end(failed=False, used=None)

    def failed(self, error: PepperError) -> None:
        """The call has failed; nobody pays for one that has not begun to answer."""
        used = 0 if self._first is None else None
        self._end(code=error.code, message=error.message, failed=True, used=used)

    def answered(self, value: T, finish: Finish | None) -> Answered[T]:
        """Returns the answer of the request."""
        target, key = self.call.pair
        return Answered(
            value=value,
            target=target,
            key=key,
            attempts=self._trip.tries,
            usage=self._trip.usage,
            finish=finish,
        )

    def _end(self, *, code: str = "", message: str = "", failed: bool, used: int | None) -> None:
        self._ended = True
        target, key = self.call.pair
        self._figures.end(target, key, seconds=self._first, failed=failed)
        ms = round(self._seconds() * 1000)
        self._trip.tries.append(Try(target, ms, code, message))
        if self.usage is not None and self.usage.total_tokens:
            self._trip.usage += self.usage
            used = self.usage.total_tokens
            if self._bill is not None:
                self._bill.add(target, self.usage)
        if used is not None:
            self._settle(self.call.key, self._trip.tokens, used)

    def _seconds(self) -> float:
        return time.monotonic() - self._begin
