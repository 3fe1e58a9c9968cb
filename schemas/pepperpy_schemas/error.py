"""An error as it is raised and as it travels: the root of the tree in `errors`."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec

Category = Literal["input", "task", "control", "bus", "config", "upstream"]
"""``input``: the caller's to mend. ``task``: the handler's. ``control``: somebody decided so.
``bus``: broker or network, usually passing. ``config``: the operator's to mend. ``upstream``: of a
provider of language models, usually passing."""

_MAX_CAUSES = 8


class ErrorInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error as it travels: the ``error`` of a result, of a service's reply, of a dead letter.

    Attributes:
        code: Stable name of the fact, for example ``bad_payload``.
        category: Whose it is to mend; unknown values are kept as they are.
        message: One sentence for people, with the values that matter.
        retryable: Whether the same request can succeed later.
        hint: What to do about it.
        context: Named values: the field path, the subject, the limit.
        cause: The error below this one.
    """

    code: str
    category: str = "task"
    message: str = ""
    retryable: bool = False
    hint: str = ""
    context: dict[str, Any] = {}
    cause: "ErrorInfo | None" = None


class PepperError(Exception):
    """The root of every error that PepperPy raises on purpose.

    Args:
        message: One sentence with the values that matter; the class's docstring by default.
        hint: What to do about it; the class's ``hint`` by default.
        context: Named values for programs: field path, subject, limit.
        retryable: Overrides the class's answer for this one case.
    """

    code: ClassVar[str] = "internal"
    category: ClassVar[Category] = "task"
    retryable: bool = False
    hint: str = ""

    def __init__(
        self,
        message: str = "",
        *,
        hint: str = "",
        context: Mapping[str, Any] | None = None,
        retryable: bool | None = None,
    ) -> None:
        self.message = message or (type(self).__doc__ or self.code).partition("\n")[0]
        super().__init__(self.message)
        if hint:
            self.hint = hint
        if retryable is not None:
            self.retryable = retryable
        self.context: dict[str, Any] = dict(context or {})

    def info(self) -> ErrorInfo:
        """Returns the wire form, with the chain of causes."""
        return self._info_with(_cause_info(self, _MAX_CAUSES))

    def _info_with(self, cause: ErrorInfo | None) -> ErrorInfo:
        return ErrorInfo(
            code=self.code,
            category=self.category,
            message=self.message,
            retryable=self.retryable,
            hint=self.hint,
            context=self.context,
            cause=cause,
        )


class HandlerError(PepperError):
    """The handler raised an error."""

    code = "handler_error"
    category = "task"


def info_of(error: BaseException) -> ErrorInfo:
    """Returns the wire form of any exception; a foreign one becomes ``handler_error``.

    The type's name is kept in ``context.type``. Tracebacks never travel.
    """
    if isinstance(error, PepperError):
        return error.info()
    return _foreign_info(error, _MAX_CAUSES)


def _foreign_info(error: BaseException, depth: int) -> ErrorInfo:
    name = type(error).__qualname__
    return ErrorInfo(
        code=HandlerError.code,
        category=HandlerError.category,
        message=f"{name}: {error}" if str(error) else name,
        context={"type": f"{type(error).__module__}.{name}"},
        cause=_cause_info(error, depth),
    )


def _cause_info(error: BaseException, depth: int) -> ErrorInfo | None:
    below = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if below is None or depth <= 0:
        return None
    if type(below).__name__ == "_RemoteTraceback":  # a process pool's: text, and no error
        return None
    if isinstance(below, PepperError):
        return below._info_with(_cause_info(below, depth - 1))
    return _foreign_info(below, depth - 1)
