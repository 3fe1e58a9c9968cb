"""What is reserved of a budget, and that no provider may use more than that."""

from collections.abc import Callable
from typing import Any

import pytest

from pepperpy_bus.llm.client import LLM
from pepperpy_provider_svc.limits.estimate import answer_tokens
from pepperpy_provider_svc.upstreams.anthropic_request import messages_body
from pepperpy_provider_svc.upstreams.openai_chat_request import chat_body
from pepperpy_provider_svc.upstreams.openai_responses_request import responses_body
from pepperpy_schemas.chat import ChatMessage, ChatRequest, Usage
from pepperpy_schemas.errors import BudgetExceeded, UpstreamFailed
from tests.provider_svc.asking import fails
from tests.provider_svc.gateway.conftest import SCRIPT, Serving, planned

ASK = [ChatMessage("user", "hi")]
FORM = {"schema": {"type": "object"}}
Sent = Callable[[ChatRequest], int | None]


def budget(tokens: int) -> str:
    return f'{SCRIPT}\n[tenants.t]\nprincipals = ["anon"]\ntokens_per_day = {tokens}\n'


async def ask(llm: LLM, streamed: bool, **options: Any) -> None:
    if streamed:
        _ = [one async for one in llm.stream("hi", **options)]
    else:
        await llm.chat("hi", **options)


async def used(llm: LLM) -> float:
    [limit] = [one for one in (await llm.status()).limits if one.unit == "tokens/day"]
    return limit.used


SENT: dict[str, Sent] = {
    "chat": lambda request: chat_body("m", request, official=True).get("max_completion_tokens"),
    "compatible": lambda request: chat_body("m", request, official=False).get("max_tokens"),
    "responses": lambda r: responses_body("m", r, official=True).get("max_output_tokens"),
    "claude": lambda request: messages_body("claude-opus-5", request)[0]["max_tokens"],
    "claude-3": lambda request: messages_body("claude-3-7-sonnet", request)[0]["max_tokens"],
}


@pytest.mark.parametrize("reasoning", [None, "none", "low", "medium", "high"])
@pytest.mark.parametrize("protocol", list(SENT))
def test_a_provider_is_told_the_limit_that_is_reserved(protocol: str, reasoning: Any) -> None:
    request = ChatRequest(messages=ASK, max_tokens=100, reasoning=reasoning)
    assert SENT[protocol](request) == answer_tokens(request)


async def test_who_has_a_budget_never_asks_without_a_limit(serving: Serving, llm: LLM) -> None:
    async with serving(declaration=budget(100_000)) as offer:
        upstream = planned(offer)
        await llm.chat("hi")
    [(_, request, _)] = upstream.asked
    assert request.max_tokens == 4096


async def test_who_has_none_asks_as_before(serving: Serving, llm: LLM) -> None:
    async with serving() as offer:
        upstream = planned(offer)
        await llm.chat("hi")
    [(_, request, _)] = upstream.asked
    assert request.max_tokens is None


async def test_thoughts_are_reserved_too(serving: Serving, llm: LLM) -> None:
    async with serving(declaration=budget(10_000)) as offer:
        upstream = planned(offer)
        with pytest.raises(BudgetExceeded):
            await llm.chat("hi", max_tokens=100, reasoning="high")
    assert upstream.calls == 0


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_repair_is_paid_from_a_reservation_of_its_own(
    serving: Serving, llm: LLM, streamed: bool
) -> None:
    script = "- {text: no json, usage: {input_tokens: 50, output_tokens: 90}}\n"
    async with serving(script, budget(200)):
        with pytest.raises(BudgetExceeded):
            await ask(llm, streamed, max_tokens=100, response_format=FORM)
        assert await used(llm) == 140


async def test_a_second_call_after_one_that_cost_is_reserved_for(
    serving: Serving, llm: LLM
) -> None:
    two = '\n[providers.two]\nkind = "scripted"\nscript = "answers.yaml"\n'
    broken = fails(UpstreamFailed(), after=1, usage=Usage(input_tokens=50, output_tokens=90))
    async with serving(declaration=budget(200) + two) as offer:
        planned(offer, broken)
        with pytest.raises(BudgetExceeded):
            await ask(llm, True, max_tokens=100, fallbacks=["two/any"])
        assert await used(llm) == 140
