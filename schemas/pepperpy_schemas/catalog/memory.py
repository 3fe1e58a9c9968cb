"""Requests to the memory service, and tasks of its long work."""

from typing import Final

from pepperpy_schemas.memory import SearchRequest
from pepperpy_schemas.memory_ingest import IngestRequest, IngestTask
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
from pepperpy_schemas.subjects import Subject

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
MEMORY_INGEST: Final = Subject(
    "MemoryIngest",
    "{p}.svc.memory.ingest.{principal}",
    IngestRequest,
    "A file shall be remembered in passages.",
    examples=('{"file":"docs/ferry.md","folder":"docs","text":"The ferry leaves at nine."}',),
)
INGEST_TASK: Final = Subject(
    "IngestTask",
    "{p}.task.memory-ingest.{id}",
    IngestTask,
    "Files shall be remembered, by the stock agent that does the memory's long work.",
    "TASKS",
    (
        '{"documents":[{"file":"docs/ferry.md","folder":"docs",'
        '"text":"The ferry leaves at nine."}],"prune":["docs"]}',
    ),
)
REINDEX_TASK: Final = Subject(
    "ReindexTask",
    "{p}.task.memory-reindex.{id}",
    ReindexRequest,
    "All vectors shall be made anew, by the same agent.",
    "TASKS",
    ('{"embedder":"e5"}',),
)
