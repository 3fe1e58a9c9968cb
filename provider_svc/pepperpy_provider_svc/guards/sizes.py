"""How large requests and answers may be."""

import msgspec

from pepperpy_schemas.chat import ChatMessage
from pepperpy_schemas.codec import encode
from pepperpy_schemas.errors import TooLarge


def refuse_large_request(request: msgspec.Struct, limit: int) -> None:
    """Raises TooLarge when a request has more bytes than allowed."""
    refuse_more("request", len(encode(request)), limit, "shorten it, or give pictures by reference")


def refuse_large_answer(message: ChatMessage, limit: int) -> None:
    """Raises TooLarge when an answer has more bytes than allowed."""
    refuse_more("answer", len(encode(message)), limit, "give max_tokens")


def refuse_more(what: str, size: int, limit: int, hint: str) -> None:
    """Raises TooLarge when something has more bytes than allowed.

    Args:
        what: ``request`` or ``answer``.
        size: Its bytes.
        limit: How many are allowed.
        hint: What the caller can do.
    """
    if size > limit:
        raise TooLarge(
            f"the {what} has {size} bytes, more than {limit}",
            hint=f"{hint}, or raise guards.max_{what} of the provider service",
            context={"size": size, "limit": limit},
        )
