"""Requests to models, and what the replicas of the provider service share."""

from typing import Final

from pepperpy_schemas.chat import ChatReply, ChatRequest
from pepperpy_schemas.provider import Breaker, EmbedRequest, RateState, TenantRequest
from pepperpy_schemas.shared import Ledger
from pepperpy_schemas.subjects import Subject

_CHAT = '{"messages":[{"role":"user","content":"Say hello."}],"max_tokens":20}'
PROVIDER_CHAT: Final = Subject(
    "ChatRequest",
    "{p}.svc.provider.chat.{principal}",
    ChatRequest,
    "A model is asked; the whole answer comes back.",
    examples=(_CHAT,),
)
PROVIDER_STREAM: Final = Subject(
    "ChatStream",
    "{p}.svc.provider.stream.{principal}",
    ChatRequest,
    "A model is asked; the answer comes back in pieces.",
    examples=(_CHAT,),
)
PROVIDER_EMBED: Final = Subject(
    "EmbedRequest",
    "{p}.svc.provider.embed.{principal}",
    EmbedRequest,
    "Texts shall become vectors.",
    examples=('{"texts":["where is my parcel?"]}',),
)
PROVIDER_COUNT: Final = Subject(
    "CountRequest",
    "{p}.svc.provider.count.{principal}",
    ChatRequest,
    "A request is counted: how many tokens it would have.",
    examples=(_CHAT,),
)
PROVIDER_MODELS: Final = Subject(
    "ModelsRequest",
    "{p}.svc.provider.models.{principal}",
    TenantRequest,
    "The models that the caller may ask for are listed.",
)
PROVIDER_STATUS: Final = Subject(
    "StatusRequest",
    "{p}.svc.provider.status.{principal}",
    TenantRequest,
    "Targets, breakers, limits and what was spent are shown.",
)
BREAKER: Final = Subject(
    "Breaker",
    "$KV.{p}_provider.breaker.{target}.{key}",
    Breaker,
    "A model of a provider fails with a key: replicas let no request through for a while.",
)
RATE: Final = Subject(
    "RateState",
    "$KV.{p}_provider.rate.{key}",
    RateState,
    "How much of a key's requests and tokens per minute is used, by all replicas together.",
)
TENANT_LEDGER: Final = Subject(
    "TenantLedger",
    "$KV.{p}_provider.spent.{id}",
    Ledger,
    "What a tenant may spend in a period, and has.",
)
CACHED: Final = Subject(
    "CachedAnswer",
    "$KV.{p}_provider.cached.{tenant}.{digest}",
    ChatReply,
    "A stored answer of a tenant's request; it disappears after its time.",
)
