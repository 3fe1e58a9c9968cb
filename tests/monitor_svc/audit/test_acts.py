"""What people and programs do is in the log: who, what, to what, and nothing of any body."""

import asyncio
import json

import pytest

from pepperpy_bus.streams.jetstream import api, store
from pepperpy_bus.streams.reading import read_directly
from pepperpy_schemas.audit import AuditQuery
from pepperpy_schemas.catalog.events import AUDIT
from pepperpy_schemas.catalog.tasks import ANSWER
from pepperpy_schemas.errors import BadName
from pepperpy_schemas.messages import Answer
from pepperpy_schemas.subjects import stream_name
from tests.monitor_svc.audit.conftest import Books

SECRET = "grandmother's address"


async def test_a_submit_is_in_the_log_at_no_cost_to_the_sender(books: Books) -> None:
    async with books.chaining():
        task_id = await books.client.submit("triage", {"text": SECRET}, priority="high")
        page = await books.having(1, AuditQuery(action="submit"))
    (row,) = page.items
    assert (row.by, row.claimed, row.target) == ("tests/ana", True, task_id)
    size = len(json.dumps({"text": SECRET}, separators=(",", ":")))
    assert row.data == {"topic": "triage", "bytes": size, "priority": "high"}


async def test_a_submit_of_a_foreign_client_is_in_the_log(books: Books) -> None:
    """One that knows nothing of us but the subject."""
    subject = f"{books.client.prefix}.task.triage"
    async with books.chaining():
        ack = await store(books.client.connection, subject, b"{}")
        (row,) = (await books.having(1, AuditQuery(action="submit"))).items
    assert row.target == f"{ack.stream}-{ack.seq}"
    assert row.by == ""


async def test_what_was_done_before_a_monitor_came_is_in_the_log(books: Books) -> None:
    ids = [await books.client.submit("triage", n) for n in range(5)]
    async with books.chaining():
        page = await books.having(5, AuditQuery(action="submit"))
    assert [one.target for one in reversed(page.items)] == ids


async def test_cancels_keyed_tasks_and_answers_are_in_the_log(books: Books) -> None:
    client = books.client
    answer = ANSWER.of(client.prefix, topic="triage", id="t1", question="1")
    async with books.chaining():
        keyed = await client.submit("triage", {}, key="Ana Silva")
        task_id = await client.submit("triage", {})
        await client.cancel(task_id, reason=SECRET, by="ops/bo", wait=0.05)
        await store(client.connection, answer, ANSWER.encode(Answer(SECRET, "ops/bo")))
        await books.having(5)
    rows = {one.action: one for one in (await books.having(5)).items if one.target != keyed}
    assert rows["cancel"].target == task_id
    assert (rows["cancel"].by, rows["cancel"].claimed) == ("ops/bo", True)
    assert (rows["answer"].target, rows["answer"].by) == ("t1", "ops/bo")
    assert rows["answer"].data["question"] == "1"
    (row,) = (await books.log.search(AuditQuery(target=keyed))).items
    assert row.data["topic"] == "triage"
    text = "\n".join(map(repr, await books.records()))
    assert SECRET not in text
    assert "Ana" not in text
    assert "Silva" not in text


async def test_a_replay_and_a_rerun_are_told_from_a_submit(books: Books) -> None:
    async with books.chaining():
        for headers in ({"Pp-Replay-Of": "old"}, {"Pp-Replay-Of": "old", "Pp-From-Step": "3"}):
            subject = f"{books.client.prefix}.task.triage.{len(headers)}"
            await store(books.client.connection, subject, b"{}", headers=headers)
        page = await books.having(3)
    assert [(one.action, one.target, one.data.get("of")) for one in page.items[:2]] == [
        ("rerun", "2", "old"),
        ("replay", "1", "old"),
    ]


