"""A task's body before it is sent: does it fit what the topic's workers announced?"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pepperpy_bus.client import Client
    from pepperpy_bus.submission import SubmitOptions
    from pepperpy_schemas.messages import TopicSchema

_EXAMPLES = {
    "string": "'\"hello\"'",
    "integer": "5",
    "number": "1.5",
    "boolean": "true",
    "array": "'[]'",
}


async def check(
    client: "Client", topic: str, body: bytes, options: "SubmitOptions", fields: Sequence[str]
) -> None:
    """Refuses what the workers would refuse, and names the schema in the task's headers.

    Args:
        client: The bus.
        topic: The topic.
        body: What is sent.
        options: The task's, which get the header.
        fields: The arguments that the body was made of, if it was.

    Raises:
        BadPayload: It does not fit; the hint says how to write it.
    """
    from pepperpy.commands._failure import say
    from pepperpy_bus.tasks.topic_schemas import schema_name, validate
    from pepperpy_schemas.catalog.tasks import TASK_BARE
    from pepperpy_schemas.errors import BadPayload
    from pepperpy_schemas.headers import SCHEMA

    schema = await client.schemas.latest(topic)
    if schema is None:
        say(await _unknown(client, topic))
        return
    try:
        validate(schema, body)
    except BadPayload as error:
        subject = TASK_BARE.of(client.prefix, topic=topic)
        error.add_note(f"for {subject} by {client.source} · schema {schema_name(schema)}")
        error.hint = _written_so(error, schema, fields) or error.hint
        raise
    options["headers"] = {SCHEMA: schema_name(schema), **options.get("headers", {})}


def _written_so(error: Any, schema: "TopicSchema", fields: Sequence[str]) -> str:
    """The hint for a body of fields that would fit if it were written otherwise; else empty."""
    pairs = [text for text in fields if not (text.startswith("@") or _is_json(text))]
    given = dict(text.partition("=")[::2] for text in pairs)
    kind = schema.input.get("type")
    if given and kind in _EXAMPLES:
        # One field may well be the value, with a name that nobody asked for.
        only = next(iter(given.values())) if len(given) == 1 else ""
        value = only if kind in ("integer", "number") and _is_json(only) else _EXAMPLES[kind]
        return f"it takes one value, without a name: pepperpy publish {schema.topic} {value}"
    name = str(error.context.get("path", "")).removeprefix("$.")
    if name in given and _is_json(given[name]):
        return f"what is no text is written with := as JSON: {name}:={given[name]}"
    return ""


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


async def _unknown(client: "Client", topic: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(topic, [one.topic for one in await client.schemas.all()], 1)
    guess = f'; did you mean "{near[0]}"?' if near else ""
    return f'note: no worker has announced topic "{topic}": sent unchecked{guess}'
