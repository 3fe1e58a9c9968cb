"""Tells receivers what is new, each at its own pace; what fails is tried again until it is told.

Nothing is queued. What a receiver has to be told is worked out of the alerts and of what it was
told, when it is its turn: a receiver that was away for an hour is told how things are, not how they
were. So the bound on memory is that on alerts.
"""

import hashlib
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

from pepperpy_bus.events import Emitter
from pepperpy_bus.groups import TaskGroup
from pepperpy_bus.logs import get_log
from pepperpy_monitor_svc.alerts import program, webhook
from pepperpy_monitor_svc.alerts.grouping import BUS, News, groups, mark, news
from pepperpy_monitor_svc.alerts.labels import SEVERITY
from pepperpy_monitor_svc.alerts.payload import moment, payload
from pepperpy_monitor_svc.alerts.receivers import Notifying, Receiver
from pepperpy_schemas.alerts import Alert, Delivered, Told
from pepperpy_schemas.errors import PepperError

if TYPE_CHECKING:
    import aiohttp

log = get_log("pepperpy.alerts")

AT_ONCE: Final = 8
"""Notifications of one receiver that are on their way at once; more wait their turn."""
LONGEST_PAUSE: Final = 300.0
"""Seconds before a receiver that failed again and again is tried anew."""

FORGOTTEN: Final = 3600.0
"""Seconds after which one that failed, and that nobody tries again, is no trouble any more."""

Place = tuple[str, str]
"""A receiver and the id of a group."""
Remember = Callable[[str, Told], Awaitable[None]]


class Tries(msgspec.Struct):
    """Tries of a notification that failed.

    Attributes:
        again: When it is tried again, seconds.
        failed: How often it has failed on end.
        alerts: The alerts that it would have told of.
        error: Why the last one failed.
    """

    again: float
    failed: int
    alerts: set[str]
    error: str

    def is_early(self, at: float) -> bool:
        """Whether it is too early for the next; never because the clock has gone back."""
        return 0 < self.again - at < 2 * LONGEST_PAUSE


