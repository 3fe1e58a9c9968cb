"""What else the provider service is asked: embeddings, counts, models, and how it is."""

from typing import Annotated, Final, Literal

import msgspec

from pepperpy_schemas.chat import Text1, Try, Usage
from pepperpy_schemas.messages import Count, Instant

METRICS: Final = {
    "provider-requests": "requests",
    "provider-input": "input_tokens",
    "provider-output": "output_tokens",
    "provider-cached": "cached_tokens",
    "provider-cache-write": "cache_write_tokens",
    "provider-reasoning": "reasoning_tokens",
    "provider-nano-usd": "nano_usd",
}
"""What the provider service counts, by the name of its counters; nobody else may count it."""


class EmbedRequest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Texts to turn into vectors.

    Attributes:
        texts: The texts, at most 2048.
        model: An alias of the provider service, or ``provider/model``.
        dimensions: Length of the vectors, where the model can choose.
        tenant: For whom it is, where the caller may speak for several; its own by default.
    """

    texts: Annotated[list[str], msgspec.Meta(min_length=1, max_length=2048)]
    model: Text1 = "embedding"
    dimensions: Annotated[int, msgspec.Meta(ge=1, le=65_536)] | None = None
    tenant: str = ""


class EmbedReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """A vector for every text, in their order.

    Attributes:
        vectors: The vectors, all of one length.
        usage: Tokens that it took.
        model: ``provider/model`` that answered.
        usd: What that cost; null where no price is known.
        attempts: The calls that were made for it, the last one answered.
    """

    vectors: list[list[float]]
    usage: Usage
    model: str
    usd: float | None = None
    attempts: list[Try] = []


class CountReply(msgspec.Struct, frozen=True):
    """How many tokens a chat request has.

    Attributes:
        tokens: The number.
        exact: Whether the model's own tokenizer counted; else it is an estimate from above.
        model: ``provider/model`` for which was counted.
    """

    tokens: Count
    exact: bool
    model: str


class TenantRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """A question about what somebody may use.

    Attributes:
        tenant: For whom it is, where the caller may speak for several; its own by default.
    """

    tenant: str = ""


class ModelInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """A model that can be asked for.

    Attributes:
        name: An alias, or ``provider/model``.
        targets: What an alias stands for, in their order.
        context_window: Most tokens of a request and its answer; null where it is not known.
        usd_per_million_input: Price of a million tokens in; null where it is not known.
        usd_per_million_output: Price of a million tokens out; null where it is not known.
    """

    name: str
    targets: list[str] = []
    context_window: Count | None = None
    usd_per_million_input: float | None = None
    usd_per_million_output: float | None = None


class ModelList(msgspec.Struct, frozen=True):
    """The models that the caller may ask for.

    Attributes:
        models: Aliases first.
    """

    models: list[ModelInfo]


class TargetStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one model of one provider is, with one key.

    Attributes:
        target: ``provider/model``.
        key: Name of the key.
        breaker: ``closed`` lets requests through, ``open`` none, ``half_open`` one to try.
        until: When an open breaker lets one through.
        reason: What opened it.
        running: Calls that run now, in this replica.
        calls: Calls so far, in this replica.
        failures: Those that failed.
        p50_ms: Half of the last calls answered within this, in milliseconds; null without any.
    """

    target: str
    key: str
    breaker: Literal["closed", "open", "half_open"] = "closed"
    until: Instant | None = None
    reason: str = ""
    running: Count = 0
    calls: Count = 0
    failures: Count = 0
    p50_ms: Count | None = None


class LimitStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is left of a limit.

    Attributes:
        name: Whose it is: ``key openai/main``, ``tenant support``.
        unit: ``requests/min``, ``tokens/min``, ``usd/day``, ``usd/month``, ``tokens/day``, ….
        limit: What is allowed.
        used: What of it is used or reserved now.
    """

    name: str
    unit: str
    limit: float
    used: float


class Spend(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was used since the deployment began, over all replicas.

    Attributes:
        label: Of whom: ``tenant support``, ``model openai/gpt-5-mini``.
        requests: Requests that were answered.
        usage: Their tokens.
        usd: Their cost, as far as prices are known.
    """

    label: str
    requests: Count = 0
    usage: Usage = Usage()
    usd: float = 0.0


class SimilarFigures(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of looking for answers to similar questions, in one replica.

    Attributes:
        hits: Requests that got the answer to a similar question.
        misses: Requests that none was similar enough for.
        wrong: Hits whose caller asked the same again with ``cache`` off.
        failures: Times that the memory service did not answer, or not in time.
        skipped: Requests that were not looked for because it had just failed.
    """

    hits: Count = 0
    misses: Count = 0
    wrong: Count = 0
    failures: Count = 0
    skipped: Count = 0


class ProviderStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a replica of the provider service is.

    Attributes:
        replica: Its id.
        running: Requests that it works on now.
        targets: Every target with every key.
        limits: Every limit.
        spend: What was used, by tenant and by model.
        cache_hits: Requests that this replica answered from the cache.
        coalesced: Requests that shared the answer of an equal one.
        similar: What became of looking for answers to similar questions.
    """

    replica: str
    running: Count = 0
    targets: list[TargetStatus] = []
    limits: list[LimitStatus] = []
    spend: list[Spend] = []
    cache_hits: Count = 0
    coalesced: Count = 0
    similar: SimilarFigures = SimilarFigures()


class Breaker(msgspec.Struct, frozen=True, omit_defaults=True):
    """What replicas tell each other of a target that fails.

    Attributes:
        until: Until then nothing is let through, by the server's clock.
        reason: Code of the error that opened it.
        pause: Seconds of this pause; the next one is twice as long.
        probing: Until then a replica tries one request, by the server's clock.
    """

    until: Instant
    reason: str = ""
    pause: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    probing: Instant | None = None


class RateState(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far ahead of time a limited key is (GCRA), by the server's clock.

    Attributes:
        requests: When the requests so far would have been allowed at an even pace.
        tokens: The same of the tokens.
    """

    requests: Instant | None = None
    tokens: Instant | None = None
