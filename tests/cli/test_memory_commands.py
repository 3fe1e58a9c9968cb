"""`pepperpy memory`, against a service in memory."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.loop_thread import LoopThread
from tests.cli.command_line import Cli
from tests.cli.inline import Inline
from tests.memory_svc.memory_service import remembering


@pytest.fixture
def memory(broker: Broker, prefix: str) -> Iterator[None]:
    """A memory service beside the test."""
    with LoopThread(remembering(broker.url, prefix), name="memory"):
        yield


pytestmark = pytest.mark.usefixtures("memory")


def test_what_is_put_is_shown_and_found_with_the_word_marked(inline: Inline) -> None:
    assert (
        inline.run("memory", "put", "The parcel is upstairs.", "--id", "p", "--source", "mail") == 0
    )
    assert inline.out == "p\n"
    assert inline.run("memory", "get", "p") == 0
    assert inline.out == "p  version 1, by anon, from mail\n  The parcel is upstairs.\n"
    assert inline.run("memory", "search", "parcel?") == 0
    assert inline.out == "  1  1.000  mail  p\n     The **parcel** is upstairs.\n"


def test_found_words_shine_on_a_terminal(inline: Inline, monkeypatch: pytest.MonkeyPatch) -> None:
    inline.run("memory", "put", "The parcel is up\x1b[31mstairs.")
    monkeypatch.setattr("pepperpy.commands._output.is_live", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert inline.run("memory", "search", "parcel") == 0
    assert "The \x1b[1;33mparcel\x1b[0m is" in inline.out
    assert "\x1b[31m" not in inline.out
    monkeypatch.setenv("NO_COLOR", "1")
    inline.run("memory", "search", "parcel")
    assert "**parcel**" in inline.out


def test_scores_are_explained(inline: Inline) -> None:
    inline.run("memory", "put", "The parcel is upstairs.")
    assert inline.run("memory", "search", "parcel", "--explain", "--recent", "--neighbours") == 0
    assert "vector 0.600 (" in inline.out
    assert "words 0.400 (" in inline.out
    assert "recency 0.200" in inline.out


def test_metadata_is_filtered_by_and_json_is_whole(inline: Inline) -> None:
    put = inline.json("memory", "put", "one", "-m", "n=1", "-m", "who=ana", "--ttl", "10m")
    assert put["metadata"] == {"n": 1, "who": "ana"}
    assert put["session"] == ""
    inline.run("memory", "put", "one", "-m", "n=2")
    where = json.dumps({"op": "eq", "field": "metadata.n", "value": 2})
    found = inline.json("memory", "search", "one", "--where", where)
    assert [hit["entry"]["metadata"] for hit in found["hits"]] == [{"n": 2}]
    assert inline.json("memory", "get", put["id"])[0]["text"] == "one"
    assert inline.run("memory", "get", put["id"]) == 0
    assert ", until 20" in inline.out


def test_wrong_usage_is_said(inline: Inline) -> None:
    assert inline.run("memory", "put", "x", "-m", "novalue") == 2
    assert "write NAME=VALUE" in inline.err
    assert inline.run("memory", "search", "x", "--where", "nojson") == 2
    assert "write a condition" in inline.err
    assert inline.run("memory", "get", "gone") == 1
    assert "no entry gone" in inline.err
    assert inline.run("memory", "stats", "-n", "foreign") == 1
    assert "no namespace 'foreign'" in inline.err


def test_entries_like_another_one_are_found(inline: Inline) -> None:
    inline.run("memory", "put", "alone in the world", "--id", "a")
    assert inline.run("memory", "similar", "a") == 0
    assert (inline.out, inline.err) == ("", "nothing was found\n")
    for number in range(3):
        inline.run("memory", "put", f"in the world {number}", "--id", f"b{number}")
    assert inline.run("memory", "similar", "a", "-k", "2") == 0
    assert inline.err == "there are more: --offset, --limit\n"


def test_stats_are_a_table_or_a_document(inline: Inline) -> None:
    inline.run("memory", "put", "one")
    assert inline.run("memory", "stats") == 0
    assert "memory, vectors of hashing:64@1 (64), 1 of them at hand; replica r1" in inline.out
    assert "main" in inline.out
    assert "en:1" in inline.out
    assert inline.json("memory", "stats")["namespaces"][0]["entries"] == 1


def test_an_export_is_taken_over_line_by_line(inline: Inline, tmp_path: Path) -> None:
    for number in range(3):
        inline.run("memory", "put", f"entry {number}", "--id", f"e{number}", "-m", f"n={number}")
    where = json.dumps({"op": "range", "field": "metadata.n", "gte": 1})
    assert inline.run("memory", "export", "--where", where) == 0
    assert [json.loads(line)["id"] for line in inline.out.splitlines()] == ["e1", "e2"]
    path = tmp_path / "entries.ndjson"
    path.write_text(inline.out + "\n")
    assert inline.run("memory", "import", str(path)) == 0
    assert inline.out == "imported 2, 0 were expired\n"
    path.write_text('{"id": 1}\n')
    assert inline.run("memory", "import", str(path)) == 2
    assert "entries.ndjson:1" in inline.err


def test_the_service_runs_until_it_is_told_to_stop_and_reads_its_declaration_again(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.toml").write_text('[namespaces.own]\nprincipals = ["*"]\n')
    process = cli.start(
        *("memory", "run", "--embedder", "hashing", "--declaration", "memory.toml"),
        *("--health-port", "0"),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "memory.ready" in line:
            break
    assert "hashing@1" in line
    (tmp_path / "memory.toml").write_text('[namespaces.other]\nprincipals = ["*"]\n')
    process.send_signal(signal.SIGHUP)
    for line in process.stderr:
        if "memory.reloaded" in line:
            break
    assert "other" in line
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0


def test_a_wrong_address_ends_the_service_at_once(cli: Cli) -> None:
    done = cli.run("memory", "run", "--url", "mysql://secret@host", "--embedder", "hashing")
    assert done.returncode == 1
    assert "'mysql' is no store of memory" in done.stderr
    assert "secret" not in done.stderr


def test_an_empty_address_is_refused(cli: Cli) -> None:
    done = cli.run("memory", "run", "--url", "", "--embedder", "hashing")
    assert done.returncode == 2
    assert "--url is empty" in done.stderr
