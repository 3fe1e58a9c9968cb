"""What the fleet consists of, and how much room each part has."""

from typing import Final, Self

import msgspec

from pepperpy_monitor_svc.fleet.agents import Agents
from pepperpy_monitor_svc.fleet.broker import BrokerView
from pepperpy_monitor_svc.fleet.counting import Counts
from pepperpy_monitor_svc.fleet.errors import Errors
from pepperpy_monitor_svc.fleet.health import Health
from pepperpy_monitor_svc.fleet.models import Models
from pepperpy_monitor_svc.fleet.roster import Names
from pepperpy_monitor_svc.fleet.tasks import Tasks
from pepperpy_monitor_svc.fleet.topics import Topics
from pepperpy_monitor_svc.fleet.topology import Ways
from pepperpy_monitor_svc.fleet.totals import Totals

_MIB: Final = 1 << 20


class Room(msgspec.Struct, frozen=True):
    """Most names of each kind, and most bytes of tasks.

    Two thirds of the bytes are for tasks. The names have the rest: one that is busy all the time
    takes about 60 KiB as a topic or a model, 35 as an instance, 2 as a group of errors, 1 as a pair
    of the topology.
    """

    tasks: int
    topics: int
    agents: int
    models: int
    errors: int
    ways: int

    @classmethod
    def of(cls, limit: int) -> Self:
        """Returns the room in a number of bytes."""
        share = limit / (256 * _MIB)

        def most(names: int) -> int:
            return max(16, min(4 * names, round(names * share)))

        return cls(
            tasks=limit * 2 // 3,
            topics=most(500),
            agents=most(1000),
            models=most(300),
            errors=most(1000),
            ways=most(2000),
        )


class Parts:
    """Everything that facts change and views show.

    Args:
        limit: Most bytes.
    """

    def __init__(self, limit: int) -> None:
        room = Room.of(limit)
        self.limit = limit
        self.names = Names()
        self.tasks = Tasks(room.tasks)
        self.topics = Topics(room.topics)
        self.agents = Agents(room.agents)
        self.models = Models(room.models)
        self.errors = Errors(room.errors)
        self.ways = Ways(room.ways)
        self.totals = Totals()
        self.broker = BrokerView()
        self.health = Health()
        self.counts = Counts()

    @property
    def bytes(self) -> int:
        """What is kept, estimated: of names as if all of them were busy."""
        names = (
            (len(self.topics), 60),
            (len(self.agents), 35),
            (len(self.models), 60),
            (len(self.errors), 2),
            (len(self.ways), 1),
        )
        return self.tasks.bytes + sum(count * kib << 10 for count, kib in names)

    def dropped(self) -> dict[str, int]:
        """Returns how many names had to go, by what they name."""
        counts = {
            "topics": self.topics.dropped,
            "agents": self.agents.dropped,
            "models": self.models.dropped,
            "errors": self.errors.dropped,
            "ways": self.ways.dropped,
        }
        return {name: count for name, count in counts.items() if count}
