"""Reading events from a checkpoint on, raising what they match, and storing how far that is."""

import asyncio
import contextlib

from pepperpy_bus.composites.checkpoint import Checkpoint
from pepperpy_bus.composites.composite import Composite
from pepperpy_bus.composites.matcher import Match, Matcher
from pepperpy_bus.composites.patterns import covering, pattern_tokens
from pepperpy_bus.composites.raising import raise_event
from pepperpy_bus.events import event_subjects, heard
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.clock import ServerClock, to_datetime
from pepperpy_bus.streams.delivery import Delivery
from pepperpy_bus.streams.follow import Follower, follow
from pepperpy_schemas.composites import CompositeState
from pepperpy_schemas.errors import PepperError
from pepperpy_schemas.subjects import stream_name

log = get_log("pepperpy.composites")

CHECKPOINT_EVERY = 5.0
"""Seconds of events that are read again after a crash."""
SETTLE = 1.0
"""Seconds after the end of a window for which a late event is still waited for."""
RECHECK = 0.1
LAST_WRITE = 2.0
"""Seconds that the last checkpoint may take when the reading ends."""


class Recognition:
    """One reading of the events of a composite, from a checkpoint on.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        composite: What to look for.
        scope: Who raises it: the agent or rule.
        clock: The server's clock.
        checkpoint: Where it is stored how far the reading is.
        start: Where to begin.
    """

    def __init__(
        self,
        connection: Connection,
        prefix: str,
        composite: Composite,
        scope: str,
        *,
        clock: ServerClock,
        checkpoint: Checkpoint,
        start: CompositeState,
    ) -> None:
        self._connection = connection
        self._prefix = prefix
        self._composite = composite
        self._scope = scope
        self._clock = clock
        self._checkpoint = checkpoint
        self._matcher = Matcher(composite, start.unfinished)
        self._position = (start.time, start.seq)
        self._dropped = self._matcher.dropped
        self._raising = False
        self._dirty_since: float | None = None

    async def run(self) -> None:
        """Reads until it is canceled."""
        stream = stream_name(self._prefix, "EVENTS")
        # Rounded down: what comes once more is passed over.
        since = to_datetime(self._position[0] - 1_000)
        async with follow(self._connection, stream, self._subjects(), since=since) as follower:
            try:
                while True:
                    delivery = await _next(follower, self._patience())
                    if delivery is not None and self._position < _place(delivery):
                        await self._take(delivery)
                    await self._look_for_missing(follower)
                    await self._write_when_due()
            finally:
                await self._write_last()

    def _subjects(self) -> list[str]:
        patterns = covering(pattern_tokens(part.pattern) for part in self._composite.parts)
        return [
            subject for one in patterns for subject in event_subjects(self._prefix, ".".join(one))
        ]

    async def _take(self, delivery: Delivery) -> None:
        try:
            event = heard(delivery)
        except PepperError as error:
            log.warning("composite.unreadable", subject=delivery.subject, error=str(error))
            return
        matches = self._matcher.feed(event, delivery.time_ns)
        self._position = _place(delivery)
        await self._raise(matches)

    async def _look_for_missing(self, follower: Follower) -> None:
        due = self._matcher.due
        if due is None or self._clock.now_ns() < due + SETTLE * 1e9:
            return
        try:
            moment = await follower.caught_up()
        except PepperError:
            return  # asked again
        if moment is not None:
            seen_ns = int((moment.timestamp() - SETTLE) * 1e9)
            await self._raise(self._matcher.advance(seen_ns))

    async def _raise(self, matches: list[Match]) -> None:
        """What has left the matcher must be raised before what is left there is stored."""
        if self._dirty_since is None:
            self._dirty_since = self._connection.loop.time()
        self._raising = True
        for match in matches:
            new = await raise_event(
                self._connection, self._prefix, self._composite, self._scope, match
            )
            log.info("composite.raised", composite=self._composite.name, again=not new)
        self._raising = False

    # --- how far it is --------------------------------------------------------------------------

    def _patience(self) -> float | None:
        """Seconds to wait for the next event before there is something else to do."""
        waits = []
        if self._dirty_since is not None:
            waits.append(self._dirty_since + CHECKPOINT_EVERY - self._connection.loop.time())
        if (due := self._matcher.due) is not None:
            waits.append((due - self._clock.now_ns()) / 1e9 + SETTLE)
        return max(RECHECK, min(waits)) if waits else None

    async def _write_when_due(self) -> None:
        since = self._dirty_since
        if since is not None and self._connection.loop.time() >= since + CHECKPOINT_EVERY:
            await self._write()

    async def _write(self) -> None:
        state = CompositeState(
            self._checkpoint.declaration, *self._position, self._matcher.unfinished()
        )
        await self._checkpoint.write(state)
        self._dirty_since = None
        if self._matcher.dropped > self._dropped:
            self._dropped = self._matcher.dropped
            log.warning(
                "composite.dropped",
                composite=self._composite.name,
                dropped=self._dropped,
                limit=self._composite.limit,
            )

    async def _write_last(self) -> None:
        if self._dirty_since is None or self._raising:
            return
        with contextlib.suppress(PepperError, TimeoutError):
            async with asyncio.timeout(LAST_WRITE):
                await self._write()


def _place(delivery: Delivery) -> tuple[int, int]:
    return delivery.time_ns, delivery.seq


async def _next(follower: Follower, patience: float | None) -> Delivery | None:
    """The next event, or None when there was none in time."""
    try:
        async with asyncio.timeout(patience):
            return await follower.next()
    except TimeoutError:
        return None