class Notifier:
    """Tells of alerts while its context is open.

    Args:
        notifying: Who is told besides the bus and the log.
        emitter: Tells the bus.
        remember: Stores what was told of a group, by the group's id, at once.
        url: Address of the dashboard, for people.

    Attributes:
        told: What was told last, by receiver and group.
        counts: How many notifications went out, and failed, by receiver.
    """

    def __init__(
        self, notifying: Notifying, emitter: Emitter, remember: Remember, *, url: str = ""
    ) -> None:
        self._emitter = emitter
        self._remember = remember
        self._url = url
        self._session: aiohttp.ClientSession | None = None
        self._crowds: dict[str, TaskGroup] = {}
        self._on_way: set[Place] = set()
        self._tries: dict[Place, Tries] = {}
        self.notifying = notifying
        self.told: dict[Place, Told] = {}
        self.counts: dict[str, dict[str, int]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for crowd in self._crowds.values():
            await crowd.cancel()
        if self._session is not None:
            await self._session.close()

    def owes(self, alert_id: str) -> bool:
        """Whether a receiver that there still is has yet to be told that an alert is over."""
        known = {BUS, *self.notifying.receivers}
        told = [one.alerts for (name, _), one in self.told.items() if name in known]
        tried = [one.alerts for (name, _), one in self._tries.items() if name in known]
        return any(alert_id in ids for ids in (*told, *tried))

    def troubles(self) -> dict[str, str]:
        """Returns why receivers could not be told, by their names."""
        known = self.notifying.receivers
        return {name: one.error for (name, _), one in self._tries.items() if name in known}

    async def tell(self, alerts: Iterable[Alert], hidden: Mapping[str, str], at: float) -> None:
        """Has every receiver told what is new to it, those that are due."""
        # What nobody has tried again has nothing left to tell: its alerts are gone.
        given_up = [place for place, one in self._tries.items() if at - one.again > FORGOTTEN]
        for place in given_up:
            del self._tries[place]
        for group in groups(self.notifying.routes, alerts):
            place = group.receiver, group.id
            tries = self._tries.get(place)
            if place in self._on_way or (tries is not None and tries.is_early(at)):
                continue
            tried = tries.alerts if tries is not None else ()
            found = news(group, self.told.get(place), hidden, at, tried=tried)
            if found is None:
                continue
            if group.receiver == BUS:
                await self._tell_bus(found)
                await self._note(place, found)
            else:
                self._start(place, found, at)

    async def test(self, alert: Alert) -> list[Delivered]:
        """Tells every receiver of an alert at once, that it fires and that it is over."""
        over = alert.changed(state="resolved", resolved=alert.since)
        found = []
        for group in groups(self.notifying.routes, [alert]):
            nothing = Told(receiver=group.receiver, group=group.key, at=alert.since)
            fires = News(group, [alert], [], nothing)
            ends = News(group, [], [over], nothing)
            error = ""
            try:
                for one in (fires, ends):
                    await self._deliver(one)
            except PepperError as failed:
                error = str(failed)
            found.append(Delivered(group.receiver, error))
        return found

    # --- one notification -------------------------------------------------------------------------

    def _start(self, place: Place, found: News, at: float) -> None:
        receiver = place[0]
        crowd = self._crowds.get(receiver)
        if crowd is None:
            crowd = TaskGroup(f"notify-{receiver}", limit=AT_ONCE, on_crash=_crashed)
            self._crowds[receiver] = crowd
        work = partial(self._try, place, found, at)
        if crowd.try_spawn(work, name=found.group.id) is not None:
            self._on_way.add(place)

    async def _try(self, place: Place, found: News, at: float) -> None:
        counts = self.counts.setdefault(place[0], {"sent": 0, "failed": 0})
        try:
            await self._deliver(found)
        except PepperError as error:
            counts["failed"] += 1
            self._failed(place, found, at, str(error))
        else:
            counts["sent"] += 1
            await self._note(place, found)
        finally:
            self._on_way.discard(place)

    async def _deliver(self, found: News) -> None:
        """Tells a receiver once.

        Raises:
            PepperError: It was not told.
        """
        name = found.group.receiver
        if name == BUS:
            await self._tell_bus(found)
            return
        receiver = self.notifying.receivers[name]
        if not receiver.resolved:
            found = msgspec.structs.replace(found, resolved=[])
            if not found.firing:
                return
        await self._send(receiver, found)

    async def _send(self, receiver: Receiver, found: News) -> None:
        said = payload(found, url=self._url)
        message_id = _id_of(found)
        if receiver.command:
            await program.run(receiver, said, message_id)
            return
        await webhook.post(self._http(), receiver, said, message_id)

    def _http(self) -> "aiohttp.ClientSession":
        if self._session is None:
            import aiohttp

            self._session = aiohttp.ClientSession(
                trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session

    async def _note(self, place: Place, found: News) -> None:
        self._tries.pop(place, None)
        if found.told.alerts:
            self.told[place] = found.told
        else:
            self.told.pop(place, None)
        await self._remember(found.group.id, found.told)

    def _failed(self, place: Place, found: News, at: float, error: str) -> None:
        before = self._tries.get(place)
        failed = 1 if before is None else before.failed + 1
        pause = min(2.0**failed, LONGEST_PAUSE) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        alerts = {one.id for one in (*found.firing, *found.resolved)}
        self._tries[place] = Tries(at + pause, failed, alerts, error)
        log.warning(
            "alerts.not_told", receiver=place[0], failed=failed, again_s=round(pause), error=error
        )

    # --- the bus and the log ----------------------------------------------------------------------

    async def _tell_bus(self, found: News) -> None:
        for one in (*found.firing, *found.resolved):
            verb = one.state
            tell = log.warning if verb == "firing" else log.info
            tell(f"alert.{verb}", rule=one.rule, labels=one.labels, summary=one.summary)
            await self._emitter.emit(
                "alert",
                verb,
                scope=one.rule,
                id=one.id,
                data=_data(one),
                certain=True,
                event_id=f"{one.id}-{mark(one).replace('.', '')}-{verb}",
            )


def _data(one: Alert) -> dict[str, Any]:
    return {
        "rule": one.rule,
        "severity": one.labels.get(SEVERITY, ""),
        "labels": one.labels,
        "summary": one.summary,
        "description": one.description,
        "value": one.value,
        "since": moment(one.since),
    }


def _id_of(found: News) -> str:
    """The same for each try of a notification, by any replica; another one for what is repeated."""
    alerts = sorted(f"{a.id}:{mark(a)}:{a.state}" for a in (*found.firing, *found.resolved))
    parts = [found.group.receiver, found.group.id, f"{found.before:.3f}", *alerts]
    return f"msg_{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:32]}"


def _crashed(name: str, error: BaseException) -> None:
    log.error("alerts.notifying_crashed", task=name, exc_info=error)
