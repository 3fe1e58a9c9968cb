"""The whole wire as an AsyncAPI 3.0 document: channels, operations, messages, headers.

Operations are told from the side of PepperPy's workers and services: they receive tasks and send
results. Whoever writes a client reads it the other way round, as AsyncAPI means it.
"""

from typing import Any, Final

import msgspec

from pepperpy_schemas import examples
from pepperpy_schemas.catalog.agents import REGISTRY, TOPIC_SCHEMA
from pepperpy_schemas.catalog.audit import CHAIN
from pepperpy_schemas.catalog.contents import CATALOG
from pepperpy_schemas.catalog.events import AUDIT, COUNT, ENTITIES, EVENT, EVENT_HIGH
from pepperpy_schemas.catalog.provider import BREAKER, CACHED, RATE, TENANT_LEDGER
from pepperpy_schemas.catalog.replies import MESSAGES, REPLIES
from pepperpy_schemas.catalog.sharding import KEY_HOLD, SHARD_TABLE
from pepperpy_schemas.catalog.state import AGENT_STATE, FAMILY_STATE, KEY_STATE, LEASES, LEDGER
from pepperpy_schemas.catalog.tasks import (
    DEAD_LETTER,
    DUE_TASK,
    DUE_TASK_BARE,
    KEYED_TASK,
    RESULT,
    SCHEDULE,
    STEP,
    TASK,
    TASK_BARE,
    TOKEN,
)
from pepperpy_schemas.exporting import message_schema
from pepperpy_schemas.headerdocs import header_schema
from pepperpy_schemas.jsonschema import components_of
from pepperpy_schemas.subjects import Subject, stream_name

WIRE_VERSION: Final = "1"
"""A message that old readers cannot read raises it; new ones and optional fields do not."""

_SCHEMA_REF: Final = "#/components/schemas/{name}"
_SENT: Final = (
    STEP,
    RESULT,
    TOKEN,
    EVENT,
    EVENT_HIGH,
    DEAD_LETTER,
    AUDIT,
    CHAIN,
    COUNT,
    REGISTRY,
    TOPIC_SCHEMA,
    AGENT_STATE,
    FAMILY_STATE,
    KEY_STATE,
    LEASES,
    LEDGER,
    SHARD_TABLE,
    KEY_HOLD,
    BREAKER,
    RATE,
    TENANT_LEDGER,
    CACHED,
)
_WITH_TASK_HEADERS: Final = (
    TASK,
    TASK_BARE,
    KEYED_TASK,
    SCHEDULE,
    DUE_TASK,
    DUE_TASK_BARE,
    *REPLIES,
)
_TOKEN_DOCS: Final = {
    "topic": "What kind of task it is; its workers pull by it.",
    "id": "Id of the task.",
    "key": "Tasks of one key run one after the other.",
    "shard": "Number of the shard that its key belongs to, or `parked`.",
    "question": "Number of the question within its task, from 1.",
    "entity": f"What the event is about: {', '.join(ENTITIES)}.",
    "verb": "What happened to it: a task state with `_`, or started, progress, retry, …",
    "scope": "Topic, agent or rule.",
    "service": "Name of the service.",
    "op": "What the service shall do.",
    "principal": "Who asks; true by permission, `anon` where nobody is known.",
    "agent": "Name of the agent.",
    "instance": "Id of the agent's process.",
    "command": "drain, pause or resume.",
    "action": "What was done.",
    "log": "`audit`: there is one.",
    "tool": "A tool's name, with _ for every dot.",
    "stream": "The stream of the message that was given up.",
    "consumer": "The consumer that gave it up.",
    "metric": "What is counted.",
    "label": "For whom it is counted.",
    "version": "Version of the schema: v1, v2, …",
    "root": "Id of the first task of a family.",
    "name": "Name of the value or resource.",
    "receiver": "A receiver of notifications about alerts.",
    "group": "Hash of what the alerts of a group have in common.",
    "space": "What kind of thing is held: resource, shard, …",
    "kind": "What kind of learner it is: classifier, bandit, router, …",
    "target": "Provider and model, as one token.",
    "tenant": "For whom it was answered.",
    "digest": "Hash of the request.",
    "inbox": "The reply subject of the request.",
}
_EXTRA_TOKENS: Final = {reply.name: ("inbox",) for reply in REPLIES.values()}


