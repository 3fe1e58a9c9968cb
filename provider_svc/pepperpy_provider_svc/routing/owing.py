"""What a call is taken to have used when its provider has not said it, or not to the end.

Providers bill what they have begun, whether anybody waits for its end or not.
"""

import msgspec

from pepperpy_provider_svc.limits.estimate import (
    answer_tokens,
    embedding_tokens,
    input_tokens,
    text_tokens,
)
from pepperpy_provider_svc.routing.patience import Pieces
from pepperpy_provider_svc.routing.sent import Sent
from pepperpy_provider_svc.upstreams.upstream import Completion, Embeddings
from pepperpy_schemas.chat import ChatRequest, Text, ToolCall, Usage
from pepperpy_schemas.errors import DeadlineExceeded, PepperError, UpstreamTimeout


def is_refusal(error: PepperError | None) -> bool:
    """Whether an error is the provider's own word, and not that nobody waited for it any longer."""
    return error is not None and not isinstance(error, UpstreamTimeout | DeadlineExceeded)


def of_stream(
    request: ChatRequest, pieces: Pieces, sent: Sent, *, whole: bool, error: PepperError | None
) -> Usage | None:
    """Returns what a streamed call has used; None for one that did not begin.

    Args:
        request: What was asked.
        pieces: The stream.
        sent: What has come of it.
        whole: Whether it came to its finish.
        error: What ended it, if anything did.
    """
    told = pieces.usage
    if whole and told is not None and told.total_tokens:
        return told
    if not sent.started and (is_refusal(error) or not pieces.alive):
        return told
    return _at_least(told or Usage(), request, text_tokens(sent.text))


def of_answer(request: ChatRequest, answer: Completion | None) -> Usage:
    """Returns what a whole answer has used; None is one that nobody has waited for."""
    if answer is None:
        return Usage(input_tokens=input_tokens(request), output_tokens=answer_tokens(request))
    return answer.usage if answer.usage.total_tokens else _at_least(Usage(), request, _said(answer))


def of_vectors(texts: list[str], vectors: Embeddings | None) -> Usage:
    """Returns what vectors have used; None are some that nobody has waited for."""
    if vectors is not None and vectors.usage.total_tokens:
        return vectors.usage
    return Usage(input_tokens=embedding_tokens(texts))


def _at_least(told: Usage, request: ChatRequest, output: int) -> Usage:
    """What was told so far, with guesses for what is missing of it."""
    return msgspec.structs.replace(
        told,
        input_tokens=told.input_tokens or input_tokens(request),
        output_tokens=max(told.output_tokens, output),
    )


def _said(answer: Completion) -> int:
    parts = answer.message.parts
    texts = [part.arguments if isinstance(part, ToolCall) else "" for part in parts]
    texts += [part.text for part in parts if isinstance(part, Text)]
    return text_tokens("".join(texts))
