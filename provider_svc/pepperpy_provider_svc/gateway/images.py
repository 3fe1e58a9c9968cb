"""Pictures of the deployment's object store, put into the request that refers to them."""

import base64
from collections.abc import Mapping
from typing import Final

import msgspec

from pepperpy_bus.streams.blobs import Blobs, parse_reference
from pepperpy_schemas.chat import ChatMessage, ChatRequest, Image, Part
from pepperpy_schemas.errors import BadPayload, TooLarge

STORED: Final = "blob:"
"""Begins the address of a picture in the object store."""

_ELSEWHERE: Final = ("https://", "data:image/")


async def inline_images(request: ChatRequest, blobs: Blobs, *, limit: int) -> ChatRequest:
    """Returns the request with each stored picture as a ``data:`` address.

    Args:
        request: The request.
        blobs: Where pictures are stored.
        limit: Bytes that its stored pictures may have in all, as they are sent.

    Raises:
        BadPayload: An address is neither https, nor a picture's data, nor a reference.
        BadHeader: A reference cannot be read.
        TooLarge: The pictures are larger than allowed; none was fetched.
        NotFound: A picture is not in the store any more.
    """
    stored = [
        image.url.removeprefix(STORED)
        for number, message in enumerate(request.messages)
        for index, image in enumerate(message.parts)
        if isinstance(image, Image) and _is_stored(image, f"$.messages[{number}].content[{index}]")
    ]
    if not stored:
        return request
    # Each is sent as often as it is shown, and a third longer.
    size = sum((parse_reference(one).size + 2) // 3 * 4 for one in stored)
    if size > limit:
        raise TooLarge(
            f"the stored pictures are {size} bytes as they are sent, more than {limit}",
            hint="show fewer or smaller ones, or raise guards.max_images of the provider service",
            context={"size": size, "limit": limit},
        )
    data = {one: base64.b64encode(await blobs.get(one)).decode() for one in dict.fromkeys(stored)}
    messages = [_with_data(message, data) for message in request.messages]
    return msgspec.structs.replace(request, messages=messages)


def _is_stored(image: Image, path: str) -> bool:
    if image.url.startswith(_ELSEWHERE):
        return False
    if not image.url.startswith(STORED):
        raise BadPayload(
            f"{path}.url: {image.url!r:.60} is no address of a picture",
            hint="give an https address, or blob: and a reference to the object store",
            context={"path": f"{path}.url"},
        )
    if not image.media_type.startswith("image/"):
        raise BadPayload(
            f"{path}.media_type: {image.media_type!r:.60} is no picture's",
            hint="say what a stored picture is: image/png",
            context={"path": f"{path}.media_type"},
        )
    return True


def _with_data(message: ChatMessage, data: Mapping[str, str]) -> ChatMessage:
    if isinstance(message.content, str):
        return message
    parts = [_inlined(part, data) for part in message.content]
    return msgspec.structs.replace(message, content=parts)


def _inlined(part: Part, data: Mapping[str, str]) -> Part:
    if not isinstance(part, Image) or not part.url.startswith(STORED):
        return part
    body = data[part.url.removeprefix(STORED)]
    return Image(url=f"data:{part.media_type};base64,{body}", media_type=part.media_type)
