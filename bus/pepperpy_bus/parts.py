"""What a client is made of, each part made when it is first needed."""

import functools
from typing import TYPE_CHECKING

from pepperpy_bus.config import Settings
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.registry import Registry
from pepperpy_bus.streams.clock import ServerClock
from pepperpy_bus.tasks.answers import Questions
from pepperpy_bus.tasks.cancels import Cancels
from pepperpy_bus.tasks.deadletters import DeadLetters
from pepperpy_bus.tasks.results import Results
from pepperpy_bus.tasks.schedules import Schedules
from pepperpy_bus.tasks.topic_schemas import TopicSchemas
from pepperpy_bus.trust.principals import principal_of

if TYPE_CHECKING:
    from pepperpy_bus.audit import Audit
    from pepperpy_bus.language import Language
    from pepperpy_bus.llm import LLM
    from pepperpy_bus.memory import Memory
    from pepperpy_bus.monitor import Monitor
    from pepperpy_bus.state.budget import Budgets
    from pepperpy_bus.state.cells import Cells
    from pepperpy_bus.state.resources import Resources
    from pepperpy_bus.state.values import AgentState
    from pepperpy_bus.tasks.explaining import Stories
    from pepperpy_bus.versions.splits import Splits


class Parts:
    """One connection and what stands on it.

    Attributes:
        connection: The connection below.
        settings: The settings in force.
        prefix: The deployment's prefix.
        source: Who this client says it is, sent with every task; empty for nobody.
        results: The tasks' ends.
    """

    def __init__(self, connection: Connection, settings: Settings, *, source: str = "") -> None:
        self.connection = connection
        self.settings = settings
        self.prefix = settings.bus.prefix
        self.source = source
        self.results = Results(
            connection,
            self.prefix,
            threshold=settings.bus.blob_threshold,
            keep=settings.bus.result_ttl,
        )

    @functools.cached_property
    def registry(self) -> Registry:
        """The live agents."""
        return Registry(self.connection, self.prefix)

    @functools.cached_property
    def splits(self) -> "Splits":
        """The topics that versions share by weight: ``bus.splits.put("triage", {"1.1.0": 1})``."""
        from pepperpy_bus.versions.splits import Splits

        return Splits(self.connection, self.prefix)

    @functools.cached_property
    def dead_letters(self) -> DeadLetters:
        """The tasks that failed for good."""
        return DeadLetters(self.connection, self.prefix, source=self.source)

    @functools.cached_property
    def schemas(self) -> TopicSchemas:
        """What each topic takes and gives."""
        return TopicSchemas(self.connection, self.prefix)

    @functools.cached_property
    def schedules(self) -> Schedules:
        """The tasks that the broker submits later."""
        threshold = self.settings.bus.blob_threshold
        return Schedules(self.connection, self.prefix, threshold=threshold, source=self.source)

    @functools.cached_property
    def resources(self) -> "Resources":
        """The resources with a capacity: define them, hold shares of them, see who does."""
        from pepperpy_bus.state.resources import Resources

        return Resources(self._cells, self._clock, holder=self.source)

    @functools.cached_property
    def budgets(self) -> "Budgets":
        """What was spent of the budgets of tasks."""
        from pepperpy_bus.state.budget import Budgets

        return Budgets(self._cells, self._clock)

    @functools.cached_property
    def audit(self) -> "Audit":
        """The audit log: say there what the broker does not keep, before it is done."""
        from pepperpy_bus.audit import Audit

        return Audit(self.connection, self.prefix, source=self.source)

    def agent_state(self, agent: str) -> "AgentState":
        """Returns the values that an agent keeps.

        Raises:
            BadName: The agent's name is not valid.
        """
        from pepperpy_bus.state.values import AgentState

        return AgentState(self._cells, agent)

    @functools.cached_property
    def llm(self) -> "LLM":
        """The language models of the deployment: ``await bus.llm.chat("Say hello.")``."""
        from pepperpy_bus.llm import LLM

        return LLM(
            self.connection,
            self.prefix,
            principal_of(self.connection.options.inbox_prefix),
            threshold=self.settings.bus.blob_threshold,
        )

    @functools.cached_property
    def language(self) -> "Language":
        """Languages of texts and their words: ``await bus.language.detect("Wo ist es nur?")``."""
        from pepperpy_bus.language import Language

        return Language(
            self.connection,
            self.prefix,
            principal_of(self.connection.options.inbox_prefix),
            threshold=self.settings.bus.blob_threshold,
        )

    @functools.cached_property
    def memory(self) -> "Memory":
        """What is remembered in the deployment: ``await bus.memory.search("the parcel")``."""
        from pepperpy_bus.memory import Memory

        return Memory(
            self.connection,
            self.prefix,
            principal_of(self.connection.options.inbox_prefix),
            threshold=self.settings.bus.blob_threshold,
        )

    @functools.cached_property
    def monitor(self) -> "Monitor":
        """What the monitor sees: ``await bus.monitor.tasks(state=["failed"])``."""
        from pepperpy_bus.monitor import Monitor

        return Monitor(
            self.connection, self.prefix, principal_of(self.connection.options.inbox_prefix)
        )

    @functools.cached_property
    def _cells(self) -> "Cells":
        from pepperpy_bus.state.cells import Cells

        return Cells(self.connection, self.prefix)

    @functools.cached_property
    def _cancels(self) -> Cancels:
        return Cancels(self.connection, self.prefix, self.results)

    @functools.cached_property
    def _questions(self) -> Questions:
        return Questions(self.connection, self.prefix, self.results)

    @functools.cached_property
    def _clock(self) -> ServerClock:
        return ServerClock(self.connection, self.prefix)

    @functools.cached_property
    def _stories(self) -> "Stories":
        from pepperpy_bus.tasks.explaining import Stories

        return Stories(self.connection, self.prefix, self.results, self.dead_letters, self.budgets)