async def test_what_a_client_says_has_the_name_that_the_broker_knows(books: Books) -> None:
    async with books.chaining():
        await books.client.audit.say("agent-pause", "support", instance="i1")
        (row,) = (await books.having(1, AuditQuery(action="agent-*"))).items
    assert (row.by, row.claimed, row.target) == ("anon", False, "support")
    assert row.data == {"as": "tests/ana", "instance": "i1"}


async def test_what_nobody_can_read_is_in_the_log_with_its_size_and_hash(books: Books) -> None:
    subject = f"{books.client.prefix}.audit.anon.grant"
    async with books.chaining():
        await store(books.client.connection, subject, b"\xff" + SECRET.encode())
        (row,) = (await books.having(1, AuditQuery(action="grant"))).items
    assert row.data["unreadable"] is True
    assert row.data["bytes"] == len(SECRET) + 1
    assert SECRET not in repr(row)


async def test_nobody_fills_the_log_with_a_body(books: Books) -> None:
    subject = f"{books.client.prefix}.audit.anon.grant"
    data = {f"k{n}": "x" * 5000 for n in range(50)} | {"list": [SECRET * 99] * 99}
    body = json.dumps({"id": "1", "ts": "2026-01-01T00:00:00Z", "target": "t" * 9999, "data": data})
    async with books.chaining():
        await store(books.client.connection, subject, body.encode())
        (row,) = (await books.having(1, AuditQuery(action="grant"))).items
    assert len(row.target) == 200
    assert len(repr(row)) < 5000


async def test_an_action_that_is_no_token_is_refused_where_it_is_said(books: Books) -> None:
    with pytest.raises(BadName, match="action"):
        await books.client.audit.say("agent pause")


async def test_calls_of_tools_are_in_the_log_by_the_digest_of_their_arguments(books: Books) -> None:
    told = {"tool": "http.get", "call": "c1", "agent": "support", "arguments": "ab12"}
    async with books.chaining(), books.client.emitter() as emitter:
        for verb in ("called", "completed", "refused"):
            await emitter.emit("tool", verb, scope="http_get", id="t1", data=told, certain=True)
        await emitter.flush()
        page = await books.having(2, AuditQuery(action="tool-*"))
    assert [one.action for one in page.items] == ["tool-refused", "tool-called"]
    assert (page.items[0].by, page.items[0].target) == ("support", "http.get")
    assert page.items[0].data["task"] == "t1"


async def test_headers_of_the_servers_own_do_not_move_a_note(books: Books) -> None:
    """A sender may name another stream and number: the server writes its own over them."""
    subject = f"{books.client.prefix}.task.triage.forged"
    forged = {"Nats-Stream": "PP_OTHER", "Nats-Sequence": "999999", "Nats-Msg-Size": "1"}
    async with books.chaining():
        await store(books.client.connection, subject, b"12345", headers=forged)
        (row,) = (await books.having(1, AuditQuery(target="forged"))).items
        records = await books.records()
    assert row.data["bytes"] == 5
    assert records[-1].source == f"{stream_name(books.client.prefix, 'TASKS')}:1"


async def test_a_task_without_a_note_is_found_by_its_number(books: Books) -> None:
    """The server makes no note of a message whose sender asks for what that stream cannot do."""
    connection, prefix = books.client.connection, books.client.prefix
    hidden = {"Nats-Expected-Stream": stream_name(prefix, "TASKS")}
    async with books.chaining():
        await books.client.submit("triage", 1, id="first")
        await store(connection, f"{prefix}.task.triage.hidden", b"1", headers=hidden)
        await books.client.submit("triage", 1, id="third")
        page = await books.having(3, AuditQuery(action="submit"))
    assert [one.target for one in reversed(page.items)] == ["first", "hidden", "third"]


