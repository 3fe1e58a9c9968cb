"""Who asks, for whom, what they may spend, and what is told of it."""

import asyncio
import contextlib
import io
import json
import logging
from typing import Any

import nats
import pytest

from pepperpy.stack.broker import Broker
from pepperpy_bus.client import Client
from pepperpy_bus.llm.client import LLM
from pepperpy_bus.logs import configure
from pepperpy_bus.state.cells import Cells
from pepperpy_bus.streams.blobs import Blobs
from pepperpy_schemas.catalog.provider import (
    BREAKER,
    PROVIDER_CHAT,
    PROVIDER_STATUS,
    PROVIDER_STREAM,
)
from pepperpy_schemas.chat import ChatReply, Delta
from pepperpy_schemas.errors import (
    BadConfig,
    BadPayload,
    BudgetExceeded,
    Canceled,
    NoTargetLeft,
    PepperError,
    PermissionDenied,
    Unavailable,
    UnknownModel,
    UpstreamFailed,
)
from tests.provider_svc.asking import fails, stays_silent
from tests.provider_svc.gateway.conftest import SCRIPT, Serving, planned

SLOW = "- chunks: [{text: a}, {text: b, after: 60}]"
ASKED = b'{"messages":[{"role":"user","content":"hi"}]}'
PRICED = '\n[prices."script/any"]\ninput = 1000\noutput = 1000\n'


async def running(llm: LLM) -> int:
    return (await llm.status()).running


# --- leaving --------------------------------------------------------------------------------------


async def test_a_caller_that_leaves_a_stream_ends_it(
    serving: Serving, llm: LLM, client: Client, eventually: Any
) -> None:
    async with serving(SLOW):
        async with contextlib.aclosing(llm.stream("hi")) as items:
            async for _ in items:
                assert await running(llm) == 1
                break

        async def gone() -> bool:
            return await running(llm) == 0

        await eventually(gone)
        heard = [one async for one in client.events("llm.canceled", since="1m", until_end=True)]
    assert [one.data["model"] for one in heard] == ["default"]


async def test_a_caller_that_gives_up_a_whole_answer_ends_it(
    serving: Serving, llm: LLM, eventually: Any
) -> None:
    async with serving(SLOW):
        asking = asyncio.create_task(llm.chat("hi"))

        async def one() -> bool:
            return await running(llm) == 1

        async def none() -> bool:
            return await running(llm) == 0

        await eventually(one)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await eventually(none)


async def test_a_caller_that_died_ends_its_stream_within_a_sign_of_life(
    serving: Serving, llm: LLM, broker: Broker, prefix: str, eventually: Any
) -> None:
    async with serving(SLOW, keepalive=0.1):
        caller = await nats.connect(broker.url)
        inbox = caller.new_inbox()
        await caller.subscribe(inbox)
        await caller.publish(PROVIDER_STREAM.of(prefix, principal="anon"), ASKED, reply=inbox)

        async def one() -> bool:
            return await running(llm) == 1

        async def none() -> bool:
            return await running(llm) == 0

        await eventually(one)
        await caller.close()
        await eventually(none)


async def test_a_service_that_stops_tells_its_callers(serving: Serving, llm: LLM) -> None:
    async def ask() -> None:
        async for item in llm.stream("hi"):
            if isinstance(item, Delta):
                begun.set()

    begun = asyncio.Event()
    async with serving(SLOW, grace=0.1):
        asking = asyncio.create_task(ask())
        await asyncio.wait_for(begun.wait(), 5)
    with pytest.raises((Unavailable, Canceled)):
        await asyncio.wait_for(asking, 5)


@pytest.mark.parametrize("temperature", [0, 1])
async def test_a_whole_answer_is_limited_even_when_its_caller_says_nothing(
    serving: Serving, llm: LLM, broker: Broker, prefix: str, temperature: int
) -> None:
    """The whole way takes no longer than one call may; nobody knows whether anybody waits."""
    two = SCRIPT.replace('["script/any"]', '["script/any", "script/other"]')
    limited = two + 'timeouts = {total = "0.3s"}\n'
    async with serving(declaration=limited) as offer:
        upstream = planned(offer, stays_silent)
        nc = await nats.connect(broker.url)
        body = {"messages": [{"role": "user", "content": "hi"}], "temperature": temperature}
        subject = PROVIDER_CHAT.of(prefix, principal="anon")
        reply = await nc.request(subject, json.dumps(body).encode(), timeout=5)
        await nc.close()
    assert reply.headers is not None
    assert reply.headers["Nats-Service-Error-Code"] == "deadline_exceeded"
    assert [model for model, _, _ in upstream.asked] == ["any"]


