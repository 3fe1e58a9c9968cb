"""The models of the deployment, for commands that ask them."""

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import typer

from pepperpy.commands._link import open_link

if TYPE_CHECKING:
    from pepperpy_bus.llm import LLM
    from pepperpy_schemas.chat import Usage


@contextlib.asynccontextmanager
async def open_models(ctx: typer.Context) -> "AsyncIterator[LLM]":
    """Connects to the broker with the settings in force, and gives the models there."""
    async with open_link(ctx) as link:
        from pepperpy_bus.llm import LLM
        from pepperpy_bus.trust.principals import principal_of

        principal = principal_of(link.connection.options.inbox_prefix)
        threshold = link.settings.bus.blob_threshold
        yield LLM(link.connection, link.prefix, principal, threshold=threshold)


def tokens_text(usage: "Usage") -> str:
    """Returns the tokens of an answer as people read them."""
    cached = f" ({usage.cached_tokens:,} cached)" if usage.cached_tokens else ""
    return f"{usage.input_tokens:,} tokens in{cached}, {usage.output_tokens:,} out"


def usd_text(usd: float | None) -> str:
    """Returns a price with two digits that count, as in ``$0.0012``."""
    if usd is None:
        return "price unknown"
    return f"${usd:.2f}" if usd == 0 or usd >= 1 else f"${float(f'{usd:.2g}'):.10f}".rstrip("0")
