"""One request's way from target to target: whom to ask next, and what a failure means for it."""

import asyncio
import math
import random
from collections.abc import Callable
from typing import Final, NoReturn, Protocol, TypeAlias

import msgspec

from pepperpy_bus.timers import Timers
from pepperpy_provider_svc.declared.keys import HeldKey
from pepperpy_provider_svc.routing import policy
from pepperpy_provider_svc.routing.breakers import PROBE_WITHIN, Breakers, Permit
from pepperpy_provider_svc.routing.candidates import Candidates, Pair
from pepperpy_provider_svc.routing.ending import nobody_left
from pepperpy_provider_svc.routing.patience import in_time, passed
from pepperpy_provider_svc.routing.route import RouteTarget
from pepperpy_provider_svc.routing.sent import Sent
from pepperpy_schemas.chat import Try, Usage
from pepperpy_schemas.errors import (
    DeadlineExceeded,
    KeyRefused,
    PepperError,
    RateLimited,
    UnknownModel,
    UpstreamTimeout,
)

SHORT_WAIT: Final = 5.0
"""Seconds that a request waits, in all, for keys that its own fleet uses."""

_TAKE_WITHIN = 5.0
_SETTLED_WITHIN = 10.0


class Rates(Protocol):
    """The limits of keys over the whole fleet."""

    async def take(self, key: HeldKey, tokens: int) -> None:
        """Takes a request and tokens of a key's minute; raises RateLimited when it is used up."""
        ...

    async def settle(self, key: HeldKey, reserved: int, used: int) -> None:
        """Says what was really used."""
        ...


Settle: TypeAlias = Callable[[HeldKey, int, int], None]
"""Gets a key, the tokens that were reserved and those that were used."""


class Call(msgspec.Struct, frozen=True):
    """A call of a target that may be made now.

    Attributes:
        target: The target.
        key: The key.
        permit: The breaker's word.
    """

    target: RouteTarget
    key: HeldKey
    permit: Permit

    @property
    def pair(self) -> Pair:
        """The names of the target and of the key."""
        return self.target.name, self.key.name


