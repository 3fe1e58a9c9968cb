"""The breakers of all targets and keys, which the replicas share.

Each replica keeps all of them in memory and follows the bucket, so that asking for a state costs
nothing. What opens or closes one is in force here at once and told to the others by a task of its
own: a broker that is away delays no request and fails none.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Coroutine, Iterable
from typing import Any, Final, Self

import msgspec

from pepperpy_bus.logs import get_log
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_provider_svc.routing import breaker
from pepperpy_provider_svc.routing.circuit import Circuit
from pepperpy_provider_svc.routing.policy import Nothing, effect_of
from pepperpy_provider_svc.routing.sharing import Sharing
from pepperpy_provider_svc.routing.tokens import target_token
from pepperpy_schemas.errors import PepperError
from pepperpy_schemas.provider import Breaker

log = get_log("pepperpy.provider")

PROBE_WITHIN: Final = 1.0
"""Seconds in which the other replicas agree on a probe, or what is known here counts."""

MOST_PASSING: Final = 256
"""Breakers that are kept of targets that nobody has declared."""

_LAST_WORDS = 1.0  # seconds at the end for what the others have not been told yet


class Permit(msgspec.Struct, frozen=True):
    """One call may be made.

    Attributes:
        target: ``provider/model``.
        key: Name of the key.
        probe: Whether it is the one call that a half-open breaker lets through.
    """

    target: str
    key: str
    probe: bool = False


class Breakers:
    """The breakers, as an async context manager that follows the other replicas.

    Args:
        cells: The bucket ``provider``.
        clock: The server's clock, by which all replicas agree.
    """

    def __init__(self, cells: Cells, clock: ServerClock) -> None:
        self._clock = clock
        self._sharing = Sharing(cells, clock)
        self._circuits: dict[str, Circuit] = {}
        self._of_pairs: dict[tuple[str, str], Circuit] = {}
        self._declared: frozenset[str] | None = None
        self._passing: OrderedDict[tuple[str, str], Circuit] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._sharing.read(self._hear)
        self._start(self._sharing.follow(self._hear), "breakers-follow")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        telling = [one.teller for one in self._circuits.values() if one.teller is not None]
        if telling:
            await asyncio.wait(telling, timeout=_LAST_WORDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def restrict(self, targets: Iterable[str]) -> None:
        """Shares the breakers of these targets alone from now on.

        A caller may ask for any name of a model. The breakers of others are kept here, and only
        those of the last few: nobody shall fill the bucket, or the memory, with names.
        """
        self._declared = frozenset(targets)

    def record(self, target: str, key: str) -> Breaker | None:
        """Returns what is known of a breaker; None when it is closed."""
        return self._of(target, key).record

    def state(self, target: str, key: str) -> breaker.State:
        """Returns the state of a breaker."""
        return breaker.state_of(self.record(target, key), self._clock.now())

    def wait(self, target: str, key: str) -> float:
        """Returns the seconds until a call may be let through; 0 when one may be now."""
        record = self.record(target, key)
        return 0.0 if record is None else breaker.wait_of(record, self._clock.now())

    async def admit(self, target: str, key: str, *, within: float = PROBE_WITHIN) -> Permit | None:
        """Returns the permit for one call, or None.

        Args:
            target: ``provider/model``.
            key: Name of the key.
            within: Seconds in which the other replicas must agree on the probe of a half-open
                breaker; all else takes no time.
        """
        circuit = self._of(target, key)
        if circuit.record is None:
            return Permit(target, key)
        if self.wait(target, key) > 0:
            return None
        # What the others have not been told yet, they cannot agree on.
        alone = circuit.telling or not circuit.shared
        mine = None if alone else await self._sharing.take_probe(circuit, within)
        if mine is None:
            mine = self._probe_alone(circuit)
        if mine:
            return Permit(target, key, probe=True)
        return Permit(target, key) if self.state(target, key) == "closed" else None

    async def settled(self, target: str, key: str, within: float) -> None:
        """Waits until a call may be let through, unless that takes more than so many seconds.

        A probe of another request may end at any time; a pause does not end before its time.
        """
        circuit = self._of(target, key)
        end = asyncio.get_running_loop().time() + within
        while (wait := self.wait(target, key)) > 0:
            left = end - asyncio.get_running_loop().time()
            if left <= 0 or (wait > left and self.state(target, key) == "open"):
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(wait, left)):
                    await circuit.changed()

    def succeeded(self, permit: Permit) -> None:
        """The call was answered."""
        circuit = self._of(permit.target, permit.key)
        circuit.tally = breaker.succeeded(circuit.tally, self._clock.now())
        if permit.probe:
            self._set(circuit, None)
            log.info("breaker.closed", target=permit.target, key=permit.key)

    def begun(self, permit: Permit) -> Permit:
        """The call's answer has begun, which passes a probe; returns the permit from now on."""
        if not permit.probe:
            return permit
        circuit = self._of(permit.target, permit.key)
        tally = breaker.begun(circuit.tally)
        self.succeeded(permit)
        circuit.tally = tally
        return msgspec.structs.replace(permit, probe=False)

    def failed(self, permit: Permit, error: PepperError) -> None:
        """The call failed."""
        effect = effect_of(error)
        if isinstance(effect, Nothing):
            # A provider that refuses what it was sent is well.
            (self.succeeded if error.category == "input" else self.released)(permit)
            return
        circuit, now = self._of(permit.target, permit.key), self._clock.now()
        circuit.tally = breaker.failed(circuit.tally, now, effect)
        record = breaker.opening(circuit.tally, circuit.record, now, effect, error.code)
        if record is None:
            return
        circuit.tally = breaker.opened(circuit.tally, record)
        self._set(circuit, record)
        seconds = round(breaker.wait_of(record, now), 1)
        named = {"target": permit.target, "key": permit.key, "reason": record.reason}
        log.warning("breaker.opened", seconds=seconds, **named)

    def released(self, permit: Permit) -> None:
        """The call ended before anybody could tell how it would go."""
        circuit = self._of(permit.target, permit.key)
        if permit.probe and circuit.record is not None:
            self._set(circuit, breaker.released(circuit.record))

    def _probe_alone(self, circuit: Circuit) -> bool:
        """Takes the probe without the others: what is known here counts."""
        mine = breaker.probed(circuit.record, self._clock.now())
        if mine is not None:
            self._set(circuit, mine)
        return mine is not None

    def _of(self, target: str, key: str) -> Circuit:
        found = self._of_pairs.get((target, key))
        if found is None and self._declared is not None and target not in self._declared:
            return self._passing_of(target, key)
        if found is None:
            name = self._sharing.name(target_token(target), target_token(key))
            found = self._of_pairs[target, key] = self._named(name)
        return found

    def _passing_of(self, target: str, key: str) -> Circuit:
        found = self._passing.setdefault((target, key), Circuit(""))
        self._passing.move_to_end((target, key))
        if len(self._passing) > MOST_PASSING:
            self._passing.popitem(last=False)
        return found

    def _named(self, name: str) -> Circuit:
        found = self._circuits.get(name)
        if found is None:
            found = self._circuits[name] = Circuit(name)
        return found

    def _hear(self, name: str, record: Breaker | None, revision: int) -> None:
        self._named(name).hear(record, revision)

    def _set(self, circuit: Circuit, record: Breaker | None) -> None:
        circuit.set(record)
        if not circuit.shared:
            circuit.give_up()
            return
        if circuit.teller is None or circuit.teller.done():
            circuit.teller = self._start(self._sharing.tell(circuit), f"tell-{circuit.name}")

    def _start(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
