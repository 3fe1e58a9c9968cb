"""What models did, and what it cost."""

import msgspec

from pepperpy_schemas.messages import Count, Instant
from pepperpy_schemas.monitor.figures import Latency, Windows


class ModelRow(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What one model did for one agent of one tenant.

    Attributes:
        provider: The provider, or ``other`` where there are too many.
        model: The model.
        agent: The agent that asked, or who else did.
        tenant: Who pays.
        requests: Requests that ended.
        failed: Of these, failed.
        canceled: Of these, given up by their caller.
        codes: How often which code.
        input_tokens: Tokens read.
        output_tokens: Tokens written.
        cached_tokens: Of those read, kept by the provider.
        usd: What it cost, as far as prices are known.
        usd_rate: Dollars per hour, over the last hour.
        latency: How long requests took.
        first: How long the first piece took, over the last hour.
        last: When the last request ended.
    """

    provider: str
    model: str
    agent: str = ""
    tenant: str = ""
    requests: Count = 0
    failed: Count = 0
    canceled: Count = 0
    codes: dict[str, int] = {}
    input_tokens: Count = 0
    output_tokens: Count = 0
    cached_tokens: Count = 0
    usd: float = 0.0
    usd_rate: float = 0.0
    latency: Windows = Windows()
    first: Latency = Latency()
    last: Instant | None = None
