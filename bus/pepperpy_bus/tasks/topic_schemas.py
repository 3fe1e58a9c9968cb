"""What each topic takes and gives: announced by workers, kept when none of them is up."""

import re
from typing import Any

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.logs import get_log
from pepperpy_bus.streams.kv import Bucket
from pepperpy_schemas.catalog.agents import TOPIC_SCHEMA
from pepperpy_schemas.codec import decode, encode, field_path
from pepperpy_schemas.errors import BadHeader, BadPayload, WrongSequence
from pepperpy_schemas.headers import SCHEMA
from pepperpy_schemas.messages import TopicSchema
from pepperpy_schemas.subjects import bucket_name
from pepperpy_schemas.tokens import check_token

log = get_log("pepperpy.schemas")

_TRIES = 5
_NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


class TopicSchemas:
    """The schemas of a deployment's topics."""

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._bucket = Bucket(connection, bucket_name(prefix, "schemas"))
        self._prefix = prefix
        self._newest: dict[str, int] = {}

    async def announce(self, schema: TopicSchema) -> TopicSchema:
        """Makes a topic's schema known; returns it with its version.

        An unchanged schema writes nothing. A compatible change becomes the next version. It must
        fit every version there is, not only the newest: tasks of all of them may still be queued.

        Raises:
            SchemaIncompatible: The change would break tasks or readers that exist; the message
                names the field and the version.
        """
        for _ in range(_TRIES):
            versions = await self.versions(schema.topic)
            if versions and _same(versions[-1], schema):
                return versions[-1]
            for earlier in reversed(versions):
                _refuse_breaking(earlier, schema)
            version = versions[-1].version + 1 if versions else 1
            versioned = msgspec.structs.replace(schema, version=version)
            try:
                await self._bucket.create(self._key(schema.topic, version), encode(versioned))
            except WrongSequence:
                continue  # another worker announced at the same moment: look again
            return versioned
        raise WrongSequence(f"the schema of {schema.topic} keeps changing under us")

    async def latest(self, topic: str) -> TopicSchema | None:
        """Returns the newest schema of a topic, or None when no worker ever announced one."""
        versions = await self.versions(topic)
        return versions[-1] if versions else None

    async def versions(self, topic: str) -> list[TopicSchema]:
        """Returns every schema that a topic ever had, the oldest first."""
        check_token(topic, what="topic")
        entries = await self._bucket.entries(f"{topic}.*")
        found = [decode(entry.value, TopicSchema) for entry in entries]
        found.sort(key=lambda one: one.version)
        self._newest[topic] = found[-1].version if found else 0
        return found

    async def check_name(self, topic: str, name: str) -> None:
        """Refuses the name of a schema that a topic never had.

        Every version there ever was is good: each reader takes what was written by an earlier one
        and passes over the fields that a later one has added.

        Args:
            topic: The topic.
            name: What ``Pp-Schema`` says.

        Raises:
            BadHeader: It is another topic's, or a version that nobody announced.
        """
        head, dot, number = name.rpartition(".v")
        if dot and head == topic and _NUMBER.fullmatch(number):
            version = int(number)
            if version <= self._newest.get(topic, 0):
                return
            await self.versions(topic)  # another worker may be newer than this one
            if version <= self._newest[topic]:
                return
        raise BadHeader(
            f"{SCHEMA} is {name!r:.80}, which topic {topic} never had",
            hint=f"show the newest with: pepperpy schema show {topic}",
            context={"header": SCHEMA, "topic": topic},
        )

    async def all(self) -> list[TopicSchema]:
        """Returns the newest schema of every topic, by name."""
        newest: dict[str, TopicSchema] = {}
        for entry in await self._bucket.entries():
            one = decode(entry.value, TopicSchema)
            if one.topic not in newest or newest[one.topic].version < one.version:
                newest[one.topic] = one
        return [newest[topic] for topic in sorted(newest)]

    def _key(self, topic: str, version: int) -> str:
        subject = TOPIC_SCHEMA.of(self._prefix, topic=topic, version=f"v{version}")
        return subject.split(".", 2)[2]


def validate(schema: TopicSchema, body: bytes) -> None:
    """Checks a task's body against its topic's schema.

    Raises:
        BadPayload: The body does not fit; ``context.path`` names the field.
    """
    import jsonschema_rs

    value = decode(body, object)
    try:
        jsonschema_rs.validator_for(schema.input).validate(value)
    except jsonschema_rs.ValidationError as error:
        path, fact = field_path(error.instance_path), error.message
        missing = getattr(error.kind, "property", None) if error.kind.name == "required" else None
        if missing is not None:
            kind = _kind(schema.input, [*error.instance_path, missing])
            path, fact = f"{path}.{missing}", f"is missing (expected {kind})"
        elif value is None:
            fact = f"is missing: no body (expected {_kind(schema.input, [])})"
        raise BadPayload(
            f'topic "{schema.topic}" refused the task: {path} {fact}',
            hint=f"show the schema with: pepperpy schema show {schema.topic}",
            context={"path": path, "topic": schema.topic, "schema": schema_name(schema)},
        ) from None


def _kind(root: dict[str, Any], steps: list[str | int]) -> str:
    """The declared type of a field, for the error message."""
    found: Any = root
    for step in steps:
        found = _resolved(found, root)
        found = (
            found.get("items") if isinstance(step, int) else found.get("properties", {}).get(step)
        )
    kind = _resolved(found, root).get("type")
    return kind if isinstance(kind, str) else "a value"


def _resolved(schema: Any, root: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(schema, dict):  # True, False, or not declared
        return {}
    if "$ref" not in schema:
        return schema
    name = str(schema["$ref"]).rpartition("/")[2]
    return dict(root.get("$defs", {}).get(name, {}))


def schema_name(schema: TopicSchema) -> str:
    """Returns the schema's name as the ``Pp-Schema`` header has it: ``triage.v1``."""
    return f"{schema.topic}.v{schema.version}"


def _refuse_breaking(earlier: TopicSchema, schema: TopicSchema) -> None:
    # A megabyte that is needed only where a schema changes.
    from pepperpy_schemas.compat import check

    since = f"of {schema.topic} (since version {earlier.version})"
    check(earlier.input, schema.input, what=f"the input {since}", mode="input")
    check(earlier.output, schema.output, what=f"the output {since}", mode="output")


def _same(one: TopicSchema, other: TopicSchema) -> bool:
    return one.input == other.input and one.output == other.output
