"""Every subject of the wire, each one value with its message and codec.

``{p}`` is the deployment's prefix (``pp`` by default). No other module spells a subject.
"""

from typing import Any, Final

import msgspec

from pepperpy_schemas.chat import ChatReply, ChatRequest
from pepperpy_schemas.composites import CompositeState
from pepperpy_schemas.graphs import GraphSpec
from pepperpy_schemas.language import (
    AnalyseRequest,
    DetectRequest,
    TokeniseRequest,
    WordsRequest,
)
from pepperpy_schemas.memory import SearchRequest
from pepperpy_schemas.memory_requests import (
    DeleteRequest,
    ExportRequest,
    GetRequest,
    HistoryRequest,
    ImportRequest,
    LinkRequest,
    PutRequest,
    ReindexRequest,
    StatsRequest,
    UpdateRequest,
)
from pepperpy_schemas.messages import (
    AgentCommand,
    AgentInstance,
    Answer,
    AuditRecord,
    CancelRequest,
    Counter,
    DeadLetter,
    Event,
    JournalEntry,
    MaxDeliveries,
    Result,
    Resume,
    Token,
    TopicSchema,
    WaitEntry,
)
from pepperpy_schemas.provider import Breaker, EmbedRequest, RateState, TenantRequest
from pepperpy_schemas.sharding import KeyHold, ShardTable
from pepperpy_schemas.shared import Ledger, Resource
from pepperpy_schemas.subjects import Subject

