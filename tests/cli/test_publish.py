import asyncio
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from pepperpy.commands._body import body_of
from pepperpy.commands._ends import ended
from pepperpy.commands._output import Progress
from pepperpy_bus.opening import connect
from pepperpy_schemas.messages import TopicSchema
from tests.cli.command_line import Cli

NUMBERED = {"type": "object", "properties": {"count": {"type": "integer"}}}
TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


@pytest.fixture
def triage(cli: Cli) -> Cli:
    """A deployment where a worker once announced the topic triage, and none is up."""

    async def announce() -> None:
        async with connect(cli.url, bus__prefix=cli.prefix) as bus:
            await bus.schemas.announce(TopicSchema("triage", 1, TEXT, {"type": "string"}))

    asyncio.run(announce())
    return cli


def stored(cli: Cli, topic: str) -> dict[str, str]:
    """The headers of the first task of a topic, read as any client may."""

    async def read() -> dict[str, str]:
        from pepperpy_bus.streams.reading import message_at
        from pepperpy_schemas.subjects import stream_name

        async with connect(cli.url, bus__prefix=cli.prefix) as bus:
            found = await message_at(bus.connection, stream_name(cli.prefix, "TASKS"), 1)
        assert found is not None
        assert found.subject.split(".")[2].startswith(topic)
        return {**found.headers, "body": found.body.decode(), "subject": found.subject}

    return asyncio.run(read())


def test_fields_make_an_object_and_colon_fields_carry_json() -> None:
    body = body_of(["text=a=b", "n:=3", "tags:=[true]", "empty="], None)
    assert json.loads(body) == {"text": "a=b", "n": 3, "tags": [True], "empty": ""}
    assert body_of([], None) == b"null"


def test_a_whole_body_comes_from_an_argument_a_file_or_an_option(tmp_path: Path) -> None:
    file = tmp_path / "task.json"
    file.write_text('{"text": "from a file"}')
    assert body_of([f"@{file}"], None) == b'{"text": "from a file"}'
    assert body_of([], f"@{file}") == b'{"text": "from a file"}'
    assert body_of(['{"a": 1}'], None) == b'{"a": 1}'
    assert body_of([], '"text"') == b'"text"'


@pytest.mark.parametrize("text", ['"hello"', "1.5", "-2", "true", "null", "[1]", '{"a": 1}'])
def test_one_argument_that_is_json_is_the_whole_body(text: str) -> None:
    assert body_of([text], None) == text.encode()


@pytest.mark.parametrize(
    ("fields", "data", "fact"),
    [
        (["word"], None, "key=value"),
        (["=x"], None, "key=value"),
        (["n:=x"], None, "no JSON after :="),
        (["word"], None, "has quotes"),
        (["a=1", "a:=2"], None, "a is given twice"),
        (["a=b"], "{}", "either fields or the whole body"),
        ([], "{bad", "is not JSON"),
    ],
)
def test_a_body_that_cannot_be_read_says_how_to_write_it(
    fields: list[str], data: str | None, fact: str
) -> None:
    with pytest.raises(typer.BadParameter, match=fact):
        body_of(fields, data)


def test_a_task_carries_its_source_priority_deadline_and_headers(cli: Cli) -> None:
    more = ["--priority", "high", "--timeout", "5m", "--header", "X-Shop=west", "--id", "order-7"]
    done = cli.run("publish", "triage", "text=hi", *more)
    assert (done.returncode, done.stdout) == (0, "order-7\n"), done.stderr
    task = stored(cli, "triage-hi")
    assert task["pp-source"] == "cli/ana"
    assert task["pp-priority"] == "high"
    assert task["pp-timeout-ms"] == "300000"
    assert task["x-shop"] == "west"
    assert task["subject"].endswith(".order-7")


