"""JSON Schema 2020-12 of everything that travels, and of the types of handlers.

msgspec's own generator cannot write a `msgspec.Raw` default and keeps field documentation in one
blob, so the tree of `msgspec.inspect` is written here: each field carries its line of the class
docstring's ``Attributes``. Types of pydantic's are left to pydantic.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal, get_args

import msgspec

from pepperpy_schemas import catalog
from pepperpy_schemas._schema_parts import Schema
from pepperpy_schemas._schema_writer import SchemaWriter, inspected, unsupported
from pepperpy_schemas.chat import ChatItem, ChatReply
from pepperpy_schemas.language import Analysis, DetectReply, WordsReply
from pepperpy_schemas.memory import Entry, SearchReply
from pepperpy_schemas.memory_requests import (
    DeleteReply,
    Entries,
    History,
    ImportReply,
    ReindexProgress,
    Stats,
)
from pepperpy_schemas.messages import ServiceReply
from pepperpy_schemas.provider import CountReply, EmbedReply, ModelList, ProviderStatus
from pepperpy_schemas.subjects import Subject

Mode = Literal["input", "output"]
"""``input``: what a reader takes. ``output``: what a writer gives; they differ for pydantic."""

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
INDEX: Final = "index.json"

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
REPLIES: Final[dict[Subject[Any], Subject[Any]]] = {
    catalog.SERVICE: SERVICE_REPLY,
    catalog.PROVIDER_CHAT: Subject("ChatReply", "{inbox}", ChatReply, "A model's whole answer."),
    catalog.PROVIDER_STREAM: CHAT_ITEM,
    catalog.PROVIDER_EMBED: Subject("EmbedReply", "{inbox}", EmbedReply, "A vector a text."),
    catalog.PROVIDER_COUNT: Subject("CountReply", "{inbox}", CountReply, "How many tokens."),
    catalog.PROVIDER_MODELS: Subject("ModelList", "{inbox}", ModelList, "Models to ask for."),
    catalog.PROVIDER_STATUS: Subject(
        "ProviderStatus", "{inbox}", ProviderStatus, "How a replica of the service is."
    ),
    catalog.LANGUAGE_DETECT: Subject("DetectReply", "{inbox}", DetectReply, "A language a text."),
    catalog.LANGUAGE_TOKENISE: Subject(
        "TokeniseReply", "{inbox}", Analysis, "The words of a text, as they are."
    ),
    catalog.LANGUAGE_STEM: Subject("StemReply", "{inbox}", WordsReply, "A stem a word."),
    catalog.LANGUAGE_LEMMATISE: Subject("LemmatiseReply", "{inbox}", WordsReply, "A lemma a word."),
    catalog.LANGUAGE_ANALYSE: Subject("Analysis", "{inbox}", Analysis, "The words of a text."),
    catalog.MEMORY_PUT: ENTRIES,
    catalog.MEMORY_GET: ENTRIES,
    catalog.MEMORY_UPDATE: ENTRY,
    catalog.MEMORY_DELETE: Subject(
        "MemoryDeleted", "{inbox}", DeleteReply, "How many entries were forgotten."
    ),
    catalog.MEMORY_SEARCH: HITS,
    catalog.MEMORY_SIMILAR: HITS,
    catalog.MEMORY_LINK: ENTRY,
    catalog.MEMORY_HISTORY: Subject(
        "MemoryVersions", "{inbox}", History, "An entry and its earlier versions."
    ),
    catalog.MEMORY_STATS: Subject("MemoryFigures", "{inbox}", Stats, "How full the memory is."),
    catalog.MEMORY_EXPORT: ENTRY,
    catalog.MEMORY_REINDEX: Subject(
        "MemoryReindexed", "{inbox}", ReindexProgress, "How far a re-index is."
    ),
    catalog.MEMORY_IMPORT: Subject(
        "MemoryImported", "{inbox}", ImportReply, "How many entries were taken over."
    ),
}
"""What comes back to the inbox of a request, so that no subject of the catalog carries it."""

MESSAGES: Final[tuple[Subject[Any], ...]] = (
    *catalog.CATALOG,
    *dict.fromkeys(REPLIES.values()),
)
"""Every message with a schema of its own, in the order of the exported index."""

_REF: Final = "#/$defs/{name}"


def schema_of(type: object, *, mode: Mode = "input") -> Schema:  # noqa: A002 - as in codec
    """Returns the JSON Schema of a type: Struct, dataclass, pydantic model, plain type or None.

    Args:
        type: The annotation of a handler's parameter or answer, or a message.
        mode: Whether the schema is for what is read or for what is written.

    Raises:
        UnsupportedType: JSON cannot carry the type, or msgspec cannot tell its parts apart.
    """
    if _is_pydantic(type):
        return _pydantic_schema(type, mode)
    (root,), components = components_of((type,), _REF)
    name = root.get("$ref", "").removeprefix(_REF.format(name=""))
    referred = any(_refers(part, root["$ref"]) for part in components.values()) if name else True
    if not referred:
        root = {**components.pop(name), **{k: v for k, v in root.items() if k != "$ref"}}
    return {"$schema": DIALECT, **root, **({"$defs": components} if components else {})}


def components_of(types: Iterable[object], ref: str) -> tuple[list[Schema], dict[str, Schema]]:
    """Returns the schemas of the types, and those of the named types that they share.

    Args:
        types: What to describe.
        ref: How a shared type is referred to, with ``{name}`` in it.

    Raises:
        UnsupportedType: JSON cannot carry a type, or msgspec cannot tell its parts apart.
    """
    writer = SchemaWriter(ref)
    schemas = [writer.write(inspected(one)) for one in types]
    return schemas, {name: writer.components[name] for name in sorted(writer.components)}


def message_schema(subject: Subject[Any]) -> Schema:
    """Returns the schema of a message of the wire, titled with the message's name."""
    schema = schema_of(subject.type)
    return {
        "$schema": schema.pop("$schema"),
        "title": subject.name,
        "description": subject.doc,
        **{k: v for k, v in schema.items() if k not in {"title", "description"}},
    }