TASK: Final = Subject(
    "Task",
    "{p}.task.{topic}.{id}",
    msgspec.Raw,
    "A task with an id of its sender's.",
    "TASKS",
    ('{"text":"where is my parcel?","customer":"c42"}',),
)
TASK_BARE: Final = Subject(
    "TaskBare",
    "{p}.task.{topic}",
    msgspec.Raw,
    "A task whose id is <stream>-<sequence>, read from the publish acknowledgement.",
    "TASKS",
    ('{"text":"where is my parcel?","customer":"c42"}',),
)
GRAPH: Final = Subject(
    "GraphSpec",
    "{p}.task.orchestrate.{id}",
    GraphSpec,
    "A graph of tasks, which the stock agent runs.",
    "TASKS",
    (
        '{"name":"launch","nodes":{"research":{"topic":"research","input":{"about":"otters"}},'
        '"write":{"topic":"write","input":{"notes":"${research.result}"}}}}',
    ),
)
RESUME: Final = Subject(
    "Resume", "{p}.resume.{topic}.{id}", Resume, "A suspended task goes on.", "RESUME"
)
ANSWER: Final = Subject(
    "Answer",
    "{p}.answer.{topic}.{id}.{question}",
    Answer,
    "The answer to question number n of a task, from 1; published alone it resumes the task.",
    "ANSWERS",
    ('{"answer":"yes","by":"ana"}',),
)
SCHEDULE: Final = Subject(
    "Schedule",
    "{p}.sched.{id}",
    msgspec.Raw,
    "A task or resume that the server publishes later; its Nats-Schedule headers say when.",
    "SCHED",
)
DUE_TASK: Final = Subject(
    "DueTask", "{p}.due.task.{topic}.{id}", msgspec.Raw, "A scheduled task fires.", "SCHED"
)
DUE_TASK_BARE: Final = Subject(
    "DueTaskBare", "{p}.due.task.{topic}", msgspec.Raw, "A recurring task fires.", "SCHED"
)
DUE_RESUME: Final = Subject(
    "DueResume", "{p}.due.resume.{topic}.{id}", Resume, "A deadline or back-off is over.", "SCHED"
)
KEYED_TASK: Final = Subject(
    "KeyedTask",
    "{p}.key.{topic}.{key}.{id}",
    msgspec.Raw,
    "A task that runs after the earlier ones of its key.",
    "KEYED",
)
STEP: Final[Subject[JournalEntry]] = Subject(
    "JournalEntry",
    "{p}.step.{id}",
    JournalEntry,  # type: ignore[arg-type]  # a union is no type[T], but msgspec takes it
    "A line of the task's journal.",
    "STEPS",
)
RESULT: Final = Subject(
    "Result",
    "{p}.result.{id}",
    Result,
    "How the task ended; exactly one.",
    "RESULTS",
    (
        '{"ok":true,"data":{"text":"It arrives tomorrow."}}',
        '{"ok":false,"error":{"code":"timeout","message":"triage ran longer than 5m"}}',
    ),
)
TOKEN: Final = Subject(
    "Token", "{p}.tok.{id}", Token, "A piece of the task's live output.", "TOKENS"
)
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
SERVICE: Final = Subject(
    "ServiceRequest",
    "{p}.svc.{service}.{op}.{principal}",
    msgspec.Raw,
    "A request to a service; the last token is the caller, true by permission.",
)
_CHAT = '{"messages":[{"role":"user","content":"Say hello."}],"max_tokens":20}'
PROVIDER_CHAT: Final = Subject(
    "ChatRequest",
    "{p}.svc.provider.chat.{principal}",
    ChatRequest,
    "A model is asked; the whole answer comes back.",
    examples=(_CHAT,),
)
PROVIDER_STREAM: Final = Subject(
    "ChatStream",
    "{p}.svc.provider.stream.{principal}",
    ChatRequest,
    "A model is asked; the answer comes back in pieces.",
    examples=(_CHAT,),
)
PROVIDER_EMBED: Final = Subject(
    "EmbedRequest",
    "{p}.svc.provider.embed.{principal}",
    EmbedRequest,
    "Texts shall become vectors.",
    examples=('{"texts":["where is my parcel?"]}',),
)
PROVIDER_COUNT: Final = Subject(
    "CountRequest",
    "{p}.svc.provider.count.{principal}",
    ChatRequest,
    "A request is counted: how many tokens it would have.",
    examples=(_CHAT,),
)
PROVIDER_MODELS: Final = Subject(
    "ModelsRequest",
    "{p}.svc.provider.models.{principal}",
    TenantRequest,
    "The models that the caller may ask for are listed.",
)
PROVIDER_STATUS: Final = Subject(
    "StatusRequest",
    "{p}.svc.provider.status.{principal}",
    TenantRequest,
    "Targets, breakers, limits and what was spent are shown.",
)
LANGUAGE_DETECT: Final = Subject(
    "DetectRequest",
    "{p}.svc.language.detect.{principal}",
    DetectRequest,
    "Which languages texts are in, is asked.",
    examples=('{"texts":["Wo ist mein Paket geblieben?"]}',),
)
LANGUAGE_TOKENISE: Final = Subject(
    "TokeniseRequest",
    "{p}.svc.language.tokenise.{principal}",
    TokeniseRequest,
    "The words of a text are asked for.",
    examples=('{"text":"猫は公園で走る。"}',),
)
LANGUAGE_STEM: Final = Subject(
    "StemRequest",
    "{p}.svc.language.stem.{principal}",
    WordsRequest,
    "The stems of words are asked for.",
    examples=('{"words":["libraries","running"],"lang":"en"}',),
)
LANGUAGE_LEMMATISE: Final = Subject(
    "LemmatiseRequest",
    "{p}.svc.language.lemmatise.{principal}",
    WordsRequest,
    "What words look like in a dictionary, is asked.",
    examples=('{"words":["Häuser","lief"],"lang":"de"}',),
)
LANGUAGE_ANALYSE: Final = Subject(
    "AnalyseRequest",
    "{p}.svc.language.analyse.{principal}",
    AnalyseRequest,
    "What of a text is compared with others, is asked.",
    examples=('{"text":"Where are the old libraries?"}',),
)
MEMORY_PUT: Final = Subject(
    "MemoryPut",
    "{p}.svc.memory.put.{principal}",
    PutRequest,
    "Entries shall be remembered.",
    examples=('{"entries":[{"text":"The parcel is at the neighbour\'s."}]}',),
)
MEMORY_GET: Final = Subject(
    "MemoryGet",
    "{p}.svc.memory.get.{principal}",
    GetRequest,
    "Entries are asked for by their ids.",
    examples=('{"ids":["e1"]}',),
)
MEMORY_UPDATE: Final = Subject(
    "MemoryUpdate",
    "{p}.svc.memory.update.{principal}",
    UpdateRequest,
    "An entry shall be changed.",
    examples=('{"id":"e1","importance":0.9,"expected":1}',),
)
MEMORY_DELETE: Final = Subject(
    "MemoryDelete",
    "{p}.svc.memory.delete.{principal}",
    DeleteRequest,
    "Entries shall be forgotten.",
    examples=('{"ids":["e1"]}',),
)
MEMORY_SEARCH: Final = Subject(
    "MemorySearch",
    "{p}.svc.memory.search.{principal}",
    SearchRequest,
    "Entries that answer a question are wanted.",
    examples=('{"text":"where is my parcel?","limit":5}',),
)
MEMORY_SIMILAR: Final = Subject(
    "MemorySimilar",
    "{p}.svc.memory.similar.{principal}",
    SearchRequest,
    "Entries that are like another one are wanted.",
    examples=('{"like":"e1"}',),
)
MEMORY_LINK: Final = Subject(
    "MemoryLink",
    "{p}.svc.memory.link.{principal}",
    LinkRequest,
    "An entry shall link to another one, or no longer.",
    examples=('{"id":"e1","to":"e2"}',),
)
MEMORY_HISTORY: Final = Subject(
    "MemoryHistory",
    "{p}.svc.memory.history.{principal}",
    HistoryRequest,
    "The earlier versions of an entry are asked for.",
    examples=('{"id":"e1"}',),
)
MEMORY_STATS: Final = Subject(
    "MemoryStats",
    "{p}.svc.memory.stats.{principal}",
    StatsRequest,
    "How full the memory is, is shown.",
)
MEMORY_EXPORT: Final = Subject(
    "MemoryExport",
    "{p}.svc.memory.export.{principal}",
    ExportRequest,
    "Entries are handed out, one after the other.",
)
MEMORY_REINDEX: Final = Subject(
    "MemoryReindex",
    "{p}.svc.memory.reindex.{principal}",
    ReindexRequest,
    "All vectors shall be made anew by another embedder.",
    examples=('{"embedder":"e5"}',),
)
MEMORY_IMPORT: Final = Subject(
    "MemoryImport",
    "{p}.svc.memory.import.{principal}",
    ImportRequest,
    "Entries of an export shall be remembered as they were.",
    examples=(
        '{"entries":[{"id":"e1","namespace":"main","text":"The parcel is at the neighbour\'s.",'
        '"at":"2026-01-01T00:00:00Z","created":"2026-01-01T00:00:00Z",'
        '"updated":"2026-01-01T00:00:00Z"}]}',
    ),
)
CANCEL: Final = Subject(
    "Cancel",
    "{p}.ctl.cancel.{id}",
    CancelRequest,
    "A task shall end: whoever runs it stops it, and any worker writes its result.",
    "CANCELS",
)
STOP: Final = Subject(
    "Stop",
    "{p}.ctl.stop.{id}",
    CancelRequest,
    "Nobody waits for the answer to a service request any more: whoever works on it stops.",
)
AGENT_CONTROL: Final = Subject(
    "AgentControl",
    "{p}.ctl.agent.{agent}.{command}",
    AgentCommand,
    "The instances of an agent drain, pause or resume.",
)
DEAD_LETTER: Final = Subject(
    "DeadLetter", "{p}.dlq.{topic}", DeadLetter, "A task failed for good.", "DLQ"
)
AUDIT: Final = Subject(
    "Audit",
    "{p}.audit.{principal}.{action}",
    AuditRecord,
    "Somebody did something that changes what others see.",
    "AUDIT",
)
ADVISORY: Final = Subject(
    "MaxDeliveries",
    "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.{stream}.{consumer}",
    MaxDeliveries,
    "The server gives a message up: its workers may be in a crash loop.",
    "ADV",
)
COUNT: Final = Subject(
    "Counter", "{p}.count.{metric}.{label}", Counter, "An exact sum over all workers.", "COUNT"
)
REGISTRY: Final = Subject(
    "AgentInstance",
    "$KV.{p}_registry.{agent}.{instance}",
    AgentInstance,
    "An instance's heartbeat; it disappears 15 s after the last.",
)
TOPIC_SCHEMA: Final = Subject(
    "TopicSchema",
    "$KV.{p}_schemas.{topic}.{version}",
    TopicSchema,
    "What a topic takes and gives; it stays when no worker is up.",
)
AGENT_STATE: Final = Subject(
    "AgentState",
    "$KV.{p}_state.agent.{agent}.{name}",
    msgspec.Raw,
    "A value that all instances of an agent share.",
    examples=('{"seen":17}',),
)
FAMILY_STATE: Final = Subject(
    "FamilyState",
    "$KV.{p}_state.family.{root}.{name}",
    msgspec.Raw,
    "A value that a task and its descendants share; it disappears 30 days after the last change.",
    examples=('{"seen":17}',),
)
KEY_STATE: Final = Subject(
    "KeyState",
    "$KV.{p}_state.key.{agent}.{key}.{name}",
    msgspec.Raw,
    "A value that an agent keeps for one key.",
    examples=('{"seen":17}',),
)
LEASES: Final = Subject(
    "Resource",
    "$KV.{p}_state.lease.{space}.{name}",
    Resource,
    "Who holds how much of a resource, until when, and who waits for it.",
)
LEDGER: Final = Subject(
    "Ledger",
    "$KV.{p}_state.budget.{id}",
    Ledger,
    "What a task and its descendants may spend and have; it disappears 30 days after the last "
    "change.",
)
COMPOSITE: Final = Subject(
    "CompositeState",
    "$KV.{p}_state.composite.{scope}.{entity}.{verb}",
    CompositeState,
    "How far the events of a composite one have been read, and what waits for the rest of it.",
)

