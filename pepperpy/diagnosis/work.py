"""Checks of the work on the bus: somebody for every waiting task, and what failed for good."""

from collections import Counter
from collections.abc import Mapping

from pepperpy.diagnosis.finding import Finding, as_operator
from pepperpy_bus.config import Settings
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.registry import Registry
from pepperpy_bus.streams.consumers import task_consumer
from pepperpy_bus.streams.figures import StreamFigures, stream_figures, subjects_of
from pepperpy_schemas.catalog.tasks import TASK
from pepperpy_schemas.messages import AgentInstance
from pepperpy_schemas.subjects import stream_name
from pepperpy_schemas.tokens import topic_of


async def check_workers(connection: Connection, settings: Settings) -> Finding:
    """Says who is up, and names every topic with waiting tasks that nobody takes."""
    prefix = settings.bus.prefix
    up = await Registry(connection, prefix).instances()
    tasks = await stream_figures(connection, stream_name(prefix, "TASKS"))
    waiting = {} if tasks is None else await _waiting(connection, prefix, tasks)
    served = {topic for one in up if one.state == "RUNNING" for topic in one.topics}
    # Workers in other languages pull without an entry in the registry.
    served |= _pulled(prefix, tasks)
    left = {topic: count for topic, count in waiting.items() if topic not in served}
    running = sum(one.ack_pending for one in (tasks.consumers if tasks else None) or ())
    message = f"{_people(up)}; {_backlog(waiting, running)}"
    if not left:
        return Finding("workers", "ok", message)
    names = ", ".join(f"{topic} ({count} waiting)" for topic, count in left.items())
    paused = sorted({one.agent for one in up if left.keys() & set(one.topics)})
    fix = "pepperpy worker MODULE:AGENT"
    if paused:
        fix = as_operator(settings, f"agents resume {paused[0]}")
    return Finding("workers", "warn", f"{message}; no worker for {names}", fix)


async def check_dead_letters(connection: Connection, settings: Settings) -> Finding:
    """Says how many tasks failed for good."""
    letters = await stream_figures(connection, stream_name(settings.bus.prefix, "DLQ"))
    count = letters.messages if letters else 0
    if not count:
        return Finding("dead letters", "ok", "none")
    return Finding("dead letters", "warn", f"{count}", as_operator(settings, "dlq ls"))


async def _waiting(connection: Connection, prefix: str, tasks: StreamFigures) -> dict[str, int]:
    """Tasks that nobody has taken by topic, those of the high lane included."""
    waiting: Counter[str] = Counter()
    running: Counter[str] = Counter()
    for one in tasks.consumers or ():
        if topic := _topic(prefix, one.name):
            waiting[topic] += one.pending
            running[topic] += one.ack_pending
    if waiting.total() + running.total() < tasks.messages:
        # Tasks of topics that never had a worker belong to no consumer.
        subjects = await subjects_of(connection, tasks.name)
        for topic, count in _by_topic(prefix, subjects).items():
            waiting[topic] = max(count - running[topic], waiting[topic])
    return dict(sorted((+waiting).items()))


def _by_topic(prefix: str, subjects: Mapping[str, int]) -> dict[str, int]:
    root = TASK.pattern(prefix).split("*")[0]
    counts: dict[str, int] = {}
    for subject, count in subjects.items():
        if subject.startswith(root):
            topic = topic_of(subject[len(root) :].split(".")[0])
            counts[topic] = counts.get(topic, 0) + count
    return counts


def _pulled(prefix: str, tasks: StreamFigures | None) -> set[str]:
    consumers = (tasks.consumers if tasks else None) or ()
    return {_topic(prefix, one.name) for one in consumers if one.pulls or one.ack_pending}


def _topic(prefix: str, consumer: str) -> str:
    mark = str(task_consumer(prefix, "")["name"])
    if not consumer.startswith(mark):
        return ""
    return topic_of(consumer[len(mark) :])


def _people(up: list[AgentInstance]) -> str:
    if not up:
        return "no agent is up"
    agents = sorted({one.agent for one in up})
    return f"{len(up)} instance{'s' * (len(up) > 1)} of {', '.join(agents)}"


def _backlog(waiting: Mapping[str, int], running: int) -> str:
    match sum(waiting.values()):
        case 0:
            told = "no task waits"
        case 1:
            told = "1 task waits"
        case count:
            told = f"{count} tasks wait"
    return f"{told}, {running} in progress" if running else told
