"""What comes back to the inboxes of requests, and with it every message there is."""

from typing import Any, Final

from pepperpy_schemas.alerts import AlertTestReply, RulesReply, Silence, SilencesReply
from pepperpy_schemas.catalog.contents import CATALOG
from pepperpy_schemas.catalog.language import (
    LANGUAGE_ANALYSE,
    LANGUAGE_DETECT,
    LANGUAGE_LEMMATISE,
    LANGUAGE_STEM,
    LANGUAGE_TOKENISE,
)
from pepperpy_schemas.catalog.memory import (
    MEMORY_DELETE,
    MEMORY_EXPORT,
    MEMORY_GET,
    MEMORY_HISTORY,
    MEMORY_IMPORT,
    MEMORY_INGEST,
    MEMORY_LINK,
    MEMORY_PUT,
    MEMORY_REINDEX,
    MEMORY_SEARCH,
    MEMORY_SIMILAR,
    MEMORY_STATS,
    MEMORY_UPDATE,
)
from pepperpy_schemas.catalog.monitor import (
    MONITOR_AGENTS,
    MONITOR_ALERT_TEST,
    MONITOR_ALERTS,
    MONITOR_ERRORS,
    MONITOR_MODELS,
    MONITOR_OVERVIEW,
    MONITOR_RULES,
    MONITOR_SILENCE,
    MONITOR_SILENCES,
    MONITOR_SNAPSHOT,
    MONITOR_SNAPSHOTS,
    MONITOR_STATUS,
    MONITOR_TASK,
    MONITOR_TASKS,
    MONITOR_TOPICS,
    MONITOR_TOPOLOGY,
    MONITOR_UNSILENCE,
)
from pepperpy_schemas.catalog.provider import (
    PROVIDER_CHAT,
    PROVIDER_COUNT,
    PROVIDER_EMBED,
    PROVIDER_MODELS,
    PROVIDER_STATUS,
    PROVIDER_STREAM,
)
from pepperpy_schemas.catalog.services import SERVICE
from pepperpy_schemas.catalog.tools import TOOL_CALL
from pepperpy_schemas.chat import ChatItem, ChatReply
from pepperpy_schemas.language import Analysis, DetectReply, WordsReply
from pepperpy_schemas.memory import Entry, SearchReply
from pepperpy_schemas.memory_ingest import IngestProgress
from pepperpy_schemas.memory_requests import (
    DeleteReply,
    Entries,
    History,
    ImportReply,
    ReindexProgress,
    Stats,
)
from pepperpy_schemas.messages import ServiceReply
from pepperpy_schemas.monitor import Overview, SnapshotRow, TaskPage, TaskRow, Topology
from pepperpy_schemas.monitor_requests import (
    ActiveAlerts,
    Agents,
    Errors,
    Models,
    MonitorStatus,
    SnapshotList,
    Topics,
)
from pepperpy_schemas.provider import CountReply, EmbedReply, ModelList, ProviderStatus
from pepperpy_schemas.subjects import Subject
from pepperpy_schemas.tools import ToolReply

