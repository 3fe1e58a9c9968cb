"""Silences: alerts that nobody is told of for a while, the same for every replica."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from pepperpy_bus.logs import get_log
from pepperpy_bus.state.cells import Cells, ttl_text
from pepperpy_bus.units import now, parse_duration
from pepperpy_monitor_svc.alerts.labels import Matching
from pepperpy_schemas.alerts import Silence
from pepperpy_schemas.catalog.state import SILENCE
from pepperpy_schemas.codec import decode, encode
from pepperpy_schemas.errors import BadConfig, NotFound, PepperError
from pepperpy_schemas.tokens import new_id

log = get_log("pepperpy.alerts")

MAX_SILENCES: Final = 1000
LONGEST: Final = 366 * 86400.0
"""Seconds that a silence may last: what shall be quiet for ever is a rule that is switched off."""
KEPT: Final = 86400.0
"""Seconds that one is still shown after its end."""

_AGAIN: Final = 2.0


class Silences:
    """The silences of a deployment, followed while `running` runs.

    Args:
        cells: The deployment's shared state.
        clock: Returns the time that silences begin and end by.
    """

    def __init__(self, cells: Cells, *, clock: Callable[[], datetime] = now) -> None:
        self._cells = cells
        self._clock = clock
        self._known: dict[str, tuple[Silence, Matching]] = {}

    def all(self) -> list[Silence]:
        """Returns those that are known, also those that are over for less than a day."""
        return sorted((one for one, _ in self._known.values()), key=lambda one: one.ends)

    def hides(self, labels: Mapping[str, str], at: datetime) -> str:
        """Returns the id of a silence that hides an alert now; empty without one."""
        for silence, matching in self._known.values():
            if silence.starts <= at < silence.ends and matching.fits(labels):
                return silence.id
        return ""

    async def add(
        self,
        matchers: Iterable[str],
        *,
        duration: str,
        by: str,
        comment: str = "",
        starts: datetime | None = None,
    ) -> Silence:
        """Makes a silence; all replicas keep to it within a moment.

        Args:
            matchers: What the labels must be: ``alertname=WorkerLost``, ``agent=a|b``.
            duration: For how long: ``2h``.
            by: Who makes it.
            comment: Why.
            starts: From when on; now by default.

        Raises:
            BadConfig: It matches everything, is too long or too far away, or there are too many.
        """
        given = [one for one in matchers if one.strip()]
        matching = Matching.read(given)
        if not given:
            raise BadConfig(
                "a silence without labels would hide every alert",
                hint="name some: alertname=WorkerLost agent=support",
            )
        seconds = parse_duration(duration)
        if not 0 < seconds <= LONGEST:
            raise BadConfig(f"{duration!r:.40} is no time for a silence", hint="write 30m, 2h, 3d")
        if len(self._known) >= MAX_SILENCES:
            raise BadConfig(
                f"there are {MAX_SILENCES} silences already",
                hint="end some: pepperpy alerts unsilence ID",
            )
        at = self._clock()
        begin = starts or at
        if begin > at + timedelta(seconds=LONGEST):
            raise BadConfig("a silence begins within a year", hint="make it when it is wanted")
        end = begin + timedelta(seconds=seconds)
        made = Silence(
            id=new_id(),
            matchers=matching.written(),
            starts=begin,
            ends=end,
            by=by[:200],
            comment=comment[:1000],
            created=at,
        )
        await self._put(made)
        return made

    async def end(self, silence_id: str) -> Silence:
        """Ends a silence now.

        Raises:
            NotFound: There is none of this id.
        """
        entry = await self._cells.get(self._cells.key(SILENCE, id=silence_id))
        if entry is None:
            raise NotFound(
                f"there is no silence {silence_id!r:.80}",
                hint="pepperpy alerts silences lists them",
            )
        found = decode(entry.value, Silence)
        at = self._clock()
        ended = Silence(
            id=found.id,
            matchers=found.matchers,
            starts=min(found.starts, at),
            ends=min(found.ends, at),
            by=found.by,
            comment=found.comment,
            created=found.created,
        )
        await self._put(ended)
        return ended

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follows what all replicas and people say, until the end."""
        await self._read()
        following = asyncio.create_task(self._follow(), name="silences")
        try:
            yield
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _put(self, one: Silence) -> None:
        key = self._cells.key(SILENCE, id=one.id)
        left = max(0.0, (one.ends - self._clock()).total_seconds())
        await self._cells.bucket.put(key, encode(one), ttl=ttl_text(left + KEPT))
        self._known[one.id] = one, Matching.read(one.matchers)

    async def _read(self) -> None:
        for entry in await self._cells.bucket.entries(self._cells.pattern(SILENCE)):
            self._take(entry.key, entry.value)

    async def _follow(self) -> None:
        while True:
            try:
                async for change in self._cells.bucket.watch(self._cells.pattern(SILENCE)):
                    self._take(change.key, change.value)
            except PepperError as error:
                log.warning("alerts.silences_unfollowed", error=str(error))
            await asyncio.sleep(_AGAIN)

    def _take(self, key: str, value: bytes | None) -> None:
        silence_id = key.rpartition(".")[2]
        if value is None:
            self._known.pop(silence_id, None)
            return
        try:
            one = decode(value, Silence)
            self._known[one.id] = one, Matching.read(one.matchers)
        except PepperError as error:
            # Somebody wrote it by hand; it hides nothing.
            log.warning("alerts.silence_unreadable", id=silence_id, error=str(error))
