"""The JSON Schemas of all messages, as files for other languages."""

from pathlib import Path
from typing import Any, Final

import msgspec

from pepperpy_schemas._schema_parts import Schema
from pepperpy_schemas.catalog.replies import MESSAGES
from pepperpy_schemas.jsonschema import DIALECT, schema_of
from pepperpy_schemas.subjects import Subject

INDEX: Final = "index.json"


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
