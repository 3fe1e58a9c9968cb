"""The answers to one request that may have many: pages, streams."""

import asyncio

from pepperpy_bus.link.message import Message
from pepperpy_schemas.errors import PepperError, Unavailable


class Replies:
    """What is answered to one request, in order; `Connection.request_many` makes one.

    An answer may be lost when the connection breaks, so a break ends the reading with an error.
    """

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self._arrived: asyncio.Queue[Message | None] = asyncio.Queue()
        self._error: PepperError | None = None

    async def next(self, timeout: float) -> Message:
        """Returns the next answer.

        Raises:
            PermissionDenied: The broker does not allow this user this subject.
            Unavailable: Nobody listens there, or nothing came for that many seconds.
            Unreachable: The connection broke.
        """
        try:
            async with asyncio.timeout(timeout):
                message = await self._arrived.get()
        except TimeoutError:
            raise Unavailable(
                f"no answer on {self.subject} for {timeout:g} s", context={"subject": self.subject}
            ) from None
        if message is None:
            assert self._error is not None, "only `fail` ends the answers"
            raise self._error
        if message.status == "503":
            raise nobody_listens(self.subject)
        return message

    def take(self, message: Message) -> None:
        """Adds an answer."""
        self._arrived.put_nowait(message)

    def fail(self, error: PepperError) -> None:
        """Ends the answers with an error, after those that have arrived."""
        self._error = self._error or error
        self._arrived.put_nowait(None)


def nobody_listens(subject: str) -> Unavailable:
    """Returns the error for a request that nobody takes."""
    return Unavailable(f"nobody listens on {subject}", context={"subject": subject})
