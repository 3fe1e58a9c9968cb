"""Who may call the edge, how often, and with how much."""

import asyncio
import contextlib
import hashlib
import io
import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pepperpy_bus.config import load
from pepperpy_monitor_svc.edge.rates import Rates
from pepperpy_monitor_svc.edge.tokens import Tokens
from pepperpy_monitor_svc.http.answers import Refused
from pepperpy_monitor_svc.http.places import Places
from pepperpy_schemas.errors import BadConfig
from tests.monitor_svc.edge.conftest import CRM, SHOP

LONG = "a-token-that-is-long-enough"


def tokens_of(tmp_path: Path, text: str, **more: str) -> Tokens:
    path = tmp_path / "tokens.toml"
    path.write_text(text)
    path.chmod(0o600)
    flags = {"edge.tokens": str(path)} | {f"edge.{name}": value for name, value in more.items()}
    return Tokens(load(flags=flags, environ={}).settings.edge)


# --- tokens ---


async def test_without_a_token_nothing_is_told(edge: Any) -> None:
    for path in ("/v1/tasks/x", "/v1/questions", "/openapi.json", "/nowhere"):
        status, headers, said = await edge.ask("GET", path, token="")
        assert (status, said["error"]["code"]) == (401, "unauthenticated"), path
        assert headers["WWW-Authenticate"] == "Bearer"
    for path in ("/healthz", "/readyz"):
        assert (await edge.ask("GET", path, token=""))[0] == 200


async def test_who_guesses_has_to_wait(edge: Any) -> None:
    codes = [(await edge.ask("GET", "/v1/questions", f"guess {n}"))[0] for n in range(12)]
    assert codes[:8] == [401] * 8
    assert set(codes[8:]) == {429}
    assert (await edge.ask("GET", "/v1/questions"))[0] == 200, "a good token is no guess"


def test_tokens_may_be_hashed_and_are_read_again(tmp_path: Path) -> None:
    hashed = hashlib.sha256(LONG.encode()).hexdigest()
    tokens = tokens_of(tmp_path, f'crm = "sha256:{hashed}"\n', token="the-own-token-of-it")
    assert tokens.name_of(LONG) == "crm"
    assert tokens.name_of("the-own-token-of-it") == "edge"
    assert tokens.name_of(hashed) == tokens.name_of("") == tokens.name_of("\udcff") == ""
    (tmp_path / "tokens.toml").write_text(f'shop = "{LONG}"\n')
    tokens.reload()
    assert tokens.name_of(LONG) == "shop"
    (tmp_path / "tokens.toml").write_text("shop = 7\n")
    with pytest.raises(BadConfig, match="shop is no text"):
        tokens.reload()
    assert tokens.name_of(LONG) == "shop", "what is wrong changes nothing"
    (tmp_path / "tokens.toml").write_text("# nobody\n")
    tokens.reload()
    assert tokens.wanted, "an empty file lets nobody in, not everybody"


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ('crm = "short"', "fewer than 16"),
        ('crm = "sha256:12"', "no SHA-256"),
        ('"a b" = "a-token-that-is-long-enough"', "no name"),
        (f'a = "{LONG}"\nb = "{LONG}"', "the same token"),
        ("crm = ", "not TOML"),
    ],
)
def test_a_wrong_file_of_tokens_is_refused(tmp_path: Path, text: str, fact: str) -> None:
    with pytest.raises(BadConfig, match=fact) as caught:
        tokens_of(tmp_path, text)
    assert LONG not in str(caught.value)


def test_a_file_of_tokens_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(f'a = "{LONG}"')
    path.chmod(0o644)
    with pytest.raises(BadConfig, match="open to all users"):
        Tokens(load(flags={"edge.tokens": str(path)}, environ={}).settings.edge)


async def test_elsewhere_than_on_loopback_it_wants_a_token(opened: Callable[..., Any]) -> None:
    with pytest.raises(BadConfig, match="there is no token"):
        await opened(host="0.0.0.0", tokens=None)


