import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.streams.kv import Bucket
from pepperpy_bus.tasks.topic_schemas import TopicSchemas, schema_name, validate
from pepperpy_schemas.errors import (
    BadHeader,
    BadName,
    BadPayload,
    SchemaIncompatible,
    WrongSequence,
)
from pepperpy_schemas.messages import TopicSchema

TEXT = {"type": "string"}
COUNT = {"type": "integer"}


@pytest.fixture
async def schemas(
    connection: Connection, prefix: str, streams: Callable[..., Awaitable[None]]
) -> TopicSchemas:
    await streams(connection, prefix, "schemas")
    return TopicSchemas(connection, prefix)


def record(*required: str, **fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(required)}


def topic(
    takes: dict[str, Any], gives: dict[str, Any] | None = None, name: str = "triage"
) -> TopicSchema:
    return TopicSchema(name, 1, takes, gives or TEXT, agent="support", agent_version="1.0.0")


async def test_what_is_announced_is_found_and_announcing_it_again_writes_nothing(
    schemas: TopicSchemas, connection: Connection, prefix: str
) -> None:
    assert await schemas.latest("triage") is None
    first = await schemas.announce(topic(record("text", text=TEXT)))
    assert (first.version, schema_name(first)) == (1, "triage.v1")
    assert await schemas.announce(topic(record("text", text=TEXT))) == first
    assert await schemas.versions("triage") == [first]
    assert [one.key for one in await Bucket(connection, f"{prefix}_schemas").entries()] == [
        "triage.v1"
    ]


async def test_a_name_is_good_when_the_topic_has_had_that_version(
    schemas: TopicSchemas, connection: Connection, prefix: str
) -> None:
    await schemas.announce(topic(record("text", text=TEXT)))
    await schemas.check_name("triage", "triage.v1")
    for name in ("triage.v99", "triage.v2", "other.v1", "triage", "triage.v0", "triage.v01", "x.v"):
        with pytest.raises(BadHeader, match="which topic triage never had") as refused:
            await schemas.check_name("triage", name)
        assert refused.value.context == {"header": "Pp-Schema", "topic": "triage"}
    newer = TopicSchemas(connection, prefix)  # of another process
    await newer.announce(topic(record("text", text=TEXT, tag=TEXT)))
    await schemas.check_name("triage", "triage.v2")


async def test_a_compatible_change_is_the_next_version(schemas: TopicSchemas) -> None:
    await schemas.announce(topic(record("text", text=TEXT)))
    second = await schemas.announce(topic(record("text", text=TEXT, tag=TEXT)))
    assert second.version == 2
    assert await schemas.latest("triage") == second
    assert [one.version for one in await schemas.versions("triage")] == [1, 2]


@pytest.mark.parametrize(
    ("takes", "gives", "words"),
    [
        (record("text", "id", text=TEXT, id=TEXT), TEXT, r"input of triage .*\$\.id"),
        (record("text", text=COUNT), TEXT, r"input of triage .*\$\.text"),
        (record("text", text=TEXT), COUNT, r"output of triage .*\$: "),
    ],
)
async def test_an_incompatible_change_is_refused_with_the_field(
    schemas: TopicSchemas, takes: dict[str, Any], gives: dict[str, Any], words: str
) -> None:
    first = await schemas.announce(topic(record("text", text=TEXT)))
    with pytest.raises(SchemaIncompatible, match=words) as refused:
        await schemas.announce(topic(takes, gives))
    assert "since version 1" in str(refused.value)
    assert await schemas.versions("triage") == [first]


async def test_a_change_must_fit_every_version_not_only_the_newest(schemas: TopicSchemas) -> None:
    """Version 2 forgets a field and 3 brings it back with another type: 1 may still be queued."""
    await schemas.announce(topic(record("text", text=TEXT, tag=TEXT)))
    await schemas.announce(topic(record("text", text=TEXT)))
    with pytest.raises(SchemaIncompatible, match=r"since version 1\).*\$\.tag"):
        await schemas.announce(topic(record("text", text=TEXT, tag=COUNT)))
    assert len(await schemas.versions("triage")) == 2