QUESTION: Final = Subject(
    "Question",
    "$KV.{p}_questions.{topic}.{id}",
    WaitEntry,
    "What a task asks people now; it disappears when the question is closed.",
)
SHARDED_TASK: Final = Subject(
    "ShardedTask",
    "{p}.sh.{topic}.{shard}.{key}.{id}",
    msgspec.Raw,
    "Where the server keeps a keyed task; workers set those aside there that wait for their key.",
    "KEYED",
)
SHARD_CONTROL: Final = Subject(
    "ShardControl",
    "{p}.ctl.shards.{topic}",
    msgspec.Raw,
    "The shards of a topic have other owners: look.",
)
SHARD_TABLE: Final = Subject(
    "ShardTable",
    "$KV.{p}_state.shards.{topic}",
    ShardTable,
    "Which worker pulls from which shard of a topic's keyed tasks.",
)
KEY_HOLD: Final = Subject(
    "KeyHold",
    "$KV.{p}_state.hold.{topic}.{shard}.{key}",
    KeyHold,
    "Which task a key waits for.",
)

BREAKER: Final = Subject(
    "Breaker",
    "$KV.{p}_provider.breaker.{target}.{key}",
    Breaker,
    "A model of a provider fails with a key: replicas let no request through for a while.",
)
RATE: Final = Subject(
    "RateState",
    "$KV.{p}_provider.rate.{key}",
    RateState,
    "How much of a key's requests and tokens per minute is used, by all replicas together.",
)
TENANT_LEDGER: Final = Subject(
    "TenantLedger",
    "$KV.{p}_provider.spent.{id}",
    Ledger,
    "What a tenant may spend in a period, and has.",
)
CACHED: Final = Subject(
    "CachedAnswer",
    "$KV.{p}_provider.cached.{tenant}.{digest}",
    ChatReply,
    "A stored answer of a tenant's request; it disappears after its time.",
)

