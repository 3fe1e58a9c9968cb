"""What Qdrant's libraries raise, told by the names of our own errors: the border."""

import contextlib
from collections.abc import Iterator

import httpx
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from pepperpy_schemas.errors import (
    BadConfig,
    BadPayload,
    Overloaded,
    PepperError,
    Unavailable,
    WrongSequence,
)

# Servers, the client's own engine and qdrant-edge say so in texts alone.
_GONE = ("not existing vector name", "is not found in the collection", "does not exist in the col")


@contextlib.contextmanager
def translated(at: str = "") -> Iterator[None]:
    """Raises what happens inside of it as an error of ours.

    Args:
        at: Where the server is, see `place_of`.
    """
    try:
        yield
    except PepperError:
        raise
    except UnexpectedResponse as error:
        raise _answered(error) from error
    except ResourceExhaustedResponse as error:
        raise Overloaded(f"Qdrant is busy: {error.message}") from error
    except (ApiException, QdrantException, httpx.HTTPError, OSError) as error:
        raise Unavailable(
            f"Qdrant cannot be reached{at}: {_said(error)}",
            hint="start it, or say where it is: PEPPERPY_MEMORY_URL",
        ) from error
    except (ValueError, RuntimeError) as error:
        raise _refused(error) from error


def _answered(error: UnexpectedResponse) -> PepperError:
    said = error.content.decode("utf-8", "replace")[:300]
    if _is_gone(said):
        return _gone(said)
    match error.status_code:
        case 401 | 403:
            return BadConfig(f"Qdrant refuses us: {said}", hint="check the memory's URL and key")
        case 429:
            return Overloaded(f"Qdrant is busy: {said}")
        case 400 | 413 | 422:
            return BadPayload(f"Qdrant refuses a value: {said}")
        case status:
            return Unavailable(f"Qdrant answers with {status}: {said}")


def _refused(error: Exception) -> PepperError:
    said = _said(error)
    if _is_gone(said):
        return _gone(said)
    if "already accessed by another" in said or "WouldBlock" in said:
        return BadConfig(
            f"another process has the folder: {said}",
            hint="one process has a folder; several share a Qdrant server",
        )
    return Unavailable(f"Qdrant failed: {said}")


def _is_gone(said: str) -> bool:
    return any(each in said.lower() for each in _GONE)


def _gone(said: str) -> WrongSequence:
    return WrongSequence(
        f"a generation is gone: {said}", retryable=True, hint="read the generations again"
    )


def failed(error: Exception) -> PepperError:
    """Returns the error for what qdrant-edge raises, which has no types of its own."""
    return _refused(error)


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
