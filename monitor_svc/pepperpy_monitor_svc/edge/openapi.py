"""The OpenAPI document: of the operations, and of what the topics say that they take and give."""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, Final

import msgspec
from aiohttp import web

from pepperpy_monitor_svc.edge.messages import Failure
from pepperpy_monitor_svc.edge.operations import NAME, OPERATIONS, Operation
from pepperpy_monitor_svc.edge.parts import PARTS
from pepperpy_monitor_svc.http.answers import json_answer
from pepperpy_schemas.messages import TopicSchema

_REF: Final = "#/components/schemas/{name}"
_ANY: Final[dict[str, Any]] = {}


async def document(request: web.Request) -> web.StreamResponse:
    """The document, with the topics that workers have announced."""
    parts = request.app[PARTS]
    topics = await parts.client.schemas.all()
    return json_answer(request, openapi(topics, secured=parts.tokens.wanted))


def openapi(topics: Iterable[TopicSchema], *, secured: bool) -> dict[str, Any]:
    """Returns the OpenAPI 3.1 document of a deployment.

    Args:
        topics: What is known of topics.
        secured: Whether callers need a token.
    """
    types = {kind for one in OPERATIONS for kind in _types(one)} | {Failure}
    _, schemas = msgspec.json.schema_components(
        sorted(types, key=lambda kind: kind.__name__), ref_template=_REF
    )
    paths: dict[str, dict[str, Any]] = {}
    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    for topic in topics:
        paths[f"/v1/tasks/{topic.topic}"] = {"post": _of_topic(topic, schemas)}
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "PepperPy",
            "description": "Tasks of a deployment of PepperPy, over HTTP.",
            "version": version("pepperpy"),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": schemas},
    }
    if secured:
        found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"token": []}]
    return found


def _types(one: Operation) -> set[Any]:
    named = [one.body, *(kind for kind, _ in one.answers.values())]
    return {kind for kind in named if isinstance(kind, type) and issubclass(kind, msgspec.Struct)}


def _operation(one: Operation) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {
            "name": each.name,
            "in": each.place,
            "description": each.meaning,
            "schema": each.schema,
        }
        for each in one.parameters
    ]
    if one.name:
        parameters.insert(0, {"name": "name", "in": "path", "required": True, "schema": NAME})
        parameters[0]["description"] = one.name
    found: dict[str, Any] = {
        "operationId": one.id,
        "summary": one.summary,
        "parameters": parameters,
        "responses": _answers(one),
    }
    if one.body is not None:
        found["requestBody"] = {"content": _content(one.body), "required": one.body is not Any}
    return found


def _answers(one: Operation) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for status, (kind, meaning) in one.answers.items():
        answers[str(status)] = {"description": meaning}
        if one.stream and kind is not None:
            answers[str(status)]["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
        elif kind is not None:
            answers[str(status)]["content"] = _content(kind)
    for status in (*one.failures, 401):
        answers[str(status)] = {
            "description": _MEANINGS[status],
            "content": _content(Failure),
        }
    return answers


def _content(kind: Any) -> dict[str, Any]:
    schema = _ANY if kind is Any else {"$ref": _REF.format(name=kind.__name__)}
    return {"application/json": {"schema": schema}}


def _of_topic(topic: TopicSchema, schemas: dict[str, Any]) -> dict[str, Any]:
    """Submitting to one topic, with what it takes and gives."""
    found = _operation(OPERATIONS[0])
    found["operationId"] = f"submit_{topic.topic}"
    found["summary"] = topic.doc.partition("\n")[0] or f"Submits a task of {topic.topic}."
    if topic.doc:
        found["description"] = topic.doc
    found["parameters"] = [one for one in found["parameters"] if one["in"] != "path"]
    taken = _moved(topic.input, f"{topic.topic}.input", schemas)
    found["requestBody"] = {"content": {"application/json": {"schema": taken}}}
    given = _moved(topic.output, f"{topic.topic}.output", schemas)
    view = {"$ref": _REF.format(name="TaskView")}
    done = {"allOf": [view, {"type": "object", "properties": {"data": given}}]}
    found["responses"]["200"]["content"] = {"application/json": {"schema": done}}
    return found


def _moved(schema: dict[str, Any], name: str, schemas: dict[str, Any]) -> dict[str, Any]:
    """Moves a topic's schema and its parts among those of the document; returns what refers to it.

    References of a part are to the root of its document, and that is another one here.
    """
    plain = {key: value for key, value in schema.items() if key not in ("$defs", "$schema", "$id")}
    for part, of in (schema.get("$defs") or {}).items():
        schemas[f"{name}.{_safe(part)}"] = _pointed(of, name)
    schemas[name] = _pointed(plain, name)
    return {"$ref": _REF.format(name=name)}


def _pointed(schema: Any, name: str) -> Any:
    """The same schema with its references to parts pointing to where those are now."""
    if isinstance(schema, list):
        return [_pointed(one, name) for one in schema]
    if not isinstance(schema, dict):
        return schema
    moved = {key: _pointed(value, name) for key, value in schema.items()}
    ref = schema.get("$ref")
    if isinstance(ref, str):
        part = ref.removeprefix("#/$defs/")
        moved["$ref"] = _REF.format(name=name if ref == "#" else f"{name}.{_safe(part)}")
    return moved


def _safe(part: str) -> str:
    return "".join(
        sign if sign.isascii() and (sign.isalnum() or sign in "._-") else "_" for sign in part
    )


_MEANINGS: Final = {
    400: "The request is wrong; the error names what.",
    401: "There is no token, or a wrong one.",
    404: "There is no such task.",
    409: "It contradicts what is there already: another task has the id, it has ended, or it was "
    "canceled.",
    413: "The body is too large.",
    415: "The body is of a kind that is not taken.",
    422: "The task was rejected.",
    429: "Too much at once: `Retry-After` says when to come again.",
    500: "The task failed.",
    502: "A service that the task needs failed.",
    503: "Not now: `Retry-After` says when to come again.",
    504: "The task was not done in its own time.",
}
