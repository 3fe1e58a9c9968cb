"""Tasks for people and programs without NATS."""

import asyncio
import json
from typing import Any

import pytest

from pepperpy import Agent, Context
from pepperpy_bus.client import Client
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.tasks.results import Results
from pepperpy_schemas.errors import Unavailable
from tests.monitor_svc.edge.conftest import CRM, SHOP


async def test_a_task_is_submitted_waited_for_and_looked_up(
    edge: Any, bus: Client, worker: Any
) -> None:
    async with worker(bus, "echo"):
        status, headers, said = await edge.ask("POST", "/v1/tasks/echo?wait=10s", json={"a": [1]})
    assert (status, said["data"], said["state"]) == (200, {"a": [1]}, "completed")
    assert headers["Location"] == f"/v1/tasks/{said['id']}"
    assert headers["Pp-Id"] == said["id"]
    status, _, found = await edge.ask("GET", headers["Location"])
    assert (status, found) == (200, said)


async def test_a_task_that_is_not_waited_for_says_where_to_ask(
    edge: Any, bus: Client, worker: Any
) -> None:
    status, headers, said = await edge.ask("POST", "/v1/tasks/later", json=1)
    assert (status, said["topic"]) == (202, "later")
    status, _, found = await edge.ask("GET", said["url"])
    assert (status, found["state"]) == (200, "submitted")
    async with worker(bus, "later"):
        status, _, found = await edge.ask("GET", f"{headers['Location']}?wait=10s")
    assert (status, found["state"], found["data"]) == (200, "completed", 1)


async def test_a_wait_that_is_too_short_is_answered_as_accepted(edge: Any) -> None:
    status, headers, said = await edge.ask("POST", "/v1/tasks/nobody?wait=50ms", json=1)
    assert (status, headers["Location"]) == (202, f"/v1/tasks/{said['id']}")
    status, _, found = await edge.ask("GET", f"{said['url']}?wait=50ms")
    assert (status, found["state"]) == (200, "submitted")


@pytest.mark.parametrize(
    ("kind", "body", "taken"),
    [
        ("application/json", b'{"a":1}', {"a": 1}),
        ("application/merge-patch+json", b"[1]", [1]),
        ("text/plain; charset=utf-8", "grüß".encode(), "grüß"),
        ("text/plain; charset=latin-1", "grüß".encode("latin-1"), "grüß"),
        ("application/octet-stream", b"\x00\xff", "AP8="),
    ],
)
async def test_any_body_becomes_a_tasks_body(
    edge: Any, bus: Client, worker: Any, kind: str, body: bytes, taken: Any
) -> None:
    async with worker(bus, "echo"):
        status, _, said = await edge.ask(
            "POST", "/v1/tasks/echo?wait=10s", data=body, headers={"Content-Type": kind}
        )
    assert (status, said["data"]) == (200, taken)


async def test_headers_say_how_a_task_is_done_and_the_token_whose_it_is(
    edge: Any, bus: Client, worker: Any
) -> None:
    async with worker(bus, "echo", hold=True) as held:
        await edge.ask(
            "POST",
            "/v1/tasks/echo",
            SHOP,
            json=1,
            headers={
                "Pp-Id": "mine-1",
                "Pp-Priority": "high",
                "Pp-Timeout": "5m",
                "Pp-Source": "somebody-else",
                "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
            },
        )
        async with asyncio.timeout(10):
            while not held.seen:
                await asyncio.sleep(0.01)
        task = held.seen[0]
        held.free.set()
    assert task.subject.endswith(".echo-hi.mine-1")
    assert task.headers["pp-source"] == "shop"
    assert task.headers["pp-timeout-ms"] == "300000"
    assert "a" * 32 in task.headers["traceparent"]


async def test_the_same_idempotency_key_is_one_task_of_one_caller(
    edge: Any, bus: Client, worker: Any
) -> None:
    key = {"Idempotency-Key": "order 17"}
    ids = []
    for token in (CRM, CRM, SHOP):
        _, _, said = await edge.ask("POST", "/v1/tasks/echo", token, json=1, headers=key)
        ids.append(said["id"])
    assert ids[0] == ids[1] != ids[2]
    status, _, said = await edge.ask("POST", "/v1/tasks/echo", CRM, json=2, headers=key)
    assert (status, said["error"]["code"]) == (409, "conflict")


async def test_a_task_that_fails_is_answered_with_the_bus_s_error(
    edge: Any, bus: Client, worker: Any
) -> None:
    async with worker(bus, "echo"):
        status, headers, said = await edge.ask(
            "POST", "/v1/tasks/echo?wait=10s", json={"fail": True}
        )
    assert (status, said["error"]["code"], said["error"]["hint"]) == (400, "bad_payload", "mend it")
    status, _, found = await edge.ask("GET", headers["Location"])
    assert (status, found["state"], found["error"]["code"]) == (200, "rejected", "bad_payload")


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/tasks/a.b", b"1", 400, "bad_name"),
        ("/v1/tasks/%3E", b"1", 400, "bad_name"),
        ("/v1/tasks/echo", b"{", 400, "bad_payload"),
        ("/v1/tasks/echo", b'"\xff"', 400, "bad_payload"),
        ("/v1/tasks/echo?wait=soon", b"1", 400, "bad_query"),
        ("/v1/elsewhere", b"1", 404, "not_found"),
    ],
)
async def test_a_wrong_request_says_what_is_wrong(
    edge: Any, path: str, body: bytes, status: int, code: str
) -> None:
    given, _, said = await edge.ask(
        "POST", path, data=body, headers={"Content-Type": "application/json"}
    )
    assert (given, said["error"]["code"]) == (status, code)
    assert said["error"]["message"]
    assert "TOPIC" not in said["error"]["hint"]