# --- tenants --------------------------------------------------------------------------------------

TENANTS = (
    SCRIPT
    + """
[tenants.open]
principals = ["anon"]
models = ["default"]

[tenants.closed]
models = ["script/*"]
delegates = ["worker"]
"""
)


async def test_a_tenant_asks_only_the_models_that_are_its(serving: Serving, llm: LLM) -> None:
    async with serving("- text: Hello.", TENANTS):
        assert (await llm.chat("hi")).text == "Hello."
        with pytest.raises(PermissionDenied, match="script/any"):
            await llm.chat("hi", model="script/any")
        with pytest.raises(PermissionDenied):
            await llm.chat("hi", fallbacks=["script/any"])
        assert [one.name for one in await llm.models()] == ["default"]


async def test_nobody_speaks_for_a_tenant_that_is_not_its(serving: Serving, llm: LLM) -> None:
    async with serving("- text: Hello.", TENANTS):
        with pytest.raises(PermissionDenied, match="closed"):
            await llm.chat("hi", tenant="closed")


async def test_what_two_hundred_ask_at_once_never_goes_beyond_the_budget(
    serving: Serving, llm: LLM
) -> None:
    """Each costs 100 tokens, and there are 5000 of them."""
    budget = SCRIPT + '\n[tenants.t]\nprincipals = ["anon"]\ntokens_per_day = 5000\n'
    script = "- {text: Hello., usage: {input_tokens: 50, output_tokens: 50}}"

    async def ask() -> bool:
        try:
            await llm.chat("hi", max_tokens=80)
        except BudgetExceeded as error:
            refused.append(error.message)
            return False
        return True

    refused: list[str] = []

    async with serving(script, budget):
        done = await asyncio.gather(*(ask() for _ in range(200)))
        [limit] = [one for one in (await llm.status()).limits if one.unit.startswith("tokens")]
    assert 20 < sum(done) <= 50
    assert all("tenant" in message for message in refused)
    assert limit.used == 100 * sum(done)


@pytest.mark.parametrize(
    ("principal", "seen"),
    [("anon", {"open"}), ("operator", {"open", "secret"}), ("monitor", {"open", "secret"})],
)
async def test_a_tenant_sees_its_own_limits_and_spending_alone(
    serving: Serving, llm: LLM, broker: Broker, prefix: str, principal: str, seen: set[str]
) -> None:
    declaration = f"""
{SCRIPT}
[tenants.open]
principals = ["anon", "operator", "monitor"]
delegates = ["anon"]
tokens_per_day = 50000
[tenants.secret]
delegates = ["anon"]
usd_per_day = 77
{PRICED}"""
    async with serving(declaration=declaration) as offer:
        await llm.chat("hi")
        await llm.chat("hi", tenant="secret")
        async with asyncio.timeout(5):
            while len(await offer.parts.counters.spend()) < 3:  # two tenants and a model
                await asyncio.sleep(0.01)
        nc = await nats.connect(broker.url)
        subject = PROVIDER_STATUS.of(prefix, principal=principal)
        status = json.loads((await nc.request(subject, b"", timeout=5)).data)
        await nc.close()
    assert {one["name"] for one in status["limits"]} == {f"tenant {name}" for name in seen}
    spent = {one["label"] for one in status["spend"]}
    model = {"model script/any"} if "secret" in seen else set()
    assert spent == {f"tenant {name}" for name in seen} | model


async def test_what_a_cancelled_stream_has_said_is_paid(
    serving: Serving, llm: LLM, eventually: Any
) -> None:
    script = "- chunks: [{text: a few words of it}, {text: b, after: 60}]"
    async with serving(script, SCRIPT + PRICED):
        async with contextlib.aclosing(llm.stream("hi")) as items:
            async for item in items:
                if isinstance(item, Delta):
                    break

        async def counted() -> bool:
            spend = (await llm.status()).spend
            return any(one.label == "tenant anon" and one.usd > 0 for one in spend)

        await eventually(counted)


