"""What is read, as whoever keeps it takes it."""

from collections.abc import Mapping
from typing import Protocol

from pepperpy_schemas.messages import AgentInstance
from pepperpy_schemas.monitor import BrokerFigures, Gap


class Facts(Protocol):
    """Takes what is read; every moment is the server's, in seconds since the epoch.

    Its methods return soon, and raise nothing however bad what they are given is.
    """

    def event(self, subject: str, body: bytes, seq: int, at: float) -> None:
        """Takes an event as it is stored."""

    def result(
        self,
        task_id: str,
        body: bytes,
        seq: int,
        at: float,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Takes the end of a task, with its headers in lower case."""

    def letter(self, topic: str, task_id: str, body: bytes, seq: int, at: float) -> None:
        """Takes a dead letter."""

    def submitted(self, topic: str, task_id: str, at: float, headers: Mapping[str, str]) -> None:
        """Takes a task that waits, with its headers in lower case."""

    def beat(self, instance: AgentInstance, at: float) -> None:
        """Takes a heartbeat."""

    def gone(self, agent: str, instance: str, at: float) -> None:
        """Takes that an instance has left the registry."""

    def broker(self, figures: BrokerFigures, at: float) -> None:
        """Takes how the broker is."""

    def gap(self, gap: Gap) -> None:
        """Takes what was never seen."""