BLOB_CHUNK: Final = "$O.{bucket}.C.{nuid}"
"""A piece of an object in an object store bucket (NATS ADR-20)."""
BLOB_META: Final = "$O.{bucket}.M.{name}"
"""What is known of an object; its name in base64url."""
SOURCED: Final = "_SOURCE.{stream}"
"""Where the server hands messages of a stream to the one that takes from it; no user's business."""
MICRO: Final = "$SRV"
"""First token of what discovers services: ``$SRV.PING|INFO|STATS[.<name>[.<id>]]`` (ADR-32)."""

CATALOG: Final[tuple[Subject[Any], ...]] = (
    TASK,
    TASK_BARE,
    GRAPH,
    KEYED_TASK,
    RESUME,
    ANSWER,
    SCHEDULE,
    DUE_TASK,
    DUE_TASK_BARE,
    DUE_RESUME,
    STEP,
    RESULT,
    TOKEN,
    EVENT,
    EVENT_HIGH,
    SERVICE,
    PROVIDER_CHAT,
    PROVIDER_STREAM,
    PROVIDER_EMBED,
    PROVIDER_COUNT,
    PROVIDER_MODELS,
    PROVIDER_STATUS,
    LANGUAGE_DETECT,
    LANGUAGE_TOKENISE,
    LANGUAGE_STEM,
    LANGUAGE_LEMMATISE,
    LANGUAGE_ANALYSE,
    MEMORY_PUT,
    MEMORY_GET,
    MEMORY_UPDATE,
    MEMORY_DELETE,
    MEMORY_SEARCH,
    MEMORY_SIMILAR,
    MEMORY_LINK,
    MEMORY_HISTORY,
    MEMORY_STATS,
    MEMORY_EXPORT,
    MEMORY_REINDEX,
    MEMORY_IMPORT,
    CANCEL,
    STOP,
    AGENT_CONTROL,
    DEAD_LETTER,
    AUDIT,
    ADVISORY,
    COUNT,
    REGISTRY,
    TOPIC_SCHEMA,
    AGENT_STATE,
    FAMILY_STATE,
    KEY_STATE,
    LEASES,
    LEDGER,
    COMPOSITE,
    QUESTION,
    SHARD_TABLE,
    KEY_HOLD,
    BREAKER,
    RATE,
    TENANT_LEDGER,
    CACHED,
)
"""All of them, in the order of a task's life; the exported documents follow it."""
