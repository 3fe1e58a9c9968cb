"""What a server sends, taken in piece by piece: unpacked, and never more than was agreed."""

import codecs
import zlib
from email.message import Message
from typing import Final

from pepperpy_schemas.errors import TooLarge, ToolFailed

_STEP: Final = 64 * 1024
_UNPACKED: Final = {"": False, "identity": False, "gzip": True, "x-gzip": True, "deflate": True}
_CHARSETS: Final = (
    "utf-8",
    "utf-16",
    "ascii",
    "iso8859",
    "cp125",
    "shift_jis",
    "euc_",
    "gb",
    "big5",
    "koi8",
)
"""Beginnings of the codecs that are used; some others take a time that grows with the square."""


class Body:
    """A body as far as it has come.

    Args:
        encoding: What its header ``Content-Encoding`` says.
        most: Bytes that are kept.
        ratio: How many bytes one packed byte may become, above the first 64 KiB.

    Attributes:
        data: What is kept.
        cut: Whether there was more.

    Raises:
        ToolFailed: It is packed in a way that nobody asked for.
    """

    def __init__(self, encoding: str, *, most: int, ratio: int) -> None:
        packed = _UNPACKED.get(encoding.strip().lower())
        if packed is None:
            raise ToolFailed(f"the answer is packed as {encoding!r:.40}, which nobody asked for")
        # 47: gzip or zlib, as the data say.
        self._unpacker = zlib.decompressobj(47) if packed else None
        self._most = most
        self._ratio = ratio
        self._packed = 0
        self.data = bytearray()
        self.cut = False

    def add(self, piece: bytes) -> bool:
        """Takes a piece in; returns whether more is wanted.

        Raises:
            TooLarge: It unpacks to far more than it is.
            ToolFailed: It cannot be unpacked.
        """
        if self._unpacker is None:
            self._keep(piece)
            return not self.cut
        self._packed += len(piece)
        while piece and not self.cut:
            try:
                unpacked = self._unpacker.decompress(piece, _STEP)
            except zlib.error as error:
                raise ToolFailed(f"the answer cannot be unpacked: {error}") from None
            self._keep(unpacked)
            if self._unpacker.eof:
                # What follows is nothing, and zlib would keep all of it.
                return False
            piece = self._unpacker.unconsumed_tail
            if self._packed > self._most + _STEP:
                # Packed it is larger than all that is kept: it may have empty parts without an end.
                self.cut = True
            if len(self.data) > max(_STEP, self._ratio * self._packed):
                raise TooLarge(
                    f"the answer unpacks to more than {self._ratio} times its size",
                    hint="ask for something else: this is how bombs are packed",
                )
        return not self.cut

    def text(self, content_type: str) -> str:
        """Returns it as text, in the charset that its header ``Content-Type`` names.

        Raises:
            ToolFailed: It is no text.
        """
        if b"\0" in self.data and b"charset=utf-16" not in content_type.lower().encode():
            raise ToolFailed(f"the answer is no text but {content_type or 'unknown'!r:.80}")
        return self.data.decode(_charset(content_type), errors="replace")

    def _keep(self, piece: bytes) -> None:
        room = self._most - len(self.data)
        self.data += piece[:room]
        self.cut = self.cut or len(piece) > room


def _charset(content_type: str) -> str:
    header = Message()
    header["content-type"] = content_type
    try:
        name = codecs.lookup(str(header.get_param("charset", "utf-8"))).name
    except (LookupError, ValueError):
        return "utf-8"
    return name if name.startswith(_CHARSETS) else "utf-8"
