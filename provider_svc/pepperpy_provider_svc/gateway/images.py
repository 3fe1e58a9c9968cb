"""Pictures of the deployment's object store, put into the request that refers to them."""

import base64
from typing import Final

import msgspec

from pepperpy_bus.streams.blobs import Blobs
from pepperpy_schemas.chat import ChatMessage, ChatRequest, Image, Part
from pepperpy_schemas.errors import BadPayload

STORED: Final = "blob:"
"""Begins the address of a picture in the object store."""

_ELSEWHERE: Final = ("https://", "data:image/")


async def inline_images(request: ChatRequest, blobs: Blobs) -> ChatRequest:
    """Returns the request with each stored picture as a ``data:`` address.

    Raises:
        BadPayload: An address is neither https, nor a picture's data, nor a reference.
        NotFound: A picture is not in the store any more.
    """
    if not any(isinstance(part, Image) for message in request.messages for part in message.parts):
        return request
    messages = [
        await _message(message, f"$.messages[{index}]", blobs)
        for index, message in enumerate(request.messages)
    ]
    return msgspec.structs.replace(request, messages=messages)


async def _message(message: ChatMessage, path: str, blobs: Blobs) -> ChatMessage:
    parts: list[Part] = [
        await _image(part, f"{path}.content[{index}]", blobs) if isinstance(part, Image) else part
        for index, part in enumerate(message.parts)
    ]
    return msgspec.structs.replace(message, content=parts)


async def _image(image: Image, path: str, blobs: Blobs) -> Image:
    if image.url.startswith(_ELSEWHERE):
        return image
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
    body = await blobs.get(image.url.removeprefix(STORED))
    data = base64.b64encode(body).decode()
    return Image(url=f"data:{image.media_type};base64,{data}", media_type=image.media_type)