async def test_a_task_without_a_note_that_is_gone_is_told_by_its_number(books: Books) -> None:
    connection, prefix = books.client.connection, books.client.prefix
    stream = stream_name(prefix, "TASKS")
    async with books.chaining():
        await books.client.submit("triage", 1, id="first")
        await books.having(1, AuditQuery(target="first"))
        hidden = {"Nats-Expected-Stream": stream}
        ack = await store(connection, f"{prefix}.task.triage.hidden", b"1", headers=hidden)
        await api(connection, f"STREAM.MSG.DELETE.{stream}", {"seq": ack.seq})
        await books.client.submit("triage", 1, id="third")
        (row,) = (await books.having(1, AuditQuery(action="unnoted"))).items
    assert row.target == f"{stream}-2"


async def test_a_task_of_a_schedule_is_fired_by_it(books: Books) -> None:
    client = books.client
    stream = stream_name(client.prefix, "TASKS")
    async with books.chaining():
        await client.submit("triage", 1, id="first")
        schedule = await client.submit("nap", {}, delay="0.2s")
        due = {"last_by_subj": f"{client.prefix}.task.nap.*"}
        async with asyncio.timeout(10):
            while await read_directly(client.connection, stream, due) is None:
                await asyncio.sleep(0.05)
        await client.submit("triage", 1, id="last")
        (row,) = (await books.having(1, AuditQuery(action="fire"))).items
    assert (row.target, row.data["schedule"]) == (schedule, schedule)


async def test_notes_that_were_removed_unread_are_told(books: Books) -> None:
    connection, stream = books.client.connection, stream_name(books.client.prefix, "NOTED")
    async with books.chaining():
        await books.client.submit("triage", 1, id="first")
        await books.having(1, AuditQuery(target="first"))
    config = (await api(connection, f"STREAM.INFO.{stream}"))["config"]
    for n in range(4):
        await books.client.submit("triage", 1, id=f"lost{n}")
    await api(connection, f"STREAM.UPDATE.{stream}", config | {"max_msgs": 1})
    async with books.chaining():
        (row,) = (await books.having(1, AuditQuery(action="gap"))).items
        rows = (await books.having(5, AuditQuery(action="submit"))).items
    assert (row.target, row.data["first"], row.data["last"]) == (stream, 2, 4)
    assert {one.target for one in rows} == {"first", "lost0", "lost1", "lost2", "lost3"}
    assert (await books.log.verify()).ok


async def test_what_nobody_foresaw_does_not_bring_the_log_to_a_stop(books: Books) -> None:
    """Who may say anything may say it on a subject that no act has; nobody can remove it there."""
    client = books.client
    await store(client.connection, f"{client.prefix}.audit.of.nobody.at.all", b"{}")
    note = f"{client.prefix}.noted.task.triage.t1"
    long = {"Nats-Stream": stream_name(client.prefix, "TASKS"), "Nats-Sequence": "9" * 5000}
    await store(client.connection, note, b"", headers=long)
    async with books.chaining():
        task_id = await client.submit("triage", 1)
        page = await books.having(1, AuditQuery(target=task_id))
        (odd,) = (await books.having(1, AuditQuery(action="unreadable"))).items
    assert page.items[0].action == "submit"
    assert (odd.by, odd.target) == ("", f"{client.prefix}.audit.of.nobody.at.all")


async def test_an_act_cannot_pass_for_a_note(books: Books) -> None:
    """The headers of notes say nothing where anybody can write them."""
    client = books.client
    forged = {"Nats-Stream": stream_name(client.prefix, "TASKS"), "Nats-Sequence": "50"}
    subject = AUDIT.of(client.prefix, principal="anonymous", action="price")
    async with books.chaining():
        await client.submit("triage", 1)
        await books.having(1, AuditQuery(action="submit"))
        for number in ("1", "50"):
            headers = {**forged, "Nats-Sequence": number}
            await store(client.connection, subject, b"{}", headers=headers)
        await books.having(2, AuditQuery(action="price"))
    assert not (await books.log.search(AuditQuery(action="unnoted"))).items
