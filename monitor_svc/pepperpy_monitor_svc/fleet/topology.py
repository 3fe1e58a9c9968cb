"""Who talks to whom, and who waits."""

import heapq
from collections.abc import Iterable, Mapping
from typing import Final, Literal, cast

from pepperpy_monitor_svc.fleet.record import Record
from pepperpy_monitor_svc.fleet.rings import Ring, instant
from pepperpy_monitor_svc.fleet.roster import Roster
from pepperpy_monitor_svc.fleet.rows import waiting
from pepperpy_schemas.monitor import Edge, Node, Topology

Kind = Literal["client", "topic", "agent", "service", "model"]
Act = Literal["submits", "pulls", "asks"]
_Key = tuple[str, str, Act]

_WAITING: Final = 100
_ANONYMOUS: Final = "client:?"


class Way:
    """What one does with another."""

    __slots__ = ("count", "failed", "last", "ring")

    def __init__(self, _: _Key) -> None:
        self.count = self.failed = 0
        self.last = 0.0
        self.ring = Ring(30, 10)


class Ways:
    """All that anybody does with anybody.

    Args:
        limit: Most pairs; the one that was not seen for longest goes.
    """

    def __init__(self, limit: int) -> None:
        self._ways: Roster[_Key, Way] = Roster(limit, Way)

    def __len__(self) -> int:
        return len(self._ways)

    @property
    def dropped(self) -> int:
        """Pairs that had to go."""
        return self._ways.dropped

    def count(self, source: str, target: str, act: Act, at: float, *, failed: bool = False) -> None:
        """Counts that one did something with another; both as `node`."""
        way = self._ways.use((source, target, act))
        way.count += 1
        way.failed += failed
        if at > way.last:
            way.last = at
        way.ring.add(at)

    def shown(
        self,
        tasks: Iterable[Record],
        states: Mapping[str, tuple[str, int]],
        now: float,
    ) -> Topology:
        """Returns the topology.

        Args:
            tasks: The tasks without an end.
            states: State and size of the nodes that are known to be there.
            now: The present time.
        """
        edges = [
            Edge(
                source=source,
                target=target,
                kind=act,
                rate=round(way.ring.rate(now, 300), 4),
                count=way.count,
                failed=way.failed,
                last=instant(way.last),
            )
            for (source, target, act), way in self._ways.items()
        ]
        held = {one.id: one for one in tasks}
        suspended = [one for one in held.values() if one.underway is not None and _waits(one)]
        edges += _between(suspended, held.values(), now)
        names = dict.fromkeys(states)
        for edge in edges:
            names[edge.source] = names[edge.target] = None
        return Topology(
            nodes=[_node(name, *states.get(name, ("", 0))) for name in sorted(names)],
            edges=sorted(edges, key=lambda one: (one.kind, one.source, one.target)),
            waiting=[
                waiting(one, one.underway)
                for one in heapq.nsmallest(_WAITING, suspended, key=_since)
                if one.underway is not None
            ],
        )


def node(kind: Kind, name: str) -> str:
    """Returns the id of somebody."""
    return f"{kind}:{name}" if name else _ANONYMOUS


def _node(name: str, state: str, size: int) -> Node:
    kind, _, plain = name.partition(":")
    return Node(id=name, kind=cast(Kind, kind), name=plain, state=state, size=size)


def _between(suspended: list[Record], tasks: Iterable[Record], now: float) -> list[Edge]:
    """Topics whose tasks wait for those of others, now."""
    parents = {one.id: one for one in suspended if _what(one) == "children"}
    if not parents:
        return []
    waits: dict[tuple[str, str], int] = {}
    for one in tasks:
        if (parent := parents.get(one.parent)) is not None and parent.topic and one.topic:
            pair = node("topic", parent.topic), node("topic", one.topic)
            waits[pair] = waits.get(pair, 0) + 1
    return [
        Edge(source=source, target=target, kind="waits", count=count, last=instant(now))
        for (source, target), count in waits.items()
    ]


def _waits(record: Record) -> bool:
    return bool(_what(record))


def _what(record: Record) -> str:
    return "" if record.underway is None else record.underway.waits


def _since(record: Record) -> float:
    return 0.0 if record.underway is None else record.underway.since
