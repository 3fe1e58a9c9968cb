"""What is known of each topic, beside its tasks."""

from collections.abc import Iterable, Mapping

from pepperpy_monitor_svc.fleet.durations import Timings, Window
from pepperpy_monitor_svc.fleet.record import FAILURES
from pepperpy_monitor_svc.fleet.rings import Ring, instant
from pepperpy_monitor_svc.fleet.roster import Roster
from pepperpy_monitor_svc.fleet.tasks import Sums
from pepperpy_schemas.monitor import TopicFigures, TopicRow


class Topic:
    """The figures of one topic over time."""

    __slots__ = ("ended", "failed", "figures", "last", "name", "queued", "submitted", "timings")

    def __init__(self, name: str) -> None:
        self.name = name
        self.last = 0.0
        self.submitted, self.ended, self.failed = (Ring(10, 30) for _ in range(3))
        self.timings = Timings()
        self.queued = Window(30, 10)
        self.figures: TopicFigures | None = None


class Topics:
    """All topics.

    Args:
        limit: Most topics; the one where nothing happened for longest goes.
    """

    def __init__(self, limit: int) -> None:
        self._topics: Roster[str, Topic] = Roster(limit, Topic)

    def __len__(self) -> int:
        return len(self._topics)

    @property
    def dropped(self) -> int:
        """Topics that had to go."""
        return self._topics.dropped

    def of(self, name: str, at: float) -> Topic:
        """Returns a topic where something happens."""
        topic = self._topics.use(name)
        if at > topic.last:
            topic.last = at
        return topic

    def submitted(self, name: str, at: float) -> None:
        """Counts a task that came."""
        self.of(name, at).submitted.add(at)

    def queued(self, name: str, at: float, place: int) -> None:
        """Counts how long a task waited for its first attempt, by its bin."""
        self.of(name, at).queued.add(at, place)

    def ended(self, name: str, at: float, state: str) -> None:
        """Counts an end."""
        topic = self.of(name, at)
        topic.ended.add(at)
        if state in FAILURES:
            topic.failed.add(at)

    def took(self, name: str, at: float, place: int) -> None:
        """Counts how long an attempt took that ended a task, by its bin."""
        self.of(name, at).timings.add(at, place)

    def broker_says(self, figures: Iterable[TopicFigures]) -> None:
        """Takes what the broker says of the queues; of a topic that it leaves out, nothing."""
        for topic in self._topics.values():
            topic.figures = None
        for one in figures:
            self._topics.use(one.topic).figures = one

    def shown(
        self, kept: Mapping[str, Sums], workers: Mapping[str, int], now: float
    ) -> list[TopicRow]:
        """Returns all topics by name.

        Args:
            kept: How many tasks of a topic are kept.
            workers: How many instances that are up work on a topic.
            now: The present time.
        """
        self._known_by(workers)
        nothing = Sums()
        return [
            _row(topic, kept.get(topic.name, nothing), workers.get(topic.name, 0), now)
            for topic in sorted(self._topics.values(), key=lambda one: one.name)
        ]

    def waiting(self, workers: Mapping[str, int]) -> dict[str, int]:
        """Returns how many tasks wait for each topic; 0 where the broker does not say.

        Args:
            workers: How many instances that are up work on a topic.
        """
        self._known_by(workers)
        said = ((topic.name, topic.figures) for topic in self._topics.values())
        return {name: 0 if figures is None else figures.waiting for name, figures in said}

    def _known_by(self, workers: Iterable[str]) -> None:
        for name in workers:
            self._topics.use(name)


def _row(topic: Topic, kept: Sums, workers: int, now: float) -> TopicRow:
    said = topic.figures
    ended, failed = topic.ended.total(now, 300), topic.failed.total(now, 300)
    return TopicRow(
        topic=topic.name,
        waiting=None if said is None else said.waiting,
        in_hand=None if said is None else said.in_hand,
        oldest_s=None if said is None else said.oldest_s,
        redelivered=0 if said is None else said.redelivered,
        workers=workers,
        states=kept.shown(),
        submitted_rate=round(topic.submitted.rate(now, 60), 4),
        ended_rate=round(topic.ended.rate(now, 60), 4),
        error_ratio=failed / ended if ended else None,
        letters=kept.letters if said is None or said.letters is None else said.letters,
        latency=topic.timings.windows(now),
        queued=topic.queued.latency(now),
        chart=[
            topic.ended.series(now, "ended", "1/s", scale=1 / topic.ended.step),
            topic.failed.series(now, "failed", "1/s", scale=1 / topic.failed.step),
        ],
        last=instant(topic.last) if topic.last else None,
    )
