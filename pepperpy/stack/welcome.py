"""What `pepperpy up` says when it is ready: what there is and what to try next."""

import shlex
from typing import Any

import msgspec

from pepperpy.stack.local import NAME as BROKER
from pepperpy.stack.services import SERVICES
from pepperpy_bus.link.options import DEFAULT_URL
from pepperpy_schemas.catalog.tasks import TASK_BARE

_PLACEHOLDERS: dict[str, object] = {
    "string": "…",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "array": [],
    "object": {},
    "null": None,
}


_BREAD = {"name": "bread", "tasks": [{"name": "bake", "duration": 2, "uses": {"oven": 1}}]}
_STOCK: dict[str, object] = {
    "reason-rules": {"rules": "rain. wet :- rain.", "query": "wet"},
    "plan-schedule": {"resources": {"oven": {}}, "jobs": [_BREAD]},
    "learn-online": {
        "do": "learn",
        "examples": [{"features": {"colour": "red"}, "target": "apple"}],
    },
}
"""What to try first of stock agents: a schema alone makes problems with nothing in them."""
_STOCK_TOPICS = ("reason-", "plan-", "learn-")


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """A stack that is up.

    Attributes:
        url: Address of the broker.
        seconds: From the start of the process until now.
        prefix: The deployment's prefix.
        bodies: An example body of each topic that has a worker.
        context: The operator's context, or empty.
        folder: Where data and secrets lie, or empty.
        kept: Whether the folder outlives the stack.
        own: Whether the broker is ours.
        pids: Process id of each process, by name.
        models: Whether models can be asked.
        small: Whether all of them are the small one of this machine.
        left_out: Why no models are served, and what to do about it.
        memory: Whether things are remembered.
        no_memory: Why they are not, and what to do about it.
        dashboard: Where the dashboard is, or empty.
        token_file: Where the token of those lies who act there, or empty.
        no_monitor: Why there is no dashboard, and what to do about it.
    """

    url: str
    seconds: float
    prefix: str
    bodies: dict[str, object]
    context: str
    folder: str
    kept: bool
    own: bool
    pids: dict[str, int]
    models: bool = False
    small: bool = False
    left_out: str = ""
    memory: bool = False
    no_memory: str = ""
    dashboard: str = ""
    token_file: str = ""
    no_monitor: str = ""


def welcome(ready: Ready) -> str:
    """Return the text."""
    rows = [
        *_publish(ready),
        *_models(ready),
        *_memory(ready),
        *_dashboard(ready),
        *_operate(ready),
        *_data(ready),
    ]
    wide = max(len(label) for label, _ in rows)
    workers = len(ready.pids.keys() - {BROKER, *(service.name for service in SERVICES)})
    lines = [f"  {label:<{wide}}  {text}" for label, text in rows]
    what = f"{workers} worker{'s' * (workers != 1)}" if workers else "no worker yet"
    return "\n".join(
        (
            "",
            f"PepperPy is up in {ready.seconds:.1f} s: {ready.url}, {what}",
            "",
            *lines,
            "",
            "Ctrl-C ends it: running tasks finish first.",
            "",
        )
    )


def example(schema: dict[str, Any]) -> object:
    """Return a body that a schema might take: of an object, what is required."""
    schema = _resolved(schema, schema)
    if schema.get("type") != "object":
        return _placeholder(schema)
    properties = schema.get("properties", {})
    return {
        name: _placeholder(_resolved(properties.get(name, {}), schema))
        for name in schema.get("required", ())
    }


def _publish(ready: Ready) -> list[tuple[str, str]]:
    cli = _cli(ready)
    nats = "nats" if ready.url == DEFAULT_URL else f"nats -s {ready.url}"
    if not ready.bodies:
        worker = "pepperpy worker agent.py:agent"
        if ready.own:
            start = "pepperpy up agent.py:agent"
            return [("start over with a worker", start), ("or write one", "pepperpy init my-agent")]
        return [("start a worker", worker), ("or write one", "pepperpy init my-agent")]
    topic = min(ready.bodies, key=_rank)
    body = _STOCK.get(topic, ready.bodies[topic])
    text = msgspec.json.encode(body).decode()
    parts = body.items() if isinstance(body, dict) else ()
    fields = [_field(k, v) for k, v in parts] or [text]
    subject = TASK_BARE.of(ready.prefix, topic=topic)
    return [
        ("submit a task", f"{cli} publish {topic} {shlex.join(fields)} --wait"),
        ("the same, any language", f"{nats} req {subject} {shlex.quote(text)}"),
    ]


def _rank(topic: str) -> tuple[bool, bool]:
    """The user's own topics come before those of stock agents, with something to try first."""
    return topic.startswith(_STOCK_TOPICS), topic not in _STOCK


def _models(ready: Ready) -> list[tuple[str, str]]:
    if ready.models:
        poorly = "   # (small local model, answers poorly)" if ready.small else ""
        return [("ask a model", f"{_cli(ready)} chat 'Say hello.'{poorly}")]
    return [("left out", ready.left_out)] if ready.left_out else []


def _memory(ready: Ready) -> list[tuple[str, str]]:
    if ready.memory:
        return [("remember a folder", f"{_cli(ready)} memory ingest FOLDER")]
    return [("left out", ready.no_memory)] if ready.no_memory else []


def _dashboard(ready: Ready) -> list[tuple[str, str]]:
    if not ready.dashboard:
        return [("left out", ready.no_monitor)] if ready.no_monitor else []
    token = f"   # (to act there: the token in {ready.token_file})" if ready.token_file else ""
    return [("dashboard", f"{ready.dashboard}{token}")]


def _operate(ready: Ready) -> list[tuple[str, str]]:
    as_operator = f"pepperpy --context {ready.context}" if ready.context else "pepperpy"
    return [("watch and steer", f"{as_operator} top | tail | agents | dlq ls")]


def _data(ready: Ready) -> list[tuple[str, str]]:
    if not ready.own:
        return []
    end = "kept" if ready.kept else "removed at the end; keep it with --persist DIR"
    return [("data", f"{ready.folder} ({end})")]


def _cli(ready: Ready) -> str:
    return "pepperpy" if ready.url == DEFAULT_URL else f"pepperpy --nats {ready.url}"


def _resolved(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    definitions = root.get("$defs", {})
    found = {**definitions.get(name, {}), "$defs": definitions} if name in definitions else schema
    return dict(found)


def _placeholder(schema: dict[str, Any]) -> object:
    return _PLACEHOLDERS.get(str(schema.get("type")), "…")


def _field(name: str, value: object) -> str:
    if isinstance(value, str):
        return f"{name}={value}"
    return f"{name}:={msgspec.json.encode(value).decode()}"
