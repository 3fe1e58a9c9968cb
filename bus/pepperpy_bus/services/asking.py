"""Asking a service by the subjects of the catalog: each names the service and an operation."""

from typing import Any, TypeVar

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.services.calls import call, is_unheard
from pepperpy_bus.streams.blobs import THRESHOLD
from pepperpy_bus.units import Duration, parse_duration
from pepperpy_schemas.catalog.services import SERVICE
from pepperpy_schemas.errors import Unavailable
from pepperpy_schemas.subjects import Subject

T = TypeVar("T")


class Asking:
    """Asks a service under one principal's name.

    Args:
        connection: The connection.
        prefix: The deployment's prefix.
        principal: The caller's own name; permissions refuse any other.
        absent: What is the matter when nobody serves it.
        hint: What to do about that.
        threshold: Bytes above which a request travels by reference.
    """

    def __init__(
        self,
        connection: Connection,
        prefix: str,
        principal: str,
        *,
        absent: str,
        hint: str,
        threshold: int = THRESHOLD,
    ) -> None:
        self._connection = connection
        self._prefix = prefix
        self._principal = principal
        self._absent = absent
        self._hint = hint
        self._threshold = threshold

    async def ask(self, subject: Subject[Any], body: object, kind: type[T], timeout: Duration) -> T:
        """Returns the answer to a request.

        Args:
            subject: Where it is asked.
            body: The request.
            kind: The type of the answer.
            timeout: How long it may take.

        Raises:
            Unavailable: Nobody serves it, or there was no answer in time.
            PepperError: As `call` raises it.
        """
        try:
            return await call(
                self._connection,
                self._prefix,
                *place_of(subject),
                body,
                principal=self._principal,
                type=kind,
                timeout=parse_duration(timeout),
                threshold=self._threshold,
            )
        except Unavailable as error:
            if not is_unheard(error):
                raise
            raise Unavailable(self._absent, hint=self._hint, context=error.context) from error


def place_of(subject: Subject[Any]) -> tuple[str, str]:
    """Returns the service and the operation that a subject of the catalog names.

    Raises:
        BadName: It is not where a service is asked.
    """
    tokens = SERVICE.parse("{p}", subject.template)
    return tokens["service"], tokens["op"]
