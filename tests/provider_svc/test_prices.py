import subprocess
import sys
import warnings

import pytest

from pepperpy_provider_svc.declared.models import Price, Provider
from pepperpy_provider_svc.money import prices as module
from pepperpy_provider_svc.money.prices import ModelPrice, Prices
from pepperpy_schemas.chat import Usage

PROVIDERS = {
    "gpt": Provider(kind="openai"),
    "answers": Provider(kind="openai-responses"),
    "claude": Provider(kind="anthropic"),
    "groq": Provider(kind="openai", base_url="https://api.groq.com/openai/v1"),
    "ollama": Provider(kind="openai", base_url="http://127.0.0.1:11434/v1"),
    "here": Provider(kind="local"),
}
USAGE = Usage(1000, 100, cached_tokens=400, cache_write_tokens=200)


@pytest.fixture
def prices() -> Prices:
    return Prices({}, PROVIDERS)


def test_cached_and_written_tokens_have_prices_of_their_own(prices: Prices) -> None:
    price = prices.known("claude/claude-haiku-4-5")
    assert price is not None
    assert price == ModelPrice(
        usd_per_million_input=1,
        usd_per_million_output=5,
        usd_per_million_cached=0.1,
        usd_per_million_written=1.25,
        context_window=200_000,
    )
    expected = (400 * 1 + 400 * 0.1 + 200 * 1.25 + 100 * 5) / 1e6
    assert prices.usd("claude/claude-haiku-4-5", USAGE) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("target", "provider", "model"),
    [
        ("gpt/gpt-5-mini", "openai", "gpt-5-mini"),
        ("answers/gpt-5.4", "openai", "gpt-5.4"),
        ("claude/claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),
        ("groq/llama-3.3-70b-versatile", "groq", "llama-3.3-70b-versatile"),
    ],
)
@pytest.mark.parametrize("size", [1000, 199_999, 200_001, 500_000])
def test_the_sums_are_those_of_the_library(
    prices: Prices, target: str, provider: str, model: str, size: int
) -> None:
    from genai_prices import Usage as Theirs
    from genai_prices import calc_price

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = calc_price(
            Theirs(
                input_tokens=size,
                output_tokens=100,
                cache_read_tokens=400,
                cache_write_tokens=0,
            ),
            model,
            provider_id=provider,
        )
    ours = prices.usd(target, Usage(size, 100, cached_tokens=400))
    assert ours == pytest.approx(float(theirs.total_price), rel=1e-9)


def test_the_kind_and_the_address_say_whose_prices_count(prices: Prices) -> None:
    assert prices.known("gpt/gpt-5-mini") == prices.known("answers/gpt-5-mini")
    assert prices.known("groq/llama-3.3-70b-versatile") is not None
    assert prices.known("ollama/gpt-5-mini") is None
    assert prices.known("gpt/claude-haiku-4-5") is None


def test_a_model_without_a_price_costs_something_unknown(prices: Prices) -> None:
    for target in ("gpt/none-such", "ollama/llama3", "nobody/gpt-5"):
        assert prices.known(target) is None
        assert prices.usd(target, USAGE) is None
        assert prices.context_window(target) is None


def test_a_model_of_ones_own_machine_costs_nothing(prices: Prices) -> None:
    assert prices.usd("here/smollm2", USAGE) == 0.0
    assert prices.known("here/smollm2") == ModelPrice(
        usd_per_million_input=0.0, usd_per_million_output=0.0
    )


def test_an_embedding_costs_its_input(prices: Prices) -> None:
    assert prices.usd("gpt/text-embedding-3-small", Usage(1_000_000)) == pytest.approx(0.02)


def test_prices_of_ones_own_come_first() -> None:
    own = {
        "gpt/gpt-5-mini": Price(input=100, output=200, cached=10),
        "ollama/*": Price(input=1, output=2),
        "here/*": Price(input=3, output=3),
    }
    prices = Prices(own, PROVIDERS)
    expected = (400 * 100 + 400 * 10 + 200 * 100 + 100 * 200) / 1e6
    assert prices.usd("gpt/gpt-5-mini", USAGE) == pytest.approx(expected)
    assert prices.context_window("gpt/gpt-5-mini") == 400_000
    assert prices.usd("ollama/llama3", USAGE) == pytest.approx((1000 + 200) / 1e6)
    assert prices.usd("here/smollm2", Usage(1_000_000)) == 3.0


def test_names_that_callers_make_up_are_not_remembered_for_ever(
    prices: Prices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST", 5)
    for n in range(20):
        prices.known(f"gpt/none-such-{n}")
    assert len(prices._models) <= 5


def test_the_library_is_imported_by_the_first_question_alone() -> None:
    code = (
        "import sys; from pepperpy_provider_svc.money.prices import Prices;"
        "assert 'genai_prices' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
