"""What each topic takes and gives: announced by workers, kept when none of them is up."""

import msgspec

from pepperpy_bus.connection import Connection
from pepperpy_bus.kv import Bucket
from pepperpy_bus.logs import get_log
from pepperpy_schemas.catalog import TOPIC_SCHEMA
from pepperpy_schemas.codec import decode, encode
from pepperpy_schemas.compat import check
from pepperpy_schemas.errors import BadPayload, WrongSequence
from pepperpy_schemas.messages import TopicSchema
from pepperpy_schemas.subjects import bucket_name
from pepperpy_schemas.tokens import check_token

log = get_log("pepperpy.schemas")

_TRIES = 5


class TopicSchemas:
    """The schemas of a deployment's topics."""

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._bucket = Bucket(connection, bucket_name(prefix, "schemas"))
        self._prefix = prefix

    async def announce(self, schema: TopicSchema) -> TopicSchema:
        """Makes a topic's schema known; returns it with its version.

        An unchanged schema writes nothing. A compatible change becomes the next version.

        Raises:
            SchemaIncompatible: The change would break tasks or readers that exist; the message
                names the field.
        """
        for _ in range(_TRIES):
            latest = await self.latest(schema.topic)
            if latest is not None and _same(latest, schema):
                return latest
            if latest is not None:
                topic = schema.topic
                check(latest.input, schema.input, what=f"the input of {topic}", mode="input")
                check(latest.output, schema.output, what=f"the output of {topic}", mode="output")
            version = latest.version + 1 if latest else 1
            versioned = msgspec.structs.replace(schema, version=version)
            try:
                await self._bucket.create(self._key(schema.topic, version), encode(versioned))
            except WrongSequence:
                continue  # another worker announced at the same moment: look again
            return versioned
        raise WrongSequence(f"the schema of {schema.topic} keeps changing under us")

    async def latest(self, topic: str) -> TopicSchema | None:
        """Returns the newest schema of a topic, or None when no worker ever announced one."""
        check_token(topic, what="topic")
        entries = await self._bucket.entries(f"{topic}.*")
        found = [decode(entry.value, TopicSchema) for entry in entries]
        return max(found, key=lambda one: one.version, default=None)

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

    try:
        jsonschema_rs.validator_for(schema.input).validate(decode(body, object))
    except jsonschema_rs.ValidationError as error:
        path, fact = _path(error.instance_path), error.message
        missing = getattr(error.kind, "property", None) if error.kind.name == "required" else None
        if missing is not None:
            path, fact = f"{path}.{missing}", f"is missing (expected {_kind(schema, missing)})"
        raise BadPayload(
            f'topic "{schema.topic}" refused the task: {path} {fact}',
            hint=f"show the schema with: pepperpy schema show {schema.topic}",
            context={"path": path, "topic": schema.topic, "schema": schema_name(schema)},
        ) from None


def _path(steps: list[str | int]) -> str:
    return "$" + "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in steps)


def _kind(schema: TopicSchema, field: str) -> str:
    """The declared type of a top-level field, for the error message."""
    found = schema.input
    if "$ref" in found:
        found = found.get("$defs", {}).get(str(found["$ref"]).rpartition("/")[2], {})
    kind = found.get("properties", {}).get(field, {})
    return str(kind.get("type", "a value"))


def schema_name(schema: TopicSchema) -> str:
    """Returns the schema's name as the ``Pp-Schema`` header has it: ``triage.v1``."""
    return f"{schema.topic}.v{schema.version}"


def _same(one: TopicSchema, other: TopicSchema) -> bool:
    return one.input == other.input and one.output == other.output
