"""Topics of tasks: what waits, who works on it, and how fast."""

import msgspec

from pepperpy_schemas.messages import Count, Instant
from pepperpy_schemas.monitor.figures import Latency, Series, Windows


class TopicRow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A topic of tasks.

    Attributes:
        topic: The topic.
        waiting: Tasks that nobody has taken, both lanes; null where the broker does not say.
        in_hand: Tasks that are delivered and not settled.
        oldest_s: Age of the one that waits longest.
        redelivered: Of those in hand, delivered more than once.
        workers: Instances that are up and work on it.
        states: How many of its tasks that are kept are in which state.
        submitted_rate: Tasks that came per second, over the last minute.
        ended_rate: Tasks that ended per second, over the last minute.
        error_ratio: Share of the last five minutes' ends that are failures; null without ends.
        letters: Dead letters.
        latency: How long attempts took that ended a task.
        queued: How long tasks waited for their first attempt, over the last five minutes.
        chart: Ends, failures and waiting over the last hour.
        last: When something happened to one of its tasks.
    """

    topic: str
    waiting: Count | None = None
    in_hand: Count | None = None
    oldest_s: float | None = None
    redelivered: Count = 0
    workers: Count = 0
    states: dict[str, int] = {}
    submitted_rate: float = 0.0
    ended_rate: float = 0.0
    error_ratio: float | None = None
    letters: Count = 0
    latency: Windows = Windows()
    queued: Latency = Latency()
    chart: list[Series] = []
    last: Instant | None = None
