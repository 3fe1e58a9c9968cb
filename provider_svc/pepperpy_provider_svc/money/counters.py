"""What was used by each tenant and of each model, exact over all replicas.

Requests do not wait for it. A replica adds up what it has not written yet and writes sums, so that
many requests cost no more writes than a few.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final, Self

from pepperpy_bus.counters import Counters
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.logs import get_log
from pepperpy_bus.redaction import escape
from pepperpy_schemas.chat import Usage
from pepperpy_schemas.provider import METRICS, Spend
from pepperpy_schemas.tokens import MAX_KEY, new_id

log = get_log("pepperpy.provider")

EVERY: Final = 0.5
"""Seconds between two writes of the same counter."""
AT_STOP: Final = 15.0
"""Seconds that a stopping replica goes on writing: longer than an election takes."""
TRY: Final = 5.0
"""Seconds that one try to write takes at most."""

_AT_ONCE = 16
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0
_NANO = 10**9
_Counter = tuple[str, str]
"""Metric and label."""


class UsageCounters:
    """Counts what requests use, while its context is open; leaving it writes the rest.

    Args:
        connection: The connection.
        prefix: The deployment's.
        every: Seconds between two writes of the same counter.
        at_stop: Seconds that leaving goes on writing; what is left then is lost, and logged.
    """

    def __init__(
        self,
        connection: Connection,
        prefix: str,
        *,
        every: float = EVERY,
        at_stop: float = AT_STOP,
    ) -> None:
        self._counters = Counters(connection, prefix)
        self._every = every
        self._at_stop = at_stop
        self._sums: dict[_Counter, int] = {}
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._writer = asyncio.create_task(self._write_on(), name="usage-counters")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._writer is not None, "it was entered"
        self._stopping.set()
        self._wake.set()
        await asyncio.wait((self._writer,), timeout=self._at_stop)
        self._writer.cancel()
        await asyncio.gather(self._writer, return_exceptions=True)
        if self._sums:
            lost = {".".join(counter): n for counter, n in self._sums.items()}
            log.error("provider.usage_lost", counters=lost)

    def add(self, tenant: str, model: str, usage: Usage, usd: float | None) -> None:
        """Counts a request that was answered; it is written soon.

        Args:
            tenant: For whom.
            model: ``provider/model`` that answered.
            usage: Its tokens.
            usd: Its cost; None counts nothing, as no price is known.
        """
        amounts = {
            "requests": 1,
            "nano_usd": round((usd or 0.0) * _NANO),
            **{field: getattr(usage, field) for field in Usage.__struct_fields__},
        }
        labels = [tenant_label(tenant), _label(f"model {model}")]
        for metric, field in METRICS.items():
            if n := amounts[field]:
                for label in labels:
                    self._sums[metric, label] = self._sums.get((metric, label), 0) + n
        self._wake.set()

    async def spend(self) -> list[Spend]:
        """Returns what was used since the deployment began, by tenant and by model."""
        found: dict[str, dict[str, int]] = {}
        for metric, field in METRICS.items():
            for one in await self._counters.all(metric):
                found.setdefault(one.label, {})[field] = one.value
        return [_spend(label, amounts) for label, amounts in sorted(found.items())]

    # --- writing --------------------------------------------------------------------------------

    async def _write_on(self) -> None:
        while self._sums or not self._stopping.is_set():
            await self._wake.wait()
            self._wake.clear()
            await self._write(list(self._sums))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._stopping.wait()
            if self._stopping.is_set():
                self._wake.set()

    async def _write(self, counters: Sequence[_Counter]) -> None:
        for first in range(0, len(counters), _AT_ONCE):
            async with asyncio.TaskGroup() as group:
                for one in counters[first : first + _AT_ONCE]:
                    group.create_task(self._write_one(one), name=f"usage-write:{one[0]}")

    async def _write_one(self, counter: _Counter) -> None:
        """Writes a sum under one id until it is there, and takes it off what is to be written."""
        amount, msg_id, tries = self._sums[counter], new_id(), 0
        while True:
            try:
                if not tries or not await self._counters.has(*counter, msg_id):
                    await self._counters.add(*counter, amount, msg_id=msg_id, timeout=TRY)
            except Exception as error:
                tries += 1
                log.warning("provider.usage_unwritten", counter=counter[1], error=repr(error))
                await asyncio.sleep(min(_FIRST_PAUSE * 2**tries, _LONGEST_PAUSE))
            else:
                break
        self._take(counter, amount)

    def _take(self, counter: _Counter, amount: int) -> None:
        self._sums[counter] -= amount
        if not self._sums[counter]:
            del self._sums[counter]


def tenant_label(name: str) -> str:
    """Returns the label of what a tenant has spent."""
    return _label(f"tenant {name}")


def _label(text: str) -> str:
    """Some endpoints answer to any name, and a label must be able to travel."""
    return escape(text)[:MAX_KEY]


def _spend(label: str, amounts: dict[str, int]) -> Spend:
    tokens = {field: amounts.get(field, 0) for field in Usage.__struct_fields__}
    return Spend(
        label=label,
        requests=amounts.get("requests", 0),
        usage=Usage(**tokens),
        usd=amounts.get("nano_usd", 0) / _NANO,
    )
