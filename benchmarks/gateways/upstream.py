"""An upstream that answers at once: chat completions of OpenAI's form, whole or streamed.

    python benchmarks/gateways/upstream.py PORT [PIECES]

It does as little as it can, so that what is measured is who asks it.
"""

import asyncio
import json
import sys

TEXT = "The otter floats on its back and cracks a shell on a stone that it keeps under its arm. "
USAGE = {"prompt_tokens": 20, "completion_tokens": 20, "total_tokens": 40}


def whole() -> bytes:
    """Returns the response to a request for a whole answer."""
    body = json.dumps(
        {
            "id": "c1",
            "object": "chat.completion",
            "created": 1,
            "model": "mock",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": TEXT},
                    "finish_reason": "stop",
                }
            ],
            "usage": USAGE,
        }
    ).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def streamed(pieces: int) -> bytes:
    """Returns the response to a request for an answer in pieces."""
    words = [TEXT] * pieces
    events = [_chunk({"role": "assistant", "content": ""}, None)]
    events += [_chunk({"content": word}, None) for word in words]
    events += [_chunk({}, "stop"), _event({**_base(), "choices": [], "usage": USAGE})]
    body = b"".join(events) + b"data: [DONE]\n\n"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def _base() -> dict[str, object]:
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "mock"}


def _chunk(delta: dict[str, str], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _event({**_base(), "choices": [choice]})


def _event(value: dict[str, object]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


async def serve(port: int, pieces: int) -> None:
    """Answers on a port of loopback until it is killed."""
    answers = {False: whole(), True: streamed(pieces)}

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length:")
                )
                body = await reader.readexactly(length)
                # Loopback takes them in one piece: the peers' parsers are what takes time.
                wanted = b'"stream":true' in body.replace(b" ", b"")
                writer.write(answers[wanted])
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20))
