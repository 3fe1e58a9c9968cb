"""What models cost: prices of one's own, else those that `genai-prices` carries.

Nothing is asked over the network. A model that neither knows has no price, which is another thing
than costing nothing.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import msgspec

from pepperpy_provider_svc.declared.models import Kind, Price, Provider
from pepperpy_schemas.chat import Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, TieredPrices

_PROVIDERS: Final[Mapping[Kind, str]] = {
    "openai": "openai",
    "openai-responses": "openai",
    "anthropic": "anthropic",
}
_FREE: Final = frozenset({"local", "scripted"})
_PARTS: Final = ("input", "output", "cache_read", "cache_write")
_MILLION: Final = 1_000_000
_MOST: Final = 4096  # callers may ask for any name


class ModelPrice(msgspec.Struct, frozen=True, kw_only=True):
    """What a million tokens of a model cost, in US dollars, and how many it can read.

    Attributes:
        usd_per_million_input: Of the request.
        usd_per_million_output: Of the answer.
        usd_per_million_cached: Of the request, from the provider's cache; as the others when null.
        usd_per_million_written: Of the request, kept by the provider; as the others when null.
        context_window: Most tokens of a request and its answer; null where it is not known.
    """

    usd_per_million_input: float
    usd_per_million_output: float
    usd_per_million_cached: float | None = None
    usd_per_million_written: float | None = None
    context_window: int | None = None

    def usd(self, usage: Usage) -> float:
        """Returns what a request costs."""
        fresh = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
        input_, cached, written = (
            self.usd_per_million_input if price is None else price
            for price in (None, self.usd_per_million_cached, self.usd_per_million_written)
        )
        return (
            max(0, fresh) * input_
            + usage.cached_tokens * cached
            + usage.cache_write_tokens * written
            + usage.output_tokens * self.usd_per_million_output
        ) / _MILLION


class Prices:
    """The prices of targets.

    Args:
        own: Prices of the declaration, by ``provider/model``; ``provider/*`` is for all of it.
        providers: The declared providers: their kind and address say whose prices count.
    """

    def __init__(self, own: Mapping[str, Price], providers: Mapping[str, Provider]) -> None:
        self._own = own
        self._providers = providers
        self._models: dict[str, ModelInfo | None] = {}

    def usd(self, target: str, usage: Usage) -> float | None:
        """Returns what a request of these tokens costs, or None where no price is known."""
        price = self._price(target, usage.input_tokens)
        return None if price is None else price.usd(usage)

    def known(self, target: str) -> ModelPrice | None:
        """Returns the price of a model for requests of common size, or None."""
        return self._price(target, 0)

    def context_window(self, target: str) -> int | None:
        """Returns how many tokens a model reads and writes, where it is known."""
        model = self._model(target)
        return None if model is None else model.context_window

    def _price(self, target: str, size: int) -> ModelPrice | None:
        own = self._own.get(target) or self._own.get(f"{target.partition('/')[0]}/*")
        window = self.context_window(target)
        if own is not None:
            return ModelPrice(
                usd_per_million_input=own.input,
                usd_per_million_output=own.output,
                usd_per_million_cached=own.cached,
                context_window=window,
            )
        if self._kind(target) in _FREE:
            return ModelPrice(usd_per_million_input=0.0, usd_per_million_output=0.0)
        model = self._model(target)
        return None if model is None else _price_of(model, size)

    def _kind(self, target: str) -> Kind | None:
        provider = self._providers.get(target.partition("/")[0])
        return None if provider is None else provider.kind

    def _model(self, target: str) -> "ModelInfo | None":
        if target not in self._models:
            if len(self._models) >= _MOST:
                self._models.clear()
            self._models[target] = self._find(target)
        return self._models[target]

    def _find(self, target: str) -> "ModelInfo | None":
        name, _, model = target.partition("/")
        provider = self._providers.get(name)
        if provider is None or provider.kind in _FREE:
            return None
        from genai_prices.data_snapshot import get_snapshot

        # An endpoint of another address is another provider, whatever protocol it speaks.
        url = provider.base_url or None
        whose = None if url else _PROVIDERS[provider.kind]
        try:
            return get_snapshot().find_provider_model(model, None, whose, url)[1]
        except LookupError:
            return None


def _price_of(model: "ModelInfo", size: int) -> ModelPrice | None:
    """The price that holds now; some change with the hour or the size of the request.

    The library's own calculation takes 100 µs for each request, this one 2.
    """
    prices = model.get_prices(datetime.now(UTC))
    rates = [_rate(getattr(prices, f"{part}_mtok", None), size) for part in _PARTS]
    input_, output, cached, written = rates
    if input_ is None and output is None:
        return None
    return ModelPrice(
        usd_per_million_input=input_ or 0.0,
        usd_per_million_output=output or 0.0,
        usd_per_million_cached=cached,
        usd_per_million_written=written,
        context_window=model.context_window,
    )


def _rate(price: "Decimal | TieredPrices | None", size: int) -> float | None:
    if price is None or isinstance(price, Decimal):
        return None if price is None else float(price)
    # Beyond a tier's start all tokens cost what the tier says.
    reached = [tier.price for tier in price.tiers if size > tier.start]
    return float(reached[-1] if reached else price.base)