async def test_prices_of_ones_own_are_what_is_paid(serving: Serving, llm: LLM) -> None:
    script = "- {text: Hello., usage: {input_tokens: 500, output_tokens: 250}}"
    async with serving(script, SCRIPT + PRICED):
        reply = await llm.chat("hi")
        [model] = [one for one in await llm.models() if one.name == "script/any"]
    assert reply.usd == pytest.approx(0.75)
    assert model.usd_per_million_output == 1000


# --- pictures -------------------------------------------------------------------------------------


def showing(url: str, media_type: str = "") -> list[Any]:
    image = {"type": "image", "url": url, "media_type": media_type}
    return [{"role": "user", "content": [{"type": "text", "text": "what is it?"}, image]}]


async def test_a_stored_picture_travels_by_reference_to_the_provider(
    serving: Serving, llm: LLM, client: Client
) -> None:
    reference = await Blobs(client.connection, client.prefix).put(b"\x89PNG")
    async with serving("- text: A picture."):
        assert (await llm.chat(showing(f"blob:{reference}", "image/png"))).text == "A picture."


@pytest.mark.parametrize(
    ("url", "media_type", "words"),
    [
        ("http://example.org/a.png", "", r"\$\.messages\[0\]\.content\[1\]\.url"),
        ("file:///etc/passwd", "", "is no address of a picture"),
        ("blob:a;sha256=0;size=1", "text/html", "media_type"),
    ],
)
async def test_a_picture_from_elsewhere_is_refused_by_its_path(
    serving: Serving, llm: LLM, url: str, media_type: str, words: str
) -> None:
    async with serving():
        with pytest.raises(BadPayload, match=words):
            await llm.chat(showing(url, media_type))


# --- what is told ---------------------------------------------------------------------------------


async def events_of(client: Client) -> list[Any]:
    return [one async for one in client.events("llm.>", since="1m", until_end=True)]


async def test_an_event_tells_of_every_answer_without_a_word_of_it(
    serving: Serving, llm: LLM, client: Client
) -> None:
    async with serving("- text: the answer is 42"):
        await llm.chat("a private question")
        with contextlib.suppress(PepperError):
            await llm.chat("x", model="nobody/nothing")
    completed, failed = await events_of(client)
    assert (completed.verb, failed.verb) == ("completed", "failed")
    assert completed.data["target"] == "script/any"
    assert completed.data["usage"]["output_tokens"] == 4
    assert failed.data["code"] == "unknown_model"
    told = json.dumps([completed.data, failed.data])
    assert "private" not in told
    assert "42" not in told


async def test_an_event_of_a_failure_tells_whom_was_asked_in_vain(
    serving: Serving, llm: LLM, client: Client
) -> None:
    async with serving("- error: {code: upstream_failed, message: down}"):
        with pytest.raises(PepperError):
            await llm.chat("is it down")
    [failed] = await events_of(client)
    tried = {(one["target"], one["code"]) for one in failed.data["attempts"]}
    assert tried == {("script/any", "upstream_failed")}
    assert "is it" not in json.dumps(failed.data)


async def test_contents_are_told_when_that_is_asked_for_with_secrets_hidden(
    serving: Serving, llm: LLM, client: Client
) -> None:
    loud = SCRIPT + "[guards]\nlog_content = true\nredact = ['PIN \\d{4}']\n"
    async with serving("- text: I keep PIN 1234 to myself.", loud):
        await llm.chat("my PIN 1234, keep it")
    [completed] = await events_of(client)
    told = json.dumps(completed.data)
    assert "to myself" in told
    assert "keep it" in told
    assert "1234" not in told


# --- a new declaration ----------------------------------------------------------------------------


async def test_a_new_declaration_is_taken_over_while_requests_run(
    serving: Serving, llm: LLM, tmp_path: Any
) -> None:
    async with serving("- chunks: [{text: old}, {text: ' end', after: 0.4}]") as offer:
        asking = asyncio.create_task(llm.chat("hi"))
        while not await running(llm):
            await asyncio.sleep(0.01)
        (tmp_path / "new.yaml").write_text("- text: new\n")
        (tmp_path / "models.toml").write_text(SCRIPT.replace("answers.yaml", "new.yaml"))
        await offer.reload()
        assert (await llm.chat("hi")).text == "new"
        assert (await asking).text == "old end"