def test_a_topic_nobody_announced_is_sent_with_a_note(triage: Cli) -> None:
    done = triage.run("publish", "triagee", "text=hi")
    assert done.returncode == 0
    assert 'no worker has announced topic "triagee": sent unchecked' in done.stderr
    assert 'did you mean "triage"?' in done.stderr


def test_a_body_that_does_not_fit_is_refused_before_it_is_sent(triage: Cli) -> None:
    done = triage.run("publish", "triage", "customer=c42")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        'error: topic "triage" refused the task: $.text is missing (expected string)',
        f"  for {triage.prefix}.task.triage by cli/ana · schema triage.v1",
        "  hint: show the schema with: pepperpy schema show triage",
    ]
    assert triage.run("publish", "triage", "customer=c42", "--no-check").returncode == 0
    assert "pp-schema" not in stored(triage, "triage")


def test_a_missing_body_is_called_missing(triage: Cli) -> None:
    done = triage.run("publish", "triage")
    assert done.returncode == 1
    assert "refused the task: $ is missing: no body (expected object)" in done.stderr


def test_a_refused_task_is_json_when_json_is_asked_for(triage: Cli) -> None:
    done = triage.run("publish", "triage", "customer=c42", "--json")
    assert (done.returncode, done.stderr) == (1, "")
    document = json.loads(done.stdout)
    assert (document["topic"], document["ok"]) == ("triage", False)
    assert document["error"]["context"]["path"] == "$.text"


def test_a_checked_task_names_its_schema(triage: Cli) -> None:
    assert triage.json("publish", "triage", "text=hi")["topic"] == "triage"
    assert stored(triage, "triage")["pp-schema"] == "triage.v1"


def test_wait_prints_what_the_task_returned(cli: Cli) -> None:
    cli.worker("echo")
    done = cli.run("publish", "echo", "-", "--wait=20s", stdin='{"n": 1}')
    assert (done.returncode, json.loads(done.stdout)) == (0, {"n": 1})
    document = cli.json("publish", "echo", "n:=2", "--wait")
    assert (document["state"], document["ok"], document["data"]) == ("completed", True, {"n": 2})


def test_wait_fails_with_the_error_of_the_task(cli: Cli) -> None:
    cli.worker("echo")
    done = cli.run("publish", "echo", "fail:=true", "--wait")
    assert (done.returncode, done.stdout) == (1, "")
    assert "failed: it broke" in done.stderr
    assert "  code: handler_error\n  hint: mend it" in done.stderr
    failed = cli.run("publish", "echo", "fail:=true", "--wait", "--json")
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["error"]["code"] == "handler_error"


def test_wait_gives_up_with_124_and_says_how_to_go_on(cli: Cli) -> None:
    done = cli.run("publish", "nobody", "--wait=200ms", "--id", "slow")
    assert (done.returncode, done.stdout) == (124, "")
    assert "error: task slow has not ended within 200ms" in done.stderr
    assert "pepperpy result slow --wait" in done.stderr


async def test_who_interrupts_the_wait_is_told_how_to_go_on(
    cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    async with connect(cli.url, bus__prefix=cli.prefix) as bus:
        waiting = asyncio.create_task(ended(bus, "slow", None))
        await asyncio.sleep(0)  # it has begun
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert capsys.readouterr().err.splitlines() == [
        "task slow has not ended",
        "  hint: it goes on; ask again with: pepperpy result slow --wait",
    ]


def test_count_publishes_that_many_and_says_how_fast(cli: Cli) -> None:
    done = cli.run("publish", "pile", "n:=1", "--count", "500")
    assert done.returncode == 0, done.stderr
    assert len(set(done.stdout.split())) == 500
    assert "published 500 in " in done.stderr


def test_a_rate_is_said_of_what_took_long_enough(capsys: pytest.CaptureFixture[str]) -> None:
    short, long = Progress(5, "published"), Progress(5, "published")
    long._begin -= 2
    for one in (short, long):
        one.step()
        one.end()
    first, second = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"published 1 in 0\.\d\d s", first)
    assert re.fullmatch(r"published 1 in 2\.\d\d s: 0/s", second)


