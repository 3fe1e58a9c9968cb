"""Answers to requests: one each, or many; and who waits for them."""

import asyncio
from functools import partial

import msgspec

from pepperpy_bus.link.message import Message
from pepperpy_bus.timers import Timer, Timers
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
    return Unavailable(f"nobody listens on {subject}", context={"subject": subject, "heard": False})


class _Waiting(msgspec.Struct, frozen=True):
    """Who waits for one answer; ``while_up`` is given up as soon as the connection breaks."""

    subject: str
    answer: "asyncio.Future[Message]"
    timer: Timer
    while_up: bool


class Awaited:
    """What was asked for and is not answered yet, by the token that ends the reply subject."""

    def __init__(self, loop: asyncio.AbstractEventLoop, timers: Timers) -> None:
        self._loop = loop
        self._timers = timers
        self._count = 0
        self._single: dict[str, _Waiting] = {}
        self._many: dict[str, Replies] = {}

    def one(
        self, subject: str, seconds: float, *, while_up: bool
    ) -> "tuple[str, asyncio.Future[Message]]":
        """Returns a token and the answer that will come under it, within that many seconds."""
        answer: asyncio.Future[Message] = self._loop.create_future()
        timer = self._timers.start(seconds, partial(_expire, answer, subject, seconds))
        token = self._next()
        self._single[token] = _Waiting(subject, answer, timer, while_up)
        return token, answer

    def many(self, subject: str) -> tuple[str, Replies]:
        """Returns a token and the answers that will come under it."""
        token = self._next()
        replies = self._many[token] = Replies(subject)
        return token, replies

    def forget(self, token: str) -> None:
        """Lets later answers under a token go."""
        waiting = self._single.pop(token, None)
        if waiting is not None:
            self._timers.cancel(waiting.timer)
        else:
            self._many.pop(token, None)

    def take(self, token: str, message: Message) -> None:
        """Hands an answer to who waits for it, if anybody does."""
        waiting = self._single.get(token)
        if waiting is not None:
            if not waiting.answer.done():
                waiting.answer.set_result(message)
        elif token in self._many:
            self._many[token].take(message)

    @property
    def subjects(self) -> list[str]:
        """Where was asked."""
        asked = [waiting.subject for waiting in self._single.values()]
        return asked + [replies.subject for replies in self._many.values()]

    def deny(self, lowered: str, error: PepperError) -> None:
        """Ends the requests to a subject, given in lower case, with an error."""
        self._fail([w for w in self._single.values() if w.subject.lower() == lowered], error)
        for replies in self._many.values():
            if replies.subject.lower() == lowered:
                replies.fail(error)

    def break_off(self, error: PepperError) -> None:
        """The connection broke: ends what may have lost answers, or does not wait for it."""
        self._fail([w for w in self._single.values() if w.while_up], error)
        for replies in self._many.values():
            replies.fail(error)

    def fail_all(self, error: PepperError) -> None:
        """Ends everything with an error."""
        self._fail(list(self._single.values()), error)
        for replies in self._many.values():
            replies.fail(error)

    def _next(self) -> str:
        self._count += 1
        return f"{self._count:x}"

    def _fail(self, waiting: list[_Waiting], error: PepperError) -> None:
        for one in waiting:
            if not one.answer.done():
                one.answer.set_exception(error)


def _expire(answer: "asyncio.Future[Message]", subject: str, seconds: float) -> None:
    if not answer.done():
        answer.set_exception(
            Unavailable(
                f"no answer on {subject} within {seconds:g} s", context={"subject": subject}
            )
        )
