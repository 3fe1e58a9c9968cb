"""A message that a consumer delivered, and the ways to settle it."""

from collections.abc import Mapping

import msgspec

from pepperpy_bus.link.connection import Connection
from pepperpy_bus.link.message import Message
from pepperpy_schemas.errors import BadPayload, Unreachable

RETURN_WITHIN = 5.0
"""Seconds that an acknowledgement waits for a broken connection to come back."""
ANSWER_WITHIN = 1.0
"""Seconds that the confirmation may take then."""

_TOKENS = 9
_TOKENS_WITH_DOMAIN = 11


class Delivery(msgspec.Struct, frozen=True):
    """One delivery of one stored message.

    Attributes:
        message: What was published.
        stream: The stream that keeps it.
        consumer: The consumer that delivered it.
        deliveries: How often it has been delivered, this time included.
        seq: Its sequence number in the stream.
        consumer_seq: The number of this delivery in the consumer's own count.
        time_ns: When the server stored it, nanoseconds since the epoch, by the server's clock.
        pending: How many messages wait behind it.
        connection: Where to settle it.
    """

    message: Message
    stream: str
    consumer: str
    deliveries: int
    seq: int
    consumer_seq: int
    time_ns: int
    pending: int
    connection: Connection

    @property
    def subject(self) -> str:
        """The subject it was published on."""
        return self.message.subject

    @property
    def body(self) -> bytes:
        """Its payload."""
        return self.message.body

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers, names in lower case."""
        return self.message.headers

    async def ack(self) -> None:
        """Settles it for good and returns when the server has seen that.

        A plain acknowledgement can be lost without any sign; a confirmed one cannot.

        Raises:
            Unavailable: No confirmation came; the message may be delivered again.
            Unreachable: The broker did not come back in time; the same.
        """
        patience = None
        while True:
            try:
                await self.connection.request(
                    self.message.reply, b"+ACK", timeout=patience, while_up=True
                )
            except Unreachable:
                # A server that comes back mostly knows the delivery still; one that had not
                # written it down does not answer, and delivers again.
                await self.connection.wait_connected(RETURN_WITHIN)
                patience = ANSWER_WITHIN
            else:
                return

    async def nak(self, delay: float = 0.0) -> None:
        """Gives it back; it is delivered again after that many seconds.

        The delay is spelled out because the server's own back-off ignores a plain nak.
        """
        await self.connection.publish(
            self.message.reply, b'-NAK {"delay": %d}' % max(1, int(delay * 1e9))
        )

    async def pulse(self) -> None:
        """Says that it is still being worked on, which starts the wait anew."""
        await self.connection.publish(self.message.reply, b"+WPI")


def from_message(message: Message, connection: Connection) -> Delivery:
    """Returns a pulled message with what its reply subject says of it.

    The reply subject is ``$JS.ACK.<stream>.<consumer>.<deliveries>.<seq>.<consumer seq>.<time>.
    <pending>``; with a domain two tokens more stand before the stream (NATS ADR-15).
    """
    tokens = message.reply.split(".")
    if len(tokens) >= _TOKENS_WITH_DOMAIN:
        tokens = tokens[:2] + tokens[4:]
    if len(tokens) < _TOKENS:
        raise BadPayload(f"not a delivery of a consumer: reply subject {message.reply!r:.80}")
    return Delivery(
        message,
        tokens[2],
        tokens[3],
        int(tokens[4]),
        int(tokens[5]),
        int(tokens[6]),
        int(tokens[7]),
        int(tokens[8]),
        connection,
    )