# --- pages of other sites ---


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"X-Forwarded-For": "192.0.2.1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
async def test_where_no_token_is_needed_pages_of_other_sites_are_refused(
    opened: Callable[..., Any], headers: dict[str, str], status: int
) -> None:
    edge = await opened(tokens=None)
    assert (await edge.ask("POST", "/v1/tasks/echo", "", json=1))[0] == 202
    assert (await edge.ask("POST", "/v1/tasks/echo", "", json=1, headers=headers))[0] == status


# --- too much ---


def test_a_caller_may_make_so_many_requests_a_second_and_a_burst() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    rates = Rates(10, clock=lambda: at)
    for _ in range(60):  # a tenth of a minute's worth
        rates.take("crm")
    with pytest.raises(Refused, match="more than 10 requests a second of crm") as caught:
        rates.take("crm")
    assert (caught.value.status, caught.value.headers["Retry-After"]) == (429, "1")
    rates.take("shop")
    at += timedelta(seconds=0.1)
    rates.take("crm")


async def test_a_flood_is_refused_and_says_when_to_come_again(opened: Callable[..., Any]) -> None:
    edge = await opened(rate=2)
    asked = [edge.ask("GET", "/v1/tasks/x") for _ in range(40)]
    answers = await asyncio.gather(*asked)
    refused = [headers for status, headers, _ in answers if status == 429]
    assert len(refused) >= 40 - 12 - 10
    assert all(int(headers["Retry-After"]) >= 1 for headers in refused)


async def test_no_limit_is_no_limit(opened: Callable[..., Any]) -> None:
    edge = await opened(rate=0)
    answers = await asyncio.gather(*(edge.ask("GET", "/v1/tasks/x") for _ in range(40)))
    assert {status for status, _, _ in answers} == {404}


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(
    opened: Callable[..., Any],
) -> None:
    edge = await opened(largest="64KiB")
    status, _, said = await edge.ask("POST", "/v1/tasks/echo", data=io.BytesIO(b" " * (10 << 20)))
    assert (status, said["error"]["code"]) == (413, "too_large")

    async def endless() -> Any:
        for _ in range(64):
            yield b" " * 4096

    status, _, said = await edge.ask("POST", "/v1/tasks/echo", data=endless())
    assert (status, said["error"]["code"]) == (413, "too_large")


async def test_a_large_task_travels_whole(
    opened: Callable[..., Any], bus: Any, worker: Any
) -> None:
    edge = await opened(largest="12MiB")
    text = "x" * (10 << 20)
    async with worker(bus, "echo"):
        status, _, said = await edge.ask(
            "POST",
            "/v1/tasks/echo?wait=60s",
            data=io.BytesIO(json.dumps(text).encode()),
            headers={"Content-Type": "application/json"},
        )
    assert (status, len(said["data"])) == (200, 10 << 20)


async def test_a_compressed_body_is_refused_unopened(edge: Any) -> None:
    status, _, said = await edge.ask(
        "POST", "/v1/tasks/echo", data=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}
    )
    assert (status, said["error"]["code"]) == (415, "unsupported_type")


async def test_what_is_no_http_is_cut_off(edge: Any) -> None:
    for sent in (b"\x16\x03\x01\x02\x00" * 50, b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000):
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(sent)
        async with asyncio.timeout(10):
            said = await reader.read()
        assert b" 400 Bad Request" in said.partition(b"\r\n")[0]
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    assert (await edge.ask("GET", "/healthz"))[0] == 200


# --- the end ---


