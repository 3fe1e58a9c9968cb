"""The server's bytes, cut into messages and control lines wherever they were torn."""

import pytest
from nats.errors import ProtocolError

from pepperpy_bus.link.parser import MAX_LINE, Parser

HEADERS = b"NATS/1.0\r\nA: b\r\n\r\n"
STREAM = b"".join(
    (
        b'INFO {"server_id":"x"}\r\n',
        b"MSG a.b 1 5\r\nhello\r\n",
        b"PING\r\n",
        b"MSG a.b 22 reply.to 4\r\n\r\n\r\n\r\n",
        b"+OK\r\n",
        b"HMSG c 3 %d %d\r\n%sbody\r\n" % (len(HEADERS), len(HEADERS) + 4, HEADERS),
        b"HMSG c 3 _I.1 %d %d\r\n%s\r\n" % (len(HEADERS), len(HEADERS), HEADERS),
        b"-ERR 'Permissions Violation for Publish to \"X\"'\r\n",
        "MSG ü.\xa0x 4 0\r\n\r\n".encode(),
        b"PONG\r\n",
    )
)
CUT = [
    ("INFO", '{"server_id":"x"}'),
    (1, "a.b", "", b"hello", b""),
    ("PING", ""),
    (22, "a.b", "reply.to", b"\r\n\r\n", b""),
    (3, "c", "", b"body", HEADERS),
    (3, "c", "_I.1", b"", HEADERS),
    ("-ERR", "'Permissions Violation for Publish to \"X\"'"),
    (4, "ü.\xa0x", "", b"", b""),
    ("PONG", ""),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 50, len(STREAM)])
def test_the_stream_is_cut_the_same_however_it_arrives(size: int) -> None:
    parser, stream = Parser(), STREAM * 3
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [item for piece in pieces for item in parser.cut(piece)] == CUT * 3


def test_it_may_be_torn_anywhere() -> None:
    for at in range(len(STREAM)):
        parser = Parser()
        assert [*parser.cut(STREAM[:at]), *parser.cut(STREAM[at:])] == CUT


def test_a_large_body_arrives_in_pieces() -> None:
    parser, body = Parser(), bytes(range(256)) * 4096
    whole = b"MSG big 1 %d\r\n%s\r\nPING\r\n" % (len(body), body)
    pieces = [whole[at : at + 1000] for at in range(0, len(whole), 1000)]
    seen = [item for piece in pieces for item in parser.cut(piece)]
    assert seen == [(1, "big", "", body, b""), ("PING", "")]


def test_another_connection_begins_anew() -> None:
    parser = Parser()
    assert not [*parser.cut(b"MSG a 1 100\r\nbegun")]
    parser.reset()
    assert [*parser.cut(b"PING\r\n")] == [("PING", "")]


def test_what_is_left_of_a_connection_that_is_given_up_meanwhile_is_dropped() -> None:
    parser = Parser()
    seen = []
    for item in parser.cut(b"-ERR 'Stale Connection'\r\nMSG a 1 2\r\nhi\r\nMSG a 1 9\r\nbeg"):
        seen.append(item)
        parser.reset()
    assert seen == [("-ERR", "'Stale Connection'")]
    assert [*parser.cut(b"PING\r\n")] == [("PING", "")]


@pytest.mark.parametrize(
    "wrong",
    [
        b"MSG a 1\r\n",
        b"MSG a 1 x\r\n",
        b"MSG a one 2\r\nhi\r\n",
        b"MSG a 1 -2\r\n",
        b"MSG a b c d 1 2\r\nhi\r\n",
        b"HMSG a 1 9 2\r\n",
        b"HMSG a 1 2\r\n",
        b"x" * (MAX_LINE + 1),
    ],
)
def test_what_no_server_sends_is_an_error(wrong: bytes) -> None:
    with pytest.raises(ProtocolError):
        next(Parser().cut(wrong))