def asyncapi(*, prefix: str = "pp", version: str = WIRE_VERSION) -> dict[str, Any]:
    """Returns the AsyncAPI document of a deployment.

    Args:
        prefix: The deployment's subject prefix.
        version: Version of the wire.
    """
    types = list(dict.fromkeys(s.type for s in MESSAGES if s.type is not msgspec.Raw))
    payloads, schemas = components_of(types, _SCHEMA_REF)
    by_type = dict(zip(types, payloads, strict=True))
    return {
        "asyncapi": "3.0.0",
        "id": "urn:pepperpy:wire",
        "info": _info(version),
        "defaultContentType": "application/json",
        "servers": {"local": _server()},
        "channels": {s.name: _channel(s, prefix) for s in MESSAGES},
        "operations": dict(_operation(s) for s in CATALOG),
        "components": {
            "messages": {s.name: _message(s, by_type.get(s.type, {})) for s in MESSAGES},
            "parameters": {name: {"description": doc} for name, doc in sorted(_TOKEN_DOCS.items())},
            "schemas": {
                **schemas,
                "TaskHeaders": header_schema("task"),
                "ResultHeaders": header_schema("result"),
            },
        },
    }


def _info(version: str = WIRE_VERSION) -> dict[str, Any]:
    return {
        "title": "PepperPy",
        "version": version,
        "description": "Tasks, results, events and services of AI agents over NATS JetStream. "
        "Bodies are plain UTF-8 JSON; every header is optional.",
        "license": {"name": "MIT"},
        "tags": [{"name": "nats"}, {"name": "agents"}],
    }


def _server() -> dict[str, Any]:
    return {
        "host": "127.0.0.1:4222",
        "protocol": "nats",
        "description": "The local stack's broker; `pepperpy config show` names the one in use.",
    }


def _channel(subject: Subject[Any], prefix: str) -> dict[str, Any]:
    tokens = subject.tokens or _EXTRA_TOKENS.get(subject.name, ())
    return {
        "address": subject.template.replace("{p}", prefix),
        "title": subject.name,
        "description": subject.doc + _kept_in(subject, prefix),
        "parameters": {t: {"$ref": f"#/components/parameters/{t}"} for t in tokens},
        "messages": {subject.name: {"$ref": f"#/components/messages/{subject.name}"}},
    }


def _kept_in(subject: Subject[Any], prefix: str) -> str:
    return f" Kept in stream {stream_name(prefix, subject.stream)}." if subject.stream else ""


def _operation(subject: Subject[Any]) -> tuple[str, dict[str, Any]]:
    action = "send" if subject in _SENT else "receive"
    operation: dict[str, Any] = {
        "action": action,
        "title": f"{action.capitalize()} {subject.name}",
        "summary": subject.doc,
        "channel": {"$ref": f"#/channels/{subject.name}"},
        "messages": [{"$ref": f"#/channels/{subject.name}/messages/{subject.name}"}],
    }
    if subject in REPLIES:
        reply = REPLIES[subject].name
        operation["reply"] = {
            "channel": {"$ref": f"#/channels/{reply}"},
            "messages": [{"$ref": f"#/channels/{reply}/messages/{reply}"}],
        }
    return f"{action}{subject.name}", operation


def _message(subject: Subject[Any], payload: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {
        "name": subject.name,
        "title": subject.name,
        "summary": subject.doc,
        "contentType": "application/json",
        "payload": payload or {"description": "Any JSON; what it must be, the topic says."},
        "examples": [{"payload": one} for one in _examples(subject)],
    }
    kind = "Task" if subject in _WITH_TASK_HEADERS else "Result"
    if kind == "Task" or subject is RESULT:
        message["headers"] = {"$ref": _SCHEMA_REF.format(name=f"{kind}Headers")}
    return message


def _examples(subject: Subject[Any]) -> list[object]:
    if subject.examples:
        return [msgspec.json.decode(example) for example in subject.examples]
    return examples.every(message_schema(subject), full=True)