async def test_at_the_end_those_that_wait_are_told_where_to_ask(
    opened: Callable[..., Any], eventually: Any
) -> None:
    own = contextlib.AsyncExitStack()
    edge = await opened(own, grace="200ms")
    waiting = asyncio.create_task(edge.ask("POST", "/v1/tasks/slow?wait=60s", json=1))
    listening = asyncio.create_task(edge.ask("GET", "/healthz"))
    await listening
    async with asyncio.timeout(10):
        while (await edge.ask("GET", "/v1/tasks/x"))[0] != 404:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    await own.aclose()
    status, headers, said = await waiting
    assert (status, said["topic"]) == (202, "slow")
    assert headers["Location"] == said["url"]
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", edge.port), 1).close()


async def test_at_the_end_those_whose_task_ends_in_time_get_its_result(
    opened: Callable[..., Any], bus: Any, worker: Any, eventually: Any
) -> None:
    own = contextlib.AsyncExitStack()
    edge = await opened(own, grace="20s")
    async with worker(bus, "slow", hold=True) as held:
        given = {"json": 1, "headers": {"Pp-Id": "mine"}}
        waiting = asyncio.create_task(edge.ask("POST", "/v1/tasks/slow?wait=60s", CRM, **given))
        await eventually(lambda: held.seen)
        login = {"Authorization": f"Bearer {CRM}"}
        stream = await edge.http.get(f"{edge.base}/v1/tasks/mine/events", headers=login)
        ending = asyncio.create_task(own.aclose())
        async with asyncio.timeout(10):
            while (await edge.ask("GET", "/readyz"))[0] != 503:
                await asyncio.sleep(0.01)
        assert (await edge.ask("GET", "/healthz"))[0] == 200
        assert (await edge.ask("POST", "/v1/tasks/slow", json=2))[0] == 503
        assert not stream.content.at_eof()
        held.free.set()
        status, _, said = await waiting
        await ending
    assert (status, said["data"]) == (200, 1)
    assert stream.status == 200
    stream.close()


def test_one_caller_leaves_room_for_the_others() -> None:
    places = Places(4, each=2, doing="wait")
    with places.taken("crm"), places.taken("crm"):
        with pytest.raises(Refused, match="2 of crm wait already"), places.taken("crm"):
            pass
        with places.taken("shop"), places.taken("shop"):
            assert places.number == 4
            with pytest.raises(Refused, match="4 wait already"), places.taken("lab"):
                pass
        with places.taken("shop"):
            pass
    assert places.number == 0


async def test_waiting_requests_of_one_caller_are_bounded(
    opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pepperpy_monitor_svc.edge.app.WAITING", 4)
    edge = await opened(rate=0)
    answers = await asyncio.gather(
        *(edge.ask("POST", "/v1/tasks/slow?wait=1s", json=n) for n in range(6))
    )
    assert sorted(status for status, _, _ in answers) == [202, 202, 503, 503, 503, 503]
    assert all(headers["Retry-After"] == "10" for status, headers, _ in answers if status == 503)


async def test_bodies_that_are_held_at_once_are_bounded(
    opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pepperpy_monitor_svc.edge.app.BODIES", 0)
    edge = await opened(rate=0, largest="100KiB")  # four of them, and two of each caller
    head = (
        f"POST /v1/tasks/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {CRM}\r\n"
        "Content-Type: text/plain\r\nContent-Length: 102400\r\n\r\n"
    )
    slow = [await asyncio.open_connection("127.0.0.1", edge.port) for _ in range(2)]
    for _, writer in slow:
        writer.write(head.encode() + b"half of it")
    async with asyncio.timeout(10):
        while True:
            status, headers, said = await edge.ask("POST", "/v1/tasks/x", data=b"mine")
            if status == 503:
                break
    assert (said["error"]["code"], headers["Retry-After"]) == ("overloaded", "10")
    assert (await edge.ask("POST", "/v1/tasks/x", SHOP, data=b"the shop's"))[0] == 202
    for _, writer in slow:
        writer.close()
    async with asyncio.timeout(10):
        while (await edge.ask("POST", "/v1/tasks/x", data=b"mine"))[0] != 202:
            pass
