import dataclasses
import subprocess
import sys
from collections.abc import Callable
from typing import Any, TypedDict

import msgspec
import pydantic
import pytest

from pepperpy import Context
from pepperpy_agents.handler import Handler, read_handler
from pepperpy_schemas.errors import BadConfig, BadPayload


class Record(msgspec.Struct):
    text: str
    n: int = 0


@dataclasses.dataclass
class Row:
    text: str
    n: int = 0


class Model(pydantic.BaseModel):
    text: str
    n: int = 0


class Table(TypedDict):
    text: str
    n: int


def handler_for(kind: Any) -> Handler:
    async def handle(data: Any) -> Any:
        return data

    handle.__annotations__ = {"data": kind, "return": kind}
    return read_handler(handle)


@pytest.mark.parametrize(
    ("kind", "body", "value"),
    [
        (Record, b'{"text":"a","n":1}', Record("a", 1)),
        (Row, b'{"text":"a","n":1}', Row("a", 1)),
        (Model, b'{"text":"a","n":1}', Model(text="a", n=1)),
        (Table, b'{"text":"a","n":1}', {"text": "a", "n": 1}),
        (list[Model], b'[{"text":"a","n":1}]', [Model(text="a", n=1)]),
        (list[Record], b'[{"text":"a","n":1}]', [Record("a", 1)]),
        (dict[str, int], b'{"a":1}', {"a": 1}),
        (str, b'"a"', "a"),
        (int | None, b"null", None),
        (None, b"null", None),
        (Any, b'{"a":[1,null]}', {"a": [1, None]}),
    ],
)
def test_a_body_becomes_the_declared_type_and_back(kind: Any, body: bytes, value: Any) -> None:
    handler = handler_for(kind)
    assert handler.decode(body) == value
    assert msgspec.json.decode(handler.encode(value)) == msgspec.json.decode(body)


@pytest.mark.parametrize("kind", [Any, None, str | None, Model | None])
def test_an_empty_body_is_null_for_those_who_take_it(kind: Any) -> None:
    assert handler_for(kind).decode(b"") is None


@pytest.mark.parametrize("kind", [Record, Row, Model, Table])
def test_a_wrong_field_is_named_by_its_path(kind: Any) -> None:
    with pytest.raises(BadPayload) as caught:
        handler_for(kind).decode(b'{"text":"a","n":"one"}')
    assert caught.value.context["path"] == "$.n"
    assert str(caught.value).startswith("$.n: ")


@pytest.mark.parametrize("kind", [list[Record], list[Model]])
def test_a_wrong_field_inside_a_list_is_named_by_its_path(kind: Any) -> None:
    with pytest.raises(BadPayload) as caught:
        handler_for(kind).decode(b'[{"text":"a"},{"text":2}]')
    assert caught.value.context["path"] in {"$[1].text", "$[...].text"}


@pytest.mark.parametrize("kind", [Record, Row, Model, Table])
def test_a_missing_field_is_named(kind: Any) -> None:
    with pytest.raises(BadPayload, match=r"^\$\.text is missing$") as caught:
        handler_for(kind).decode(b'{"n":1}')
    assert caught.value.context == {"path": "$.text"}


@pytest.mark.parametrize("kind", [Record, Row, Model])
def test_an_unknown_field_is_ignored(kind: Any) -> None:
    assert handler_for(kind).decode(b'{"text":"a","later":true}').text == "a"


@pytest.mark.parametrize("kind", [Record, Model, Any])
@pytest.mark.parametrize("body", [b'{"text":', b"\xff\xfe", b'{"text":"a"} x', b"[" * 100_000])
def test_what_is_no_json_is_refused(kind: Any, body: bytes) -> None:
    with pytest.raises(BadPayload):
        handler_for(kind).decode(body)


def test_a_value_that_json_cannot_carry_is_refused() -> None:
    with pytest.raises(BadPayload, match="cannot be written as JSON"):
        handler_for(Any).encode(object())


def test_a_handler_without_annotations_takes_and_gives_anything() -> None:
    async def handle(data, ctx): ...  # type: ignore[no-untyped-def]  # that is the point

    handler = read_handler(handle)
    assert (handler.input, handler.output, handler.takes_context) == (Any, Any, True)


def test_the_first_paragraph_of_the_docstring_is_kept() -> None:
    async def handle(data: str) -> None:
        """Reads a ticket
        and answers.

        Not this.
        """

    assert read_handler(handle).doc == "Reads a ticket\nand answers."


def test_where_it_runs_follows_from_how_it_is_written() -> None:
    async def loop(data: str) -> None: ...
    def thread(data: str) -> None: ...

    assert (read_handler(loop).where, read_handler(thread).where) == ("loop", "thread")
    assert read_handler(echo, where="process").where == "process"


def echo(data: str) -> str:
    return data


async def aecho(data: str) -> str:
    return data


def with_context(data: str, ctx: Context) -> str:
    return data


def none() -> None: ...


def three(a: int, b: int, c: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "where", "words"),
    [
        (none, None, "takes 0 parameters"),
        (three, None, "takes 3 parameters"),
        (aecho, "thread", "is async and cannot run in a thread"),
        (aecho, "process", "is async and cannot run in a process"),
        (echo, "loop", "would block the event loop"),
        (with_context, "process", "there is no context"),
    ],
)
def test_what_cannot_be_a_handler_is_refused_with_the_fix(
    function: Callable[..., Any], where: Any, words: str
) -> None:
    with pytest.raises(BadConfig, match=words) as caught:
        read_handler(function, where=where)
    assert caught.value.hint


def test_a_local_function_cannot_run_in_another_process() -> None:
    def local(data: str) -> str:
        return data

    with pytest.raises(BadConfig, match="another process cannot find it"):
        read_handler(local, where="process")


def test_an_annotation_that_cannot_be_read_is_refused() -> None:
    async def handle(data: "Missing") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(BadConfig, match="Missing"):
        read_handler(handle)


def test_pydantic_is_not_imported_for_those_who_do_not_use_it() -> None:
    code = (
        "import sys, msgspec\n"
        "from pepperpy_agents.handler import read_handler\n"
        "class T(msgspec.Struct):\n  text: str\n"
        "async def h(t: T) -> T: return t\n"
        "one = read_handler(h)\n"
        'one.encode(one.decode(b\'{"text":"a"}\'))\n'
        "assert 'pydantic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