SERVICE_REPLY: Final = Subject(
    "ServiceReply",
    "{inbox}",
    ServiceReply,
    "The error reply of a service; a good reply is the service's own type.",
    examples=('{"ok":false,"error":{"code":"overloaded","category":"bus","retryable":true}}',),
)
CHAT_ITEM: Final[Subject[ChatItem]] = Subject(
    "ChatItem",
    "{inbox}",
    ChatItem,  # type: ignore[arg-type]  # a union is no type[T], but msgspec takes it
    "A piece of a model's answer: ack, delta, keepalive, reset, end.",
    examples=('{"type":"delta","n":2,"text":"Hel"}',),
)
ENTRY: Final = Subject("MemoryEntry", "{inbox}", Entry, "An entry as it is remembered.")
ENTRIES: Final = Subject("MemoryEntries", "{inbox}", Entries, "Entries as they are remembered.")
HITS: Final = Subject("MemoryHits", "{inbox}", SearchReply, "What was found, the best first.")
SILENCED: Final = Subject("MonitorSilenced", "{inbox}", Silence, "A silence.")
REPLIES: Final[dict[Subject[Any], Subject[Any]]] = {
    SERVICE: SERVICE_REPLY,
    PROVIDER_CHAT: Subject("ChatReply", "{inbox}", ChatReply, "A model's whole answer."),
    PROVIDER_STREAM: CHAT_ITEM,
    PROVIDER_EMBED: Subject("EmbedReply", "{inbox}", EmbedReply, "A vector a text."),
    PROVIDER_COUNT: Subject("CountReply", "{inbox}", CountReply, "How many tokens."),
    PROVIDER_MODELS: Subject("ModelList", "{inbox}", ModelList, "Models to ask for."),
    PROVIDER_STATUS: Subject(
        "ProviderStatus", "{inbox}", ProviderStatus, "How a replica of the service is."
    ),
    LANGUAGE_DETECT: Subject("DetectReply", "{inbox}", DetectReply, "A language a text."),
    LANGUAGE_TOKENISE: Subject(
        "TokeniseReply", "{inbox}", Analysis, "The words of a text, as they are."
    ),
    LANGUAGE_STEM: Subject("StemReply", "{inbox}", WordsReply, "A stem a word."),
    LANGUAGE_LEMMATISE: Subject("LemmatiseReply", "{inbox}", WordsReply, "A lemma a word."),
    LANGUAGE_ANALYSE: Subject("Analysis", "{inbox}", Analysis, "The words of a text."),
    MEMORY_PUT: ENTRIES,
    MEMORY_GET: ENTRIES,
    MEMORY_UPDATE: ENTRY,
    MEMORY_DELETE: Subject(
        "MemoryDeleted", "{inbox}", DeleteReply, "How many entries were forgotten."
    ),
    MEMORY_SEARCH: HITS,
    MEMORY_SIMILAR: HITS,
    MEMORY_LINK: ENTRY,
    MEMORY_HISTORY: Subject(
        "MemoryVersions", "{inbox}", History, "An entry and its earlier versions."
    ),
    MEMORY_STATS: Subject("MemoryFigures", "{inbox}", Stats, "How full the memory is."),
    MEMORY_EXPORT: ENTRY,
    MEMORY_INGEST: Subject(
        "MemoryIngested", "{inbox}", IngestProgress, "How far a file is taken in."
    ),
    MEMORY_REINDEX: Subject(
        "MemoryReindexed", "{inbox}", ReindexProgress, "How far a re-index is."
    ),
    MEMORY_IMPORT: Subject(
        "MemoryImported", "{inbox}", ImportReply, "How many entries were taken over."
    ),
    MONITOR_STATUS: Subject(
        "MonitorStatus", "{inbox}", MonitorStatus, "How a replica of the monitor is."
    ),
    MONITOR_OVERVIEW: Subject("MonitorOverview", "{inbox}", Overview, "The fleet at a glance."),
    MONITOR_TASKS: Subject("MonitorTasks", "{inbox}", TaskPage, "A page of tasks."),
    MONITOR_TASK: Subject("MonitorTask", "{inbox}", TaskRow, "A task as lists show it."),
    MONITOR_AGENTS: Subject("MonitorAgents", "{inbox}", Agents, "The instances of all agents."),
    MONITOR_TOPICS: Subject("MonitorTopics", "{inbox}", Topics, "The topics, and the streams."),
    MONITOR_ERRORS: Subject("MonitorErrors", "{inbox}", Errors, "Errors in groups."),
    MONITOR_TOPOLOGY: Subject(
        "MonitorTopology", "{inbox}", Topology, "Who talks to whom, and who waits."
    ),
    MONITOR_MODELS: Subject("MonitorModels", "{inbox}", Models, "What models did and cost."),
    MONITOR_ALERTS: Subject("MonitorAlerts", "{inbox}", ActiveAlerts, "The alerts there are."),
    MONITOR_RULES: Subject("MonitorRules", "{inbox}", RulesReply, "The rules in force."),
    MONITOR_SILENCES: Subject("MonitorSilences", "{inbox}", SilencesReply, "The silences."),
    MONITOR_SILENCE: SILENCED,
    MONITOR_UNSILENCE: SILENCED,
    MONITOR_ALERT_TEST: Subject(
        "MonitorAlertTested", "{inbox}", AlertTestReply, "What became of a test's notifications."
    ),
    MONITOR_SNAPSHOTS: Subject(
        "MonitorSnapshots", "{inbox}", SnapshotList, "The snapshots that are kept."
    ),
    MONITOR_SNAPSHOT: Subject(
        "MonitorSnapshotTaken", "{inbox}", SnapshotRow, "A snapshot as lists show it."
    ),
    TOOL_CALL: Subject(
        "ToolReply",
        "{inbox}",
        ToolReply,
        "What a tool returned.",
        examples=('{"result":"sunny, 24 °C"}',),
    ),
}
"""What comes back to the inbox of a request, so that no subject of the catalog carries it."""

MESSAGES: Final[tuple[Subject[Any], ...]] = (
    *CATALOG,
    *dict.fromkeys(REPLIES.values()),
)
"""Every message with a schema of its own, in the order of the exported index."""
