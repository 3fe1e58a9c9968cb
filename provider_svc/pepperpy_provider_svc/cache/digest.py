"""What equal requests have in common, as one short text."""

import hashlib
from typing import Any

import msgspec

from pepperpy_provider_svc.routing.route import Route
from pepperpy_schemas.chat import ChatMessage, ChatRequest, Part, Text

_encoder = msgspec.json.Encoder(order="sorted")


def digest_of(tenant: str, request: ChatRequest, route: Route) -> str:
    """Returns a hash of all that decides the answer: 64 hexadecimal digits.

    The tenant is part of it: what one was answered is nobody else's business. Names of models count
    as the targets that they stand for. How the provider caches, and what happens to an answer that
    breaks, decide nothing.
    """
    return hashlib.sha256(canonical(tenant, request, route)).hexdigest()


def canonical(tenant: str, request: ChatRequest, route: Route) -> bytes:
    """Returns all that decides the answer, equal for equal requests; see `digest_of`."""
    decisive = {
        "tenant": tenant,
        "targets": [target.name for target in route.targets],
        "messages": [_message(one) for one in request.messages],
        "tools": request.tools,
        "tool_choice": request.tool_choice,
        "response_format": request.response_format,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": request.stop,
        "seed": request.seed,
        "reasoning": request.reasoning,
    }
    return _encoder.encode(decisive)


def _message(message: ChatMessage) -> dict[str, Any]:
    return {"role": message.role, "parts": [_part(part) for part in message.parts]}


def _part(part: Part) -> Part:
    return Text(part.text) if isinstance(part, Text) and part.cache else part