async def test_a_form_is_refused_for_nobody_means_one(edge: Any) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    status, _, said = await edge.ask("POST", "/v1/tasks/echo", data=b"[1,2]", headers=form)
    assert (status, said["error"]["code"]) == (415, "unsupported_type")
    assert said["error"]["hint"] == "send Content-Type: application/json"


async def test_a_task_that_ends_while_it_is_looked_up_has_its_result(
    edge: Any, bus: Client, worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with worker(bus, "echo"):
        _, _, said = await edge.ask("POST", "/v1/tasks/echo?wait=10s", json=7)
    get, asked = Results.get, list[str]()

    async def late(results: Results, task_id: str) -> Any:
        asked.append(task_id)
        return None if len(asked) == 1 else await get(results, task_id)

    monkeypatch.setattr(Results, "get", late)
    _, _, found = await edge.ask("GET", f"/v1/tasks/{said['id']}")
    assert (found["state"], found["data"]) == ("completed", 7)


async def test_a_task_that_nobody_knows_is_not_found(edge: Any) -> None:
    for method, path in (
        ("GET", "/v1/tasks/never-was"),
        ("GET", "/v1/tasks/never-was/events"),
        ("DELETE", "/v1/tasks/never-was"),
    ):
        status, _, said = await edge.ask(method, path)
        assert (status, said["error"]["code"]) == (404, "not_found"), (method, path)


async def test_a_queued_task_is_canceled(edge: Any, working: Any) -> None:
    agent = Agent("sleeper")

    @agent.task("sleep")
    async def sleep(_: None, ctx: Context) -> None:
        await asyncio.sleep(60)

    async with working(agent):
        _, _, said = await edge.ask("POST", "/v1/tasks/sleep", json=None)
        status, _, gone = await edge.ask("DELETE", f"{said['url']}?reason=no+more")
        assert (status, gone) == (200, {"id": said["id"], "canceled": True})
        status, _, found = await edge.ask("GET", said["url"])
        assert (found["state"], found["error"]["code"]) == ("canceled", "canceled")
        assert "by crm: no more" in found["error"]["message"]


async def test_a_question_is_listed_and_answered(edge: Any, working: Any, eventually: Any) -> None:
    agent = Agent("asker")

    @agent.task("ask")
    async def ask(_: None, ctx: Context) -> Any:
        return await ctx.ask("Send it?", choices=["yes", "no"])

    async with working(agent):
        _, _, said = await edge.ask("POST", "/v1/tasks/ask", json=None)
        asked: list[Any] = []
        async with asyncio.timeout(15):
            while not asked:
                await asyncio.sleep(0.05)
                _, _, found = await edge.ask("GET", "/v1/questions?topic=ask")
                asked = found["items"]
        assert (asked[0]["text"], asked[0]["choices"]) == ("Send it?", ["yes", "no"])
        path = f"{said['url']}/answer"
        status, _, wrong = await edge.ask("POST", path, json={"answer": "perhaps"})
        assert (status, wrong["error"]["code"]) == (400, "bad_payload")
        status, _, given = await edge.ask("POST", path, json={"answer": "yes", "question": 1})
        assert (status, given) == (200, {"id": said["id"], "question": 1})
        _, _, end = await edge.ask("GET", f"{said['url']}?wait=15s")
        assert end["data"] == "yes"


async def frames(edge: Any, path: str, **headers: str) -> list[tuple[str, str, Any]]:
    """What a listener is told until the stream ends: name, id, data."""
    given = {"Authorization": f"Bearer {CRM}", **headers}
    found = []
    async with asyncio.timeout(20), edge.http.get(edge.base + path, headers=given) as answer:
        assert answer.content_type == "text/event-stream"
        event: dict[str, str] = {}
        async for line in answer.content:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                event[name] = value
            elif "data" in event:
                found.append((event.get("event", ""), event.get("id", ""), event["data"]))
                event = {}
    return [(name, place, json.loads(data)) for name, place, data in found]


async def test_a_stream_tells_events_output_and_the_end_and_goes_on_where_it_was(
    edge: Any, working: Any
) -> None:
    agent = Agent("speaker")

    @agent.task("speak")
    async def speak(_: None, ctx: Context) -> str:
        for word in ("one", "two", "three"):
            await ctx.stream(word)
        return "done"

    async with working(agent):
        _, _, said = await edge.ask("POST", "/v1/tasks/speak?wait=10s", json=None)
        told = await frames(edge, f"/v1/tasks/{said['id']}/events")
    words = [data["t"] for name, _, data in told if name == "token" and data.get("t")]
    assert words == ["one", "two", "three"]
    names = [data["name"] for name, _, data in told if name == "event"]
    assert names[-1] == "task.completed"
    assert told[-1][0] == "ended"
    assert told[-1][2]["data"] == "done"
    place = next(place for name, place, data in told if name == "token" and data.get("t") == "two")
    rest = await frames(edge, f"/v1/tasks/{said['id']}/events", **{"Last-Event-ID": place})
    assert [data["t"] for name, _, data in rest if name == "token" and data.get("t")] == ["three"]
    status, _, _ = await edge.ask(
        "GET", f"/v1/tasks/{said['id']}/events", headers={"Last-Event-ID": "end"}
    )
    assert status == 204


async def test_a_listener_that_is_cut_off_goes_on_and_loses_nothing(
    edge: Any, working: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pepperpy_monitor_svc.edge.watching._WAITING", 50)
    agent = Agent("speaker")

    @agent.task("speak")
    async def speak(_: None, ctx: Context) -> None:
        for n in range(20):
            await ctx.stream(f"{n} {'x' * 100}")

    async with working(agent):
        _, _, said = await edge.ask("POST", "/v1/tasks/speak?wait=20s", json=None)
    heard: list[int] = []
    times, last = 0, ""
    while last != "end":
        more = {"Last-Event-ID": last} if last else {}
        for name, place, data in await frames(edge, f"/v1/tasks/{said['id']}/events", **more):
            last = place
            if name == "token" and data.get("t"):
                heard.append(int(data["t"].split()[0]))
        times += 1
    assert heard == list(range(20))
    assert times > 20


async def test_what_went_wrong_while_it_was_told_is_the_last_frame(
    edge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_args: Any, **_options: Any) -> Any:
        raise Unavailable("the stream is gone")
        yield

    monkeypatch.setattr(Client, "watch", broken)
    _, _, said = await edge.ask("POST", "/v1/tasks/nobody", json=1)
    told = await frames(edge, f"{said['url']}/events")
    assert [(name, data["code"]) for name, _, data in told] == [("error", "unavailable")]


async def test_a_cloud_event_is_read_by_the_worker_as_one(edge: Any, working: Any) -> None:
    agent = Agent("reader")

    @agent.task("read")
    async def read(n: int) -> int:
        return n

    event = {"specversion": "1.0", "id": "1", "source": "shop", "type": "order", "data": 5}
    async with working(agent):
        status, _, said = await edge.ask(
            "POST",
            "/v1/tasks/read?wait=10s",
            data=json.dumps(event),
            headers={"Content-Type": "application/cloudevents+json"},
        )
    assert (status, said["data"]) == (200, 5)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Pp-Timeout": "soon"}, "bad_header"),
        ({"Pp-Priority": "urgent"}, "bad_header"),
        ({"Pp-Id": "a.b"}, "bad_name"),
        ({"Pp-Key": "k" * 300}, "bad_name"),
        ({"Pp-Key": "k", "Pp-Priority": "high"}, "bad_header"),
        ({"Idempotency-Key": "k" * 300}, "bad_header"),
        ({"Content-Type": "text/plain; charset=klingon"}, "bad_payload"),
        ({"Content-Type": "text/plain; charset=ascii"}, "bad_payload"),
        ({"Content-Type": "text/plain; charset=punycode"}, "bad_payload"),
        ({"Content-Type": "text/plain; charset=undefined"}, "bad_payload"),
    ],
)
async def test_a_wrong_header_says_what_is_wrong(
    edge: Any, headers: dict[str, str], code: str
) -> None:
    status, _, said = await edge.ask("POST", "/v1/tasks/x", data="ü".encode(), headers=headers)
    if "Content-Type" not in headers:
        status, _, said = await edge.ask("POST", "/v1/tasks/x", json=1, headers=headers)
    assert (status, said["error"]["code"]) == (400, code)


async def test_headers_that_are_no_text_are_passed_over(edge: Any) -> None:
    head = (
        f"POST /v1/tasks/nobody HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {CRM}\r\n"
        "Connection: close\r\nContent-Length: 2\r\n"
    )
    wrong = b"traceparent: \xff\r\ntracestate: \xff\r\nbaggage: \xff\r\n"
    kind = b"Content-Type: application/cloudevents+json; x=\xff\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(head.encode() + wrong + kind + b"{}")
    async with asyncio.timeout(10):
        said = await reader.read()
    writer.close()
    assert said.startswith(b"HTTP/1.1 202 ")


async def test_it_is_not_ready_while_the_broker_is_away(
    edge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await edge.ask("GET", "/readyz", ""))[0] == 200
    monkeypatch.setattr(Connection, "connected", property(lambda _: False))
    status, headers, said = await edge.ask("GET", "/readyz", "")
    assert (status, said["error"]["code"]) == (503, "unreachable")
    assert "Retry-After" in headers
    assert (await edge.ask("GET", "/healthz", ""))[0] == 200