def message_schemas() -> dict[str, Schema]:
    """Returns the schema of every message, by name."""
    return {subject.name: message_schema(subject) for subject in MESSAGES}


def export(directory: Path) -> list[Path]:
    """Writes one file per message and an index; returns the files' paths.

    Files of other names are left alone.
    """
    directory.mkdir(parents=True, exist_ok=True)
    documents: dict[str, object] = {f"{n}.json": one for n, one in message_schemas().items()}
    documents[INDEX] = {
        "dialect": DIALECT,
        "messages": [
            {"name": s.name, "schema": f"{s.name}.json", "subject": s.template, "doc": s.doc}
            for s in MESSAGES
        ],
    }
    for name, document in documents.items():
        (directory / name).write_bytes(pretty(document))
    return [directory / name for name in documents]


def pretty(document: object) -> bytes:
    """Returns the JSON of a document for people and diffs: indented, with a newline at its end."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _is_pydantic(type: object) -> bool:  # noqa: A002 - as above
    if hasattr(type, "__pydantic_core_schema__"):
        return True
    return any(_is_pydantic(argument) for argument in get_args(type))


def _pydantic_schema(type: Any, mode: Mode) -> Schema:  # noqa: A002 - as above
    # Only a process that uses pydantic models pays for importing it.
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        schema = TypeAdapter(type).json_schema(
            mode="validation" if mode == "input" else "serialization"
        )
    except PydanticUserError as error:
        raise unsupported(type, str(error).partition("\n")[0]) from error
    return {"$schema": DIALECT, **schema}


def _refers(schema: object, ref: str) -> bool:
    if isinstance(schema, dict):
        return schema.get("$ref") == ref or any(_refers(v, ref) for v in schema.values())
    return isinstance(schema, list) and any(_refers(v, ref) for v in schema)
