"""What a model's request failed with, in a team: AutoGen passes on its text alone.

The task shall fail with the error itself: by its code it is known whether to try again.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from pepperpy_schemas.errors import PepperError

_FAILED: ContextVar[list[PepperError] | None] = ContextVar("pepperpy_autogen_failed", default=None)


@contextlib.contextmanager
def noted() -> Iterator[None]:
    """Notes an error of ours that passes, for the run that it happens in."""
    try:
        yield
    except PepperError as error:
        failed = _FAILED.get()
        if failed is not None:
            failed.append(error)
        raise


@contextlib.contextmanager
def itself() -> Iterator[None]:
    """Raises an error of ours that AutoGen made a `RuntimeError` of, as it was.

    Raises:
        PepperError: What the run failed with.
    """
    token = _FAILED.set([])
    try:
        yield
    except RuntimeError as error:
        for known in reversed(_FAILED.get() or []):
            if str(error).startswith(f"{type(known).__name__}: {known}"):
                raise known from error
        raise
    finally:
        _FAILED.reset(token)