@pytest.mark.parametrize(
    ("kind", "fields", "hint"),
    [
        (
            {"type": "integer"},
            ["count=5"],
            "it takes one value, without a name: pepperpy publish slow 5",
        ),
        (
            {"type": "integer"},
            ["a=x"],
            "it takes one value, without a name: pepperpy publish slow 5",
        ),
        ({"type": "string"}, ["a=x"], "pepperpy publish slow '\"hello\"'"),
        (NUMBERED, ["count=3"], "what is no text is written with := as JSON: count:=3"),
        (NUMBERED, ["count=three"], "show the schema with: pepperpy schema show slow"),
        ({"type": "integer"}, ['"5"'], "show the schema with: pepperpy schema show slow"),
    ],
)
def test_fields_that_do_not_fit_are_told_how_to_be_written(
    cli: Cli, kind: dict[str, Any], fields: list[str], hint: str
) -> None:
    async def announce() -> None:
        async with connect(cli.url, bus__prefix=cli.prefix) as bus:
            await bus.schemas.announce(TopicSchema("slow", 1, kind, {"type": "string"}))

    asyncio.run(announce())
    done = cli.run("publish", "slow", *fields)
    assert done.returncode == 1
    assert f"{hint}\n" in done.stderr


def test_a_choice_that_there_is_not_is_told_in_our_words(cli: Cli) -> None:
    done = cli.run("publish", "x", "1", "--priority", "urgent")
    assert done.returncode == 2
    assert "error: invalid value for '--priority': 'urgent' is not one of" in done.stderr


def test_hints_name_options_not_arguments(cli: Cli) -> None:
    done = cli.run("publish", "x", "1", "--tz", "Europe/Berlin")
    assert done.returncode == 2
    assert "hint: it is the zone of --cron; --at carries its own: 2026-" in done.stderr


def test_a_count_without_a_reader_or_a_success_says_no_figures(cli: Cli) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = cli.start("publish", "pile", "n:=1", "--count", "500", stdout=writing)
    os.close(writing)
    assert process.wait(20) == 141
    assert process.stderr is not None
    assert "published" not in process.stderr.read()
    missing = cli.run("dlq", "replay", "7")
    assert "replayed" not in missing.stderr


def test_count_with_wait_prints_every_end_and_fails_when_one_failed(cli: Cli) -> None:
    cli.worker("echo")
    done = cli.run("publish", "echo", "n:=1", "--count", "50", "--wait")
    ends = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert [end["data"] for end in ends] == [{"n": 1}] * 50
    failed = cli.run("publish", "echo", "fail:=true", "--count", "3", "--wait")
    assert failed.returncode == 1
    assert "3 of 3 tasks did not complete" in failed.stderr


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        (["echo", "--count", "2", "--id", "x"], "--id names one task"),
        (["echo", "--wait=soon"], "duration 'soon' is not understood"),
        (["echo", "--wait", "5s"], "write --wait=5s"),
        (["echo", "--wiat"], "no such option: --wiat (Possible options: --at, --data, --wait)"),
        (["echo", "--header", "novalue"], "write NAME=VALUE"),
        (["echo", "--priority", "urgent"], "urgent"),
        ([], "missing argument"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_names_the_fix(
    cli: Cli, arguments: list[str], fact: str
) -> None:
    done = cli.run("publish", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert fact in done.stderr
    assert "pepperpy publish --help" in done.stderr


def test_a_missing_file_and_a_bad_topic_are_errors_with_a_name(cli: Cli) -> None:
    missing = cli.run("publish", "echo", "@nowhere.json")
    assert (missing.returncode, missing.stderr) == (
        1,
        "error: nowhere.json: No such file or directory\n",
    )
    bad = cli.run("publish", "a.b")
    assert bad.returncode == 2
    assert "topic 'a.b' is not a valid name" in bad.stderr