class Trip:
    """The way of one request.

    Args:
        candidates: Who can be asked.
        breakers: The breakers.
        rates: The fleet's limits.
        timers: The timers of the running loop.
        settle: Corrects what was taken of a limit, beside the request.
        deadline: The caller's, in the loop's time.
        tokens: Tokens to reserve for a call.
        no_restart: Whether the caller forbids that a streamed answer begins anew.
        vectors: Whether it asks for vectors.
        chance: Where jitter comes from.

    Attributes:
        tries: The calls so far.
        usage: Tokens of all of them.
    """

    def __init__(
        self,
        candidates: Candidates,
        breakers: Breakers,
        rates: Rates,
        timers: Timers,
        settle: Settle,
        *,
        deadline: float | None,
        tokens: int,
        no_restart: bool,
        vectors: bool,
        chance: random.Random,
    ) -> None:
        self.deadline = deadline
        self.tokens = tokens
        self.tries: list[Try] = []
        self.usage = Usage()
        self._candidates = candidates
        self._breakers = breakers
        self._rates = rates
        self._timers = timers
        self._settle = settle
        self._no_restart = no_restart
        self._vectors = vectors
        self._chance = chance
        self._clock = asyncio.get_running_loop().time
        self._errors: list[PepperError] = []
        self._calls: dict[Pair, int] = {}
        self._again: tuple[RouteTarget, HeldKey] | None = None
        self._busy: dict[Pair, float] = {}
        self._patience = SHORT_WAIT

    @property
    def left(self) -> float:
        """Seconds until the caller's deadline."""
        return math.inf if self.deadline is None else self.deadline - self._clock()

    async def next(self) -> Call:
        """Returns the next call to make, waiting for it where the policy says so.

        Raises:
            NoTargetLeft: Nobody can be asked any more, or for now.
            DeadlineExceeded: The caller's deadline has passed.
        """
        while True:
            if self.left <= 0:
                self._end(passed("an answer"))
            call = await self._repeated() or await self._first()
            if call is not None:
                self._calls[call.pair] = self._calls.get(call.pair, 0) + 1
                return call
            await self._wait_for_busy()

    async def failed(self, call: Call, error: PepperError, sent: Sent) -> None:
        """Takes in that a call has failed; when it returns, the request goes on.

        Raises:
            PepperError: What the request ends with.
        """
        self._errors.append(error)
        if self._vectors and isinstance(error, KeyRefused | UnknownModel):
            # A model that makes no vectors may well chat, with the same key.
            self._breakers.released(call.permit)
        else:
            self._breakers.failed(call.permit, error)
        situation = self._situation(call, error, sent)
        match policy.decide(situation, self._chance.random):
            case policy.Retry(after):
                self._again = call.target, call.key
                await asyncio.sleep(after)
            case policy.NextKey():
                self._candidates.refuse(call.pair)
            case policy.Next():
                self._candidates.leave_out(call.target)
            case policy.NextLargerWindow():
                self._candidates.outgrow(call.target)
            case policy.Fail():
                self._end(self._verdict(situation))

    def _situation(self, call: Call, error: PepperError, sent: Sent) -> policy.Situation:
        return policy.Situation(
            error=error,
            tries=self._calls[call.pair],
            admitted=self._breakers.wait(*call.pair) <= 0,
            other_key=self._candidates.has_other_key(call.target, call.key),
            other=self._candidates.has_other(call.target),
            larger=self._candidates.has_larger(call.target),
            started=sent.started,
            tool_called=sent.tool_called,
            no_restart=self._no_restart,
            left=self.left,
        )

    async def _repeated(self) -> Call | None:
        if self._again is None:
            return None
        target, key = self._again
        self._again = None
        # Others have waited too: the provider may have told them to wait for longer, and one of
        # them looks whether the time has come.
        within = min(self.left, _SETTLED_WITHIN)
        await self._breakers.settled(target.name, key.name, within)
        return await self._permitted(target, key)

    async def _first(self) -> Call | None:
        for target, key in self._candidates.admitted():
            if (call := await self._permitted(target, key)) is not None:
                return call
        return None

    async def _permitted(self, target: RouteTarget, key: HeldKey) -> Call | None:
        if self._breakers.wait(target.name, key.name) > 0 or not await self._take(target, key):
            return None
        within = max(0.0, min(self.left, PROBE_WITHIN))
        permit = await self._breakers.admit(target.name, key.name, within=within)
        if permit is None:
            self._settle(key, self.tokens, 0)
            return None
        return Call(target, key, permit)

    async def _take(self, target: RouteTarget, key: HeldKey) -> bool:
        """A key that the fleet itself has used up is nobody's failure."""
        until = self._clock() + _TAKE_WITHIN
        taking = self._rates.take(key, self.tokens)
        try:
            await in_time(
                self._timers,
                taking,
                until=until,
                deadline=self.deadline,
                what="a share of the key",
            )
        except RateLimited as error:
            self._errors.append(error)
            wait = policy.retry_after(error)
            busy_for = math.inf if wait is None else wait
            self._busy[target.name, key.name] = self._clock() + busy_for
            return False
        except UpstreamTimeout:
            return True  # the provider's own limit still stands behind this one
        return True

    async def _wait_for_busy(self) -> None:
        """Waits for a key that is free soon.

        Raises:
            NoTargetLeft: There is none.
        """
        could = {(target.name, key.name) for target, key in self._candidates.admitted()}
        free = min((at for pair, at in self._busy.items() if pair in could), default=math.inf)
        wait = max(0.0, free - self._clock())
        wait += self._chance.random() * min(0.1, wait) + 0.001  # not all at once
        if wait > min(self._patience, self.left):
            self._end(self._none_left())
        self._patience -= wait
        self._busy.clear()
        await asyncio.sleep(wait)

    def _verdict(self, at: policy.Situation) -> PepperError:
        if isinstance(at.error, DeadlineExceeded):
            return at.error
        if at.left <= 0:
            return passed("an answer")
        forbidden = at.started and (at.tool_called or at.no_restart)
        if forbidden or policy.rule_of(at.error).target != "any":
            return at.error
        return self._none_left()

    def _none_left(self) -> PepperError:
        busy = {pair: at - self._clock() for pair, at in self._busy.items()}
        return nobody_left(self._candidates, self._breakers, busy, self._errors, self.tries)

    def _end(self, error: PepperError) -> NoReturn:
        last = self._errors[-1] if self._errors else None
        if error is last:
            raise error
        raise error from last
