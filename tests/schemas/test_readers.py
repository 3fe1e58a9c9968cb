"""Readers that are not Python: AsyncAPI's own parser, and ajv on the golden messages."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pepperpy_schemas.asyncapi import asyncapi
from pepperpy_schemas.catalog.contents import CATALOG
from pepperpy_schemas.catalog.replies import MESSAGES
from pepperpy_schemas.exporting import pretty
from tests.node_packages import install

HERE = Path(__file__).parent / "asyncapi"
GOLDEN = Path(__file__).parents[1] / "golden"
WARNING = 1  # severities: 0 error, 1 warning, 2 information, 3 hint


@pytest.fixture(scope="session")
def node() -> str:
    """Node with the packages of `asyncapi/package.json`."""
    return install(HERE)


def run(node: str, *arguments: str | Path) -> tuple[int, list[dict[str, Any]]]:
    done = subprocess.run(
        [node, *arguments], cwd=HERE, check=False, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("prefix", ["pp", "staging"])
def test_the_asyncapi_document_has_no_diagnostics_above_information(
    node: str, tmp_path: Path, prefix: str
) -> None:
    file = tmp_path / "asyncapi.json"
    file.write_bytes(pretty(asyncapi(prefix=prefix)))
    code, diagnostics = run(node, "asyncapi.mjs", file)
    assert code == 0
    assert [one for one in diagnostics if one["severity"] <= WARNING] == []


def test_the_parser_does_find_what_is_wrong(node: str, tmp_path: Path) -> None:
    document = asyncapi()
    document["operations"]["sendResult"]["action"] = "shout"
    file = tmp_path / "asyncapi.json"
    file.write_bytes(pretty(document))
    code, diagnostics = run(node, "asyncapi.mjs", file)
    assert code == 1
    assert [one for one in diagnostics if one["severity"] == 0]


def test_node_reads_every_golden_message_by_its_schema(node: str) -> None:
    for version in sorted(path.name for path in (GOLDEN / "schemas").glob("v*")):
        folders = [GOLDEN / kind / version for kind in ("schemas", "messages")]
        code, lines = run(node, "golden.mjs", *folders)
        assert [line for line in lines if not line["ok"]] == []
        assert code == 0
        assert len(lines) == len(list(folders[1].iterdir())) > 50


def test_node_refuses_a_message_that_does_not_fit(node: str, tmp_path: Path) -> None:
    (tmp_path / "Token.bad.json").write_text('{"seq":0,"attempt":1}')
    code, lines = run(node, "golden.mjs", GOLDEN / "schemas" / "v1", tmp_path)
    assert code == 1
    assert lines[0]["errors"][0]["instancePath"] == "/seq"


def test_the_document_has_a_channel_an_operation_and_examples_for_every_subject() -> None:
    document = asyncapi(prefix="x", version="7")
    assert document["asyncapi"] == "3.0.0"
    assert document["info"]["version"] == "7"
    assert list(document["channels"]) == [s.name for s in MESSAGES]
    addresses = {one["address"] for one in document["channels"].values()}
    assert "x.task.{topic}.{id}" in addresses
    operated = {one["channel"]["$ref"] for one in document["operations"].values()}
    assert operated == {f"#/channels/{s.name}" for s in CATALOG}
    assert document["operations"]["receiveServiceRequest"]["reply"]
    for message in document["components"]["messages"].values():
        assert message["examples"]
    used = {t for one in document["channels"].values() for t in one.get("parameters", {})}
    assert used == set(document["components"]["parameters"])


def test_tasks_and_results_have_their_headers() -> None:
    components = asyncapi()["components"]
    task = components["messages"]["Task"]["headers"]["$ref"].rpartition("/")[2]
    headers = components["schemas"][task]["properties"]
    assert {"Pp-Id", "traceparent", "Pp-Timeout-Ms"} <= headers.keys()
    assert all(one["description"] for one in headers.values())
    assert components["messages"]["Result"]["headers"]["$ref"].endswith("ResultHeaders")
