"""Errors that are one, counted together."""

from collections import OrderedDict
from typing import Final

from pepperpy_monitor_svc.fleet.fingerprints import fingerprint, normalised
from pepperpy_monitor_svc.fleet.rings import Ring, instant
from pepperpy_monitor_svc.fleet.roster import Roster
from pepperpy_schemas.monitor import ErrorGroup

_SAMPLES: Final = 8
_SHOWN: Final = 500
"""Characters of a message that are shown."""


class _Some:
    """The last few different names."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names: OrderedDict[str, None] = OrderedDict()

    def add(self, name: str) -> None:
        if name:
            self._names[name] = None
            self._names.move_to_end(name)
            if len(self._names) > _SAMPLES:
                self._names.popitem(last=False)

    def newest_first(self) -> list[str]:
        return list(reversed(self._names))


class Group:
    """Errors of one code whose messages differ in numbers, ids and paths only."""

    __slots__ = (
        "agents",
        "code",
        "count",
        "fingerprint",
        "first",
        "last",
        "message",
        "ring",
        "sample",
        "tasks",
        "topics",
    )

    def __init__(self, name: str) -> None:
        self.fingerprint = name
        self.code = self.message = self.sample = ""
        self.count = 0
        self.first = self.last = 0.0
        self.ring = Ring(30, 10)
        self.topics, self.agents, self.tasks = _Some(), _Some(), _Some()

    def shown(self, now: float) -> ErrorGroup:
        """Returns the group as it is shown."""
        return ErrorGroup(
            fingerprint=self.fingerprint,
            code=self.code,
            message=self.message,
            sample=self.sample,
            count=self.count,
            first=instant(self.first),
            last=instant(self.last),
            rate=round(self.ring.rate(now, 300), 4),
            topics=self.topics.newest_first(),
            agents=self.agents.newest_first(),
            tasks=self.tasks.newest_first(),
        )


class Errors:
    """All groups of errors.

    Args:
        limit: Most groups; the one that was not seen for longest goes.
    """

    def __init__(self, limit: int) -> None:
        self._groups: Roster[str, Group] = Roster(limit, Group)

    def __len__(self) -> int:
        return len(self._groups)

    @property
    def dropped(self) -> int:
        """Groups that had to go."""
        return self._groups.dropped

    def of(self, code: str, message: str) -> Group:
        """Returns the group of an error; it is not counted by that."""
        plain = normalised(message)
        group = self._groups.use(fingerprint(code, plain))
        if not group.code:
            group.code, group.message = code, plain
        return group

    @staticmethod
    def count(
        group: Group, at: float, message: str, *, topic: str = "", agent: str = "", task: str = ""
    ) -> None:
        """Counts an error."""
        group.count += 1
        group.ring.add(at)
        group.first = min(group.first or at, at)
        if at >= group.last:
            group.last, group.sample = at, message[:_SHOWN]
        group.topics.add(topic)
        group.agents.add(agent)
        group.tasks.add(task)

    def shown(self, now: float) -> list[ErrorGroup]:
        """Returns all groups, the one that was seen last first."""
        groups = sorted(self._groups.values(), key=lambda one: one.last, reverse=True)
        return [one.shown(now) for one in groups if one.count]