async def test_two_who_announce_at_once_agree(schemas: TopicSchemas) -> None:
    same = topic(record("text", text=TEXT))
    found = await asyncio.gather(*(schemas.announce(same) for _ in range(10)))
    assert {one.version for one in found} == {1}
    kinds = [TEXT, COUNT, {"type": "boolean"}]
    changes = [topic(record("text", text=TEXT, **{f"f{n}": k})) for n, k in enumerate(kinds)]
    changed = await asyncio.gather(*(schemas.announce(one) for one in changes))
    assert sorted(one.version for one in changed) == [2, 3, 4]


async def test_a_schema_that_never_settles_is_given_up(
    connection: Connection,
    prefix: str,
    streams: Callable[..., Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever reads nothing new, as from a replica that lags behind, must not try for ever."""
    await streams(connection, prefix, "schemas")
    schemas = TopicSchemas(connection, prefix)
    await schemas.announce(topic(record("text", text=TEXT)))

    async def nothing(_: object, __: str) -> list[TopicSchema]:
        return []

    monkeypatch.setattr(TopicSchemas, "versions", nothing)
    with pytest.raises(WrongSequence, match="keeps changing"):
        await schemas.announce(topic(record("text", text=TEXT, tag=TEXT)))


async def test_all_topics_are_listed_with_their_newest_schema(schemas: TopicSchemas) -> None:
    assert await schemas.all() == []
    b = await schemas.announce(topic(TEXT, name="b"))
    await schemas.announce(topic(record("text", text=TEXT), name="a"))
    a = await schemas.announce(topic(record("text", text=TEXT, tag=TEXT), name="a"))
    assert await schemas.all() == [a, b]
    for n in range(2, 12):
        await schemas.announce(topic(record(**{f"f{i}": TEXT for i in range(n)}), name="many"))
    latest = await schemas.latest("many")
    assert latest is not None
    assert latest.version == 10


@pytest.mark.parametrize("name", ["", "*", ">", "a.b", "a b"])
async def test_a_topic_that_is_no_name_is_refused(schemas: TopicSchemas, name: str) -> None:
    with pytest.raises(BadName):
        await schemas.latest(name)


TICKET = topic(
    {
        "$ref": "#/$defs/Ticket",
        "$defs": {
            "Ticket": {
                "type": "object",
                "properties": {
                    "customer": TEXT,
                    "tags": {"type": "array", "items": TEXT},
                    "any": {},
                    "inner": record("x", x=COUNT),
                    "list": {"type": "array", "items": record("customer", customer=COUNT)},
                    "free": {"type": "object", "required": ["x"]},
                    "yes": {"type": "object", "properties": {"x": True}, "required": ["x"]},
                },
                "required": ["customer"],
            }
        },
    }
)


@pytest.mark.parametrize(
    ("body", "path", "words"),
    [
        (b"{}", "$.customer", r"\$\.customer is missing \(expected string\)"),
        (b"[]", "$", "object"),
        (b'{"customer":1}', "$.customer", "string"),
        (b'{"customer":"c","tags":["a",2]}', "$.tags[1]", "string"),
        (b'{"customer":"c","inner":{}}', "$.inner.x", r"missing \(expected integer\)"),
        (b'{"customer":"c","list":[{}]}', "$.list[0].customer", r"\(expected integer\)"),
        (b'{"customer":"c","free":{}}', "$.free.x", r"\(expected a value\)"),
        (b'{"customer":"c","yes":{}}', "$.yes.x", r"\(expected a value\)"),
        (b"{", "$", "not JSON"),
    ],
)
def test_a_body_that_does_not_fit_is_refused_with_its_path(
    body: bytes, path: str, words: str
) -> None:
    with pytest.raises(BadPayload, match=words) as refused:
        validate(TICKET, body)
    assert refused.value.context["path"] == path


def test_a_refusal_names_topic_and_schema_and_what_to_do() -> None:
    with pytest.raises(BadPayload, match='topic "triage" refused the task') as refused:
        validate(TICKET, b"{}")
    assert refused.value.context["schema"] == "triage.v1"
    assert refused.value.hint == "show the schema with: pepperpy schema show triage"


def test_bodies_that_fit_pass() -> None:
    validate(TICKET, b'{"customer":"c","tags":[],"inner":{"x":1},"more":null}')
    validate(topic(record("n", n={})), b'{"n":null}')
    with pytest.raises(BadPayload, match=r"\$\.n is missing \(expected a value\)"):
        validate(topic(record("n", n={})), b"{}")