async def test_a_wrong_declaration_changes_nothing(
    serving: Serving, llm: LLM, tmp_path: Any
) -> None:
    async with serving("- text: old") as offer:
        (tmp_path / "models.toml").write_text("[providers")
        with pytest.raises(BadConfig):
            await offer.reload()
        assert (await llm.chat("hi")).text == "old"


async def test_vectors_cost_and_counts_are_told(serving: Serving, llm: LLM) -> None:
    async with serving():
        counted = await llm.count("how many?")
    assert counted.tokens > 0
    assert counted.model == "script/any"


async def test_replicas_share_the_requests_and_the_store(
    serving: Serving, llm: LLM, client: Client
) -> None:
    async with serving("- text: one", SCRIPT), serving("- text: one", SCRIPT):
        replies: list[ChatReply] = await asyncio.gather(*(llm.chat("hi") for _ in range(40)))
    assert {reply.text for reply in replies} == {"one"}


async def test_names_of_models_that_callers_invent_leave_nothing_behind(
    serving: Serving, llm: LLM
) -> None:
    async with serving() as offer:
        planned(offer, fails(UnknownModel("script answered 404")))
        for number in range(20):
            with pytest.raises(UnknownModel):
                await llm.chat("hi", model=f"script/bogus-{number}")
        assert list(offer.parts.router.figures._all) == []
        cells = Cells(llm._connection, llm._prefix, bucket="provider")
        assert await cells.bucket.entries(cells.pattern(BREAKER)) == []
        with pytest.raises(UnknownModel, match="200"):
            await llm.chat("hi", model="script/" + "x" * 200)
        with pytest.raises(UnknownModel):
            await llm.chat("hi")
        async with asyncio.timeout(5):
            while not await cells.bucket.entries(cells.pattern(BREAKER)):
                await asyncio.sleep(0.01)


CARD = "4111111111111111"


@pytest.mark.parametrize("log_content", [False, True])
async def test_a_streamed_answer_is_told_when_that_is_asked_for(
    serving: Serving, llm: LLM, client: Client, log_content: bool
) -> None:
    loud = f"{SCRIPT}[guards]\nlog_content = {str(log_content).lower()}\nredact = ['\\d{{16}}']\n"
    two = '\n[providers.two]\nkind = "scripted"\nscript = "answers.yaml"\n'
    async with serving(f"- text: I keep {CARD} to myself.", loud + two) as offer:
        planned(offer, fails(UpstreamFailed(), after=2))
        _ = [item async for item in llm.stream("hi", fallbacks=["two/any"])]
    [completed] = await events_of(client)
    told = json.dumps(completed.data)
    assert ("I keep *** to myself." in told) is log_content
    assert "one two" not in told
    assert CARD not in told


async def test_what_a_provider_repeats_of_a_request_is_shown_nowhere(
    serving: Serving, llm: LLM, client: Client, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = '\n[providers.two]\nkind = "scripted"\nscript = "answers.yaml"\n'
    guards = "\n[guards]\nredact = ['\\d{16}']\n"
    repeats = UpstreamFailed(f"answered 500: cannot read 'my card is {CARD}'")
    shown = io.StringIO()
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [*root.handlers])
    monkeypatch.setattr(root, "level", root.level)
    configure("info", "json", stream=shown)
    async with serving(declaration=SCRIPT + two + guards) as offer:
        planned(offer, fails(repeats))
        await llm.chat("hi", fallbacks=["two/any"])
        with pytest.raises(NoTargetLeft):
            await llm.chat("hi")
        await llm.count("hi")
        nc = await nats.connect(broker.url)
        statistics = (await nc.request("$SRV.STATS.provider", b"", timeout=5)).data.decode()
        await nc.close()
    completed, failed = await events_of(client)
    assert CARD not in json.dumps([completed.data, failed.data])
    assert "my card is ***" in json.dumps(completed.data)
    assert "provider.not_counted" in shown.getvalue()
    assert CARD not in shown.getvalue()
    assert "no_target_left" in statistics
    assert CARD not in statistics
