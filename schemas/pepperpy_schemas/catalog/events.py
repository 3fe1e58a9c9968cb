"""What happened, what was counted, and who did what."""

from typing import Final

from pepperpy_schemas.messages import AuditRecord, Counter, Event
from pepperpy_schemas.subjects import Subject

ENTITIES: Final = ("task", "agent", "llm", "memory", "tool", "alert", "shard", "graph")
"""What the events of the deployment itself are about; agents raise others by names of their own."""
EVENT: Final = Subject(
    "Event",
    "{p}.event.{entity}.{verb}.{scope}.{id}",
    Event,
    "Something happened to a task, agent, model call, memory, tool, alert, shard or graph.",
    "EVENTS",
    ('{"id":"e1","ts":"2026-01-01T00:00:00Z","correlation":"PP_TASKS-7","attempt":1}',),
)
EVENT_HIGH: Final = Subject(
    "EventHigh",
    "{p}.event-hi.{entity}.{verb}.{scope}.{id}",
    Event,
    "The same on the high-priority lane, which listeners read first.",
    "EVENTS",
)
AUDIT: Final = Subject(
    "Audit",
    "{p}.audit.{principal}.{action}",
    AuditRecord,
    "Somebody did something that changes what others see.",
    "AUDIT",
)
COUNT: Final = Subject(
    "Counter", "{p}.count.{metric}.{label}", Counter, "An exact sum over all workers.", "COUNT"
)
