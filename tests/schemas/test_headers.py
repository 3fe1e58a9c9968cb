import ast
from pathlib import Path

import pytest

from pepperpy_schemas import headers
from pepperpy_schemas.errors import BadHeader
from pepperpy_schemas.headerdocs import header_docs, header_schema
from pepperpy_schemas.headers import (
    NO_HEADERS,
    TaskHeaders,
    fold,
    from_user,
    read_task_headers,
    unfold,
)


def test_names_are_folded_and_the_first_of_equal_names_wins() -> None:
    assert fold({"Traceparent": "a", "TRACEPARENT": "b", "PP-Id": "7"}) == {
        "traceparent": "a",
        "pp-id": "7",
    }
    assert fold(None) == {}


def test_the_servers_headers_are_stripped_from_a_users_in_any_case() -> None:
    sent = {"Nats-Rollup": "all", "nats-expected-stream": "X", "NATS-TTL": "1s", "X-Mine": "1"}
    assert from_user(sent) == {"X-Mine": "1"}
    assert from_user(None) == {}


def test_too_many_headers_are_refused() -> None:
    assert len(from_user({f"h{i}": "" for i in range(64)})) == 64
    with pytest.raises(BadHeader, match="1000"):
        from_user({f"h{i}": "" for i in range(1000)})


def test_a_task_without_headers_has_the_defaults() -> None:
    assert read_task_headers({}) is NO_HEADERS
    assert read_task_headers({"x-mine": "1"}) == TaskHeaders()


def test_every_task_header_is_read() -> None:
    folded = fold(
        {
            "Pp-Id": "a",
            "Pp-Parent": "b",
            "Pp-Root": "c",
            "Pp-Source": "cli",
            "Pp-Schema": "echo.v1",
            "Pp-Priority": "high",
            "Pp-Timeout-Ms": "1500",
            "Pp-Replay-Of": "d",
            "Pp-Blob": "n;sha256=0;size=1",
        }
    )
    assert read_task_headers(folded) == TaskHeaders(
        "a", "b", "c", "cli", "echo.v1", "high", 1500, "d", "n;sha256=0;size=1"
    )


@pytest.mark.parametrize("value", ["-1", "1.5", "soon", "9" * 16, "٣", "1e3", " 1"])
def test_a_time_out_that_is_no_whole_number_is_refused_by_name(value: str) -> None:
    with pytest.raises(BadHeader) as refused:
        read_task_headers({"pp-timeout-ms": value})
    assert refused.value.context == {"header": "pp-timeout-ms"}


def test_an_unknown_priority_is_refused_by_name() -> None:
    with pytest.raises(BadHeader, match="urgent") as refused:
        read_task_headers({"pp-priority": "urgent"})
    assert refused.value.context == {"header": "Pp-Priority"}


def test_every_header_has_a_line_that_says_what_it_is() -> None:
    docs = header_docs()
    names = {h.name for h in docs}
    assert {"Pp-Id", "traceparent", "Content-Type", "Nats-Msg-Id", "Pp-Attempt"} <= names
    assert [h.name for h in docs if not h.doc] == []
    declared = {
        value
        for name, value in vars(headers).items()
        if name.isupper() and not name.startswith("_") and isinstance(value, str)
    }
    assert declared - {headers.RESERVED} == names


def test_our_headers_are_spelled_at_one_place() -> None:
    ours = {h.name.lower() for h in header_docs() if h.name.startswith("Pp-")}
    root, home = Path(__file__).parents[2], Path(headers.__file__)
    packages = [*root.glob("*/pepperpy_*"), root / "pepperpy"]
    sources = [path for package in packages for path in package.rglob("*.py")]
    assert home in sources
    spelled = [
        f"{path}:{node.lineno}"
        for path in sources
        if path != home
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Constant) and str(node.value).lower() in ours
    ]
    assert spelled == []


def test_the_headers_schema_limits_what_can_be_limited() -> None:
    properties = header_schema("task")["properties"]
    assert properties["Pp-Priority"]["enum"] == ["normal", "high"]
    assert "pattern" in properties["Pp-Timeout-Ms"]
    assert set(header_schema("result")["properties"]) == {
        "Pp-Topic",
        "Pp-Attempt",
        "Pp-Fingerprint",
    }


def test_the_place_that_a_task_is_repeated_from_is_a_whole_number() -> None:
    assert read_task_headers({"pp-replay-of": "a", "pp-from-step": "3"}).from_step == 3
    for text in ("-1", "3.0", "two", "9" * 16):
        with pytest.raises(BadHeader, match="pp-from-step"):
            read_task_headers({"pp-from-step": text})


def test_names_in_lower_case_become_those_that_are_written() -> None:
    folded = {"pp-from-step": "3", "pp-timeout-ms": "5", "content-type": "x", "mine": "y"}
    written = {"Pp-From-Step": "3", "Pp-Timeout-Ms": "5", "Content-Type": "x", "mine": "y"}
    assert unfold(folded) == written
    assert fold(written) == folded
