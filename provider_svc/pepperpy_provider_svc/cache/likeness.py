"""What of a request must be equal, and what may be said in other words, for one answer to do."""

import hashlib
from typing import Final

import msgspec

from pepperpy_provider_svc.cache.digest import canonical
from pepperpy_provider_svc.cache.wording import exact
from pepperpy_provider_svc.routing.route import Route
from pepperpy_schemas.chat import ChatMessage, ChatRequest, Text

LONGEST: Final = 500
"""Characters of a question; models that compare texts read no more of some than their beginning."""


class Likeness(msgspec.Struct, frozen=True):
    """A question, and what else a similar one must have.

    Attributes:
        question: What the user has said last.
        key: A hash of all the rest: who asks, whom, how, after which messages; and of what in
            the question must be `exact`. Where it is not the same, nothing is similar.
    """

    question: str
    key: str


def likeness_of(tenant: str, request: ChatRequest, route: Route) -> Likeness | None:
    """Returns what is compared of a request, or None where only equal ones have one answer.

    These are requests with tools, with pictures or results of tools in what the user said last,
    and with more than `LONGEST` characters of it.
    """
    last = request.messages[-1]
    question = _question(last)
    if request.tools or not question or len(question) > LONGEST:
        return None
    before = [*request.messages[:-1], ChatMessage("user")]
    rest = canonical(tenant, msgspec.structs.replace(request, messages=before), route)
    key = hashlib.sha256(rest + msgspec.json.encode(exact(question)))
    return Likeness(question, key.hexdigest())


def _question(message: ChatMessage) -> str:
    if message.role != "user" or not all(isinstance(part, Text) for part in message.parts):
        return ""
    return message.text.strip()
