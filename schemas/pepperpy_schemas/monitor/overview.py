"""The fleet at a glance."""

import msgspec

from pepperpy_schemas.messages import Count, Instant
from pepperpy_schemas.monitor.broker import BrokerFigures
from pepperpy_schemas.monitor.counts import FleetCounts
from pepperpy_schemas.monitor.figures import Series, Windows
from pepperpy_schemas.monitor.health import Status


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """The fleet at a glance.

    Attributes:
        at: When it was made.
        since: Since when the monitor sees.
        rates: Per second, over the last minute: ``submitted``, ``started``, ``completed``,
            ``failed``, ``canceled``, ``rejected``, ``retried``, ``events``.
        states: How many tasks that are kept are in which state.
        latency: How long attempts took that ended a task.
        queued: How long tasks waited for their first attempt.
        error_ratio: Share of ends that are failures by window: ``m1``, ``m5``, ``h1``; null
            without ends.
        waiting: Tasks that nobody has taken; null where the broker does not say.
        oldest_s: Age of the one that waits longest.
        letters: Dead letters.
        agents: How many instances are in which state.
        questions: Tasks that ask people.
        usd_rate: Dollars per hour, over the last hour.
        usd: Dollars since the monitor sees.
        tokens: Tokens, in and out, since the monitor sees.
        health: The worst status of any component.
        broker: The server, without streams and topics; null before it was asked.
        counts: What was taken in.
        charts: Rates of submits, ends and failures, how long attempts took, waiting tasks,
            dollars.
    """

    at: Instant
    since: Instant
    rates: dict[str, float]
    states: dict[str, int]
    latency: Windows
    queued: Windows
    error_ratio: dict[str, float | None]
    waiting: Count | None
    oldest_s: float | None
    letters: Count
    agents: dict[str, int]
    questions: Count
    usd_rate: float
    usd: float
    tokens: Count
    health: Status
    broker: BrokerFigures | None
    counts: FleetCounts
    charts: list[Series]
