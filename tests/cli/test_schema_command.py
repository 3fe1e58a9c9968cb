import asyncio
import json
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pepperpy.commands.schema import app
from pepperpy.stack.broker import Broker
from pepperpy_bus.opening import connect
from pepperpy_schemas import codec
from pepperpy_schemas.catalog.replies import MESSAGES
from pepperpy_schemas.errors import BadName, NotFound, PepperError
from pepperpy_schemas.exporting import message_schemas
from pepperpy_schemas.messages import TopicSchema

GOLDEN = Path(__file__).parents[1] / "golden"
run = CliRunner().invoke


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """An export of the current messages that a test may make old."""
    assert run(app, ["export", str(tmp_path / "old")]).exit_code == 0
    return tmp_path / "old"


def test_ls_names_every_message_as_a_table_and_as_json() -> None:
    shown = run(app, ["ls"])
    assert shown.exit_code == 0
    assert shown.stdout.splitlines()[0].split() == ["NAME", "SUBJECT", "STREAM", "DOC"]
    rows = json.loads(run(app, ["ls", "--json"]).stdout)
    assert [row["name"] for row in rows] == [s.name for s in MESSAGES]


def test_show_tells_the_fields_of_a_message_with_an_example() -> None:
    shown = run(app, ["show", "Result"]).stdout
    assert "Result: How the task ended; exactly one." in shown
    assert "  ok  boolean, required  Whether the task completed." in shown
    assert "  error  ErrorInfo or null, optional" in shown
    assert '  example: {"ok": true' in shown
    assert "  choices  array of string, optional" not in shown
    assert run(app, ["show", "DeadLetter"]).stdout.count("array of AttemptRecord") == 1
    assert '"answer" or "check"' in run(app, ["show", "Resume"]).stdout
    assert json.loads(run(app, ["show", "Result", "--json"]).stdout) == message_schemas()["Result"]


def test_an_unknown_name_without_a_broker_says_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEPPERPY_NATS_URL", f"nats://127.0.0.1:{_closed_port()}")
    refused = run(app, ["show", "Nothing"])
    assert isinstance(refused.exception, NotFound)
    assert "'Nothing', and the topics cannot be asked" in refused.exception.message
    assert isinstance(refused.exception.__cause__, PepperError)


def _closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def announced(broker: Broker, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A topic in two versions, as workers announce it."""
    monkeypatch.setenv("PEPPERPY_NATS_URL", broker.url)
    monkeypatch.setenv("PEPPERPY_BUS_PREFIX", prefix)
    text = {"type": "string"}
    old = {"type": "object", "properties": {}}
    new = {"type": "object", "properties": {"n": {"type": "integer"}}}

    async def announce() -> None:
        async with connect(broker.url, bus__prefix=prefix) as bus:
            for body in (old, new):
                await bus.schemas.announce(
                    TopicSchema("triage", 1, body, text, "support", doc="Sorts.")
                )

    asyncio.run(announce())


@pytest.mark.usefixtures("announced")
def test_topics_are_listed_and_shown_from_what_workers_announced() -> None:
    rows = run(app, ["ls", "--topics", "--json"]).stdout
    row = {"topic": "triage", "version": 2, "agent": "support", "doc": "Sorts."}
    assert json.loads(rows) == [row]
    shown = run(app, ["show", "triage"]).stdout
    assert "triage.v2 takes\n  n  integer, optional" in shown
    assert "triage.v2 gives" in shown
    found = json.loads(run(app, ["show", "triage", "--json"]).stdout)
    assert found["output"] == {"type": "string"}
    refused = run(app, ["show", "other"])
    assert isinstance(refused.exception, NotFound)
    assert "schema ls" in refused.exception.hint


def test_a_bus_without_topics_lists_none(
    broker: Broker, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEPPERPY_NATS_URL", broker.url)
    monkeypatch.setenv("PEPPERPY_BUS_PREFIX", prefix)
    listed = run(app, ["ls", "--topics"])
    assert (listed.exit_code, listed.stdout) == (0, "")


def test_export_writes_the_golden_schemas(old: Path) -> None:
    golden = GOLDEN / "schemas" / "v1"
    assert {path.name for path in old.iterdir()} >= {path.name for path in golden.iterdir()}


def test_asyncapi_goes_to_stdout_or_to_a_file(tmp_path: Path) -> None:
    shown = run(app, ["asyncapi"])
    assert shown.stdout_bytes == (GOLDEN / "asyncapi.json").read_bytes()
    file = tmp_path / "a.json"
    written = run(app, ["asyncapi", "--output", str(file), "--prefix", "x"])
    assert (written.exit_code, written.stdout) == (0, "")
    assert str(file) in written.stderr.replace("\n", "")
    assert "x.task.{topic}" in file.read_text()
    assert isinstance(run(app, ["asyncapi", "--prefix", "a.b"]).exception, BadName)


def test_check_of_an_equal_export_is_well(old: Path) -> None:
    checked = run(app, ["check", str(old)])
    assert (checked.exit_code, checked.stdout) == (0, "")
    assert "ok: 0 compatible changes" in checked.stderr


def test_check_names_what_is_incompatible_and_exits_with_1(old: Path) -> None:
    token = codec.decode((old / "Token.json").read_bytes(), dict[str, object])
    token["properties"]["seq"] = {"type": "string"}  # type: ignore[index]  # JSON
    token["properties"]["more"] = {"type": "string"}  # type: ignore[index]  # JSON
    (old / "Token.json").write_bytes(codec.encode(token))
    checked = run(app, ["check", str(old)])
    assert checked.exit_code == 1
    assert "Token.seq" in checked.stdout
    assert "1 incompatible changes" in checked.stderr
    lines = json.loads(run(app, ["check", str(old), "--json"]).stdout)
    assert [(one["path"], one["breaking"]) for one in lines] == [
        ("Token.seq", True),
        ("Token.more", False),
    ]


def test_check_of_a_directory_without_schemas_says_so(tmp_path: Path) -> None:
    assert isinstance(run(app, ["check", str(tmp_path)]).exception, NotFound)
