"""What goes wrong at the providers of language models, part of the tree in `errors`."""

from pepperpy_schemas.error import PepperError


class UpstreamFailed(PepperError):
    """The provider answered with a fault of its own, or could not be reached."""

    code = "upstream_failed"
    category = "upstream"
    retryable = True


class UpstreamTimeout(PepperError):
    """The provider did not answer, or fell silent, for longer than allowed."""

    code = "upstream_timeout"
    category = "upstream"
    retryable = True


class StreamBroken(PepperError):
    """A streamed answer ended, or lost a piece, before its end."""

    code = "stream_broken"
    category = "upstream"
    retryable = True


class RateLimited(PepperError):
    """A limit of requests or tokens is reached; ``context.retry_after`` has seconds if known."""

    code = "rate_limited"
    category = "upstream"
    retryable = True


class KeyRefused(PepperError):
    """The provider refuses the key, or what it may do or pay for."""

    code = "key_refused"
    category = "config"
    hint = "check the key: pepperpy provider status"


class UnknownModel(PepperError):
    """Neither an alias nor a model of a known provider."""

    code = "unknown_model"
    category = "input"
    hint = "list the known ones with: pepperpy models"


class ContextTooLong(PepperError):
    """The conversation has more tokens than the model can read."""

    code = "context_too_long"
    category = "input"
    hint = "shorten the conversation, or ask a model with a larger window"


class ContentFiltered(PepperError):
    """The provider's filter refuses the request or the answer."""

    code = "content_filtered"
    category = "input"


class RequestRefused(PepperError):
    """The provider does not understand the request."""

    code = "request_refused"
    category = "input"


class BadOutput(PepperError):
    """The answer does not fit the schema that was asked for, after one try to mend it."""

    code = "bad_output"
    category = "upstream"
    retryable = True


class NoTargetLeft(PepperError):
    """Every target that could answer has failed or is cooling down."""

    code = "no_target_left"
    category = "upstream"
    retryable = True
