"""The text in a file's bytes, or the reason why there is none."""

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from typing import Final

from pepperpy_schemas.errors import BadPayload, TooLarge
from pepperpy_schemas.memory_ingest import MAX_FILE

_WIDE: Final = (BOM_UTF16_BE, BOM_UTF16_LE)


def text_of(body: bytes) -> str:
    """Returns the text of a file.

    Args:
        body: Its bytes: UTF-8, or UTF-16 with a byte order mark.

    Raises:
        BadPayload: They are no text.
        TooLarge: They are more than a file may have.
    """
    if len(body) > MAX_FILE:
        raise TooLarge(
            f"it has {len(body)} bytes, at most {MAX_FILE} are taken in",
            hint="divide the file",
            context={"size": len(body), "limit": MAX_FILE},
        )
    wide = body.startswith(_WIDE)
    try:
        text = body.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadPayload(
            f"it is no text: byte {error.start} is not {'UTF-16' if wide else 'UTF-8'}",
            hint="write it as UTF-8",
            context={"byte": error.start},
        ) from None
    zero = text.find("\0")
    if zero >= 0:
        raise BadPayload(f"it is no text: character {zero} is a NUL", hint="take in texts only")
    return text
