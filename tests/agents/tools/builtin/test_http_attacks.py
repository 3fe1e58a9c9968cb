"""What a model may try with URLs: refused by name, and the next good call works."""

import asyncio
import gzip
import json
import ssl
import subprocess
import sys
import threading
import zlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pepperpy_agents.tools import Grants, ToolUse, builtin
from pepperpy_agents.tools.builtin import fetching
from pepperpy_agents.tools.builtin.http import LARGEST_SENT, http_tools
from pepperpy_schemas.errors import TooLarge
from tests.agents.tools.builtin.calling import Caller
from tests.agents.tools.builtin.web import Names, Web, serving
from tests.requirements import missing


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with serving() as one:
        one.page("/good", b"good", "Content-Type: text/plain")
        yield one


def caller(*grants: str, names: Names | None = None, **options: Any) -> Caller:
    return Caller(http_tools(resolve=names, **options), grants)


def granted(web: Web, **options: Any) -> Caller:
    """May ask the tests' server, whose address is granted by itself, and any public host."""
    return caller("http.get", "http.post", f"http:127.0.0.1:{web.port}", **options)


NUMBERS = {
    "loopback": "127.0.0.1",
    "decimal": "2130706433",
    "hex": "0x7f000001",
    "octal": "0177.0.0.1",
    "short": "127.1",
    "name": "localhost",
    "name with a dot": "localhost.",
    "name in capitals": "LOCALHOST",
    "unspecified": "0.0.0.0",
    "zero": "0",
    "IPv6": "[::1]",
    "IPv6 unspecified": "[::]",
    "mapped": "[::ffff:127.0.0.1]",
    "mapped hex": "[::ffff:7f00:1]",
    "compatible": "[::127.0.0.1]",
    "NAT64": "[64:ff9b::7f00:1]",
    "6to4": "[2002:7f00:1::]",
    "metadata": "169.254.169.254",
    "metadata decimal": "2852039166",
    "metadata hex": "0xA9FEA9FE",
    "metadata mapped": "[::ffff:169.254.169.254]",
    "metadata of AWS by IPv6": "[fd00:ec2::254]",
    "metadata of Azure": "168.63.129.16",
    "private": "10.0.0.1",
    "carrier": "100.64.0.1",
    "multicast": "224.0.0.1",
}


@pytest.mark.parametrize("host", NUMBERS.values(), ids=NUMBERS)
async def test_no_spelling_of_an_inner_address_is_reached(web: Web, host: str) -> None:
    call = caller("http")
    assert await call("http.get", url=f"http://{host}:{web.port}/good") is None
    # What this machine's resolver does not take for an address is no host at all.
    assert call.code == "not_granted" or (call.code == "tool_failed" and "not known" in call.said)
    assert web.heads == []
    good = granted(web)
    assert (await good("http.get", url=f"http://127.0.0.1:{web.port}/good"))["text"] == "good"


BAD_URLS = {
    "file": "file:///etc/passwd",
    "gopher": "gopher://127.0.0.1:{port}/_x",
    "ftp": "ftp://127.0.0.1:{port}/",
    "user": "http://example.org@127.0.0.1:{port}/good",
    "user and password": "http://a:b@127.0.0.1:{port}/good",
    "backslash": "http://127.0.0.1:{port}\\@example.org/",
    "line break": "http://127.0.0.1:{port}/good\r\nX-Evil: 1",
    "no host": "http:///good",
}


@pytest.mark.parametrize("url", BAD_URLS.values(), ids=BAD_URLS)
async def test_what_is_no_plain_url_is_not_asked(web: Web, url: str) -> None:
    call = granted(web)
    assert await call("http.get", url=url.format(port=web.port)) is None
    assert call.code == "bad_arguments"
    assert web.heads == []
    assert await call("http.get", url=f"http://127.0.0.1:{web.port}/good")


async def test_only_granted_hosts_are_asked(web: Web) -> None:
    names = Names(api_example_org=["93.184.216.34"])
    call = caller("http.get:example.org", f"http.get:127.0.0.1:{web.port}", names=names)
    for url in (
        "http://api.example.org/",
        "http://example.org:8080/",
        "http://example.org.evil.org/",
        "http://127.0.0.1/",
    ):
        assert await call("http.get", url=url) is None
        assert call.code == "not_granted"
    assert await call("http.post", url=f"http://127.0.0.1:{web.port}/good", body="{}") is None
    assert call.code == "not_granted"
    assert names.asked == []
    assert web.heads == []


async def test_a_grant_of_a_name_is_none_of_an_inner_address(web: Web) -> None:
    """Whoever owns the name decides where it leads; the operator granted the name alone."""
    names = Names(intranet_example_org=["127.0.0.1"])
    host = f"intranet.example.org:{web.port}"
    call = caller(f"http.get:{host}", names=names)
    assert await call("http.get", url=f"http://{host}/good") is None
    assert call.code == "not_granted"
    assert web.heads == []
    both = caller(f"http.get:{host}", f"http.get:127.0.0.1:{web.port}", names=names)
    assert (await both("http.get", url=f"http://{host}/good"))["text"] == "good"
    assert f"Host: {host}" in web.heads[0]


async def test_a_name_that_changes_its_mind_is_asked_once(web: Web) -> None:
    """DNS rebinding: the first answer is checked and connected to; the second never counts."""
    names = Names(rebind_example_org=["127.0.0.1", "169.254.169.254"])
    host = f"rebind.example.org:{web.port}"
    call = caller(f"http:{host}", f"http:127.0.0.1:{web.port}", names=names)
    assert (await call("http.get", url=f"http://{host}/good"))["text"] == "good"
    assert names.asked == ["rebind.example.org"]
    assert await call("http.get", url=f"http://{host}/good") is None
    assert call.code == "not_granted"
    assert "169.254.169.254" in call.said
    assert len(web.heads) == 1


async def test_of_several_addresses_those_that_are_allowed_are_tried(web: Web) -> None:
    """Whoever adds an inner address to a public name gets neither that one nor the name refused."""
    asked: list[str] = []

    async def several(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["10.0.0.1", "127.0.0.2", "127.0.0.1"]

    # Nobody listens at the second one.
    exact = (f"http:127.0.0.1:{web.port}", f"http:127.0.0.2:{web.port}")
    call = Caller(http_tools(resolve=several), ["http.get", *exact])
    answer = await call("http.get", url=f"http://a.example.org:{web.port}/good")
    assert answer["text"] == "good"
    gone = Caller(http_tools(resolve=several), ["http.get", exact[1]])
    assert await gone("http.get", url=f"http://a.example.org:{web.port}/good") is None
    assert gone.code == "tool_failed"
    assert asked == ["a.example.org"] * 2


@pytest.mark.parametrize("answer", [[], OSError("no such host"), UnicodeError("too long")])
async def test_a_name_that_nobody_knows_is_said_to_be_unknown(answer: Any) -> None:
    async def unknown(host: str, port: int) -> list[str]:
        if isinstance(answer, Exception):
            raise answer
        return list(answer)

    call = Caller(http_tools(resolve=unknown), ["http.get"])
    assert await call("http.get", url="http://nobody.example.org/") is None
    assert call.code == "tool_failed"


async def test_names_that_nobody_answers_for_hold_up_nothing_else() -> None:
    """All of the loop's own threads may wait for a name server, and names are still found."""
    waiting = threading.Event()
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as executor:
        loop.set_default_executor(executor)
        held = loop.run_in_executor(None, waiting.wait, 30)
        try:
            async with asyncio.timeout(10):
                assert await fetching.resolve_by_system("127.0.0.1", 80) == ["127.0.0.1"]
        finally:
            waiting.set()
            await held


async def test_a_large_body_is_not_sent(web: Web) -> None:
    post = next(tool for tool in http_tools() if tool.name == "http.post")
    use = ToolUse(caller="tester", grants=Grants.of([f"http:127.0.0.1:{web.port}"]))
    body = "x" * (LARGEST_SENT + 1)
    with pytest.raises(TooLarge):
        await post.call({"url": f"http://127.0.0.1:{web.port}/good", "body": body}, use)
    assert web.heads == []


async def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(builtin, "fetching")
    monkeypatch.delitem(sys.modules, "pepperpy_agents.tools.builtin.fetching")
    monkeypatch.setitem(sys.modules, "httpcore2", None)
    call = caller("http.get")
    assert await call("http.get", url="http://a.example.org/") is None
    assert call.code == "bad_config"
    assert "httpcore2" in call.said


REDIRECTS = {
    "metadata": "http://169.254.169.254/latest/meta-data/",
    "another port": "http://127.0.0.1:1/",
    "decimal": "http://2130706433:1/",
    "name": "http://localhost:1/",
    "no scheme": "//10.0.0.1/",
}


@pytest.mark.parametrize("to", REDIRECTS.values(), ids=REDIRECTS)
async def test_a_redirect_inward_is_not_followed(web: Web, to: str) -> None:
    web.redirect("/go", to.format(port=web.port))
    call = granted(web)
    assert await call("http.get", url=f"http://127.0.0.1:{web.port}/go") is None
    assert call.code == "not_granted"
    assert len(web.heads) == 1


@pytest.mark.parametrize("to", ["file:///etc/passwd", "gopher://127.0.0.1/", "http://a:b@x.org/"])
async def test_a_redirect_to_what_is_no_plain_url_is_not_followed(web: Web, to: str) -> None:
    web.redirect("/go", to)
    call = granted(web)
    assert await call("http.get", url=f"http://127.0.0.1:{web.port}/go") is None
    assert call.code == "bad_arguments"


async def test_a_redirect_needs_the_grant_of_its_own_host(web: Web) -> None:
    names = Names(one_example_org=["127.0.0.1"])
    web.redirect("/go", "http://two.example.org/")
    host = f"one.example.org:{web.port}"
    call = caller(f"http.get:{host}", f"http.get:127.0.0.1:{web.port}", names=names)
    assert await call("http.get", url=f"http://{host}/go") is None
    assert call.code == "not_granted"
    assert "http.get:two.example.org" in call.said


async def test_redirects_have_an_end(web: Web) -> None:
    web.redirect("/go", "/go")
    call = granted(web, redirects=5)
    assert await call("http.get", url=f"http://127.0.0.1:{web.port}/go") is None
    assert call.code == "tool_failed"
    assert len(web.heads) == 6


async def test_redirects_within_what_is_granted_are_followed(web: Web) -> None:
    web.redirect("/go", "good", status=303)
    call = granted(web)
    answer = await call("http.post", url=f"http://127.0.0.1:{web.port}/go", body='{"a": 1}')
    assert answer["text"] == "good"
    assert answer["url"] == f"http://127.0.0.1:{web.port}/good"
    assert [head.split()[0] for head in web.heads] == ["POST", "GET"]
    assert web.bodies == [b'{"a": 1}', b""]


async def test_a_post_that_is_sent_on_needs_the_grant_to_post(web: Web) -> None:
    web.redirect("/go", "/good", status=307)
    web.redirect("/fetch", "/good", status=302)
    call = caller(f"http.post:127.0.0.1:{web.port}")
    assert await call("http.post", url=f"http://127.0.0.1:{web.port}/go", body="x")
    assert web.bodies == [b"x", b"x"]
    assert await call("http.post", url=f"http://127.0.0.1:{web.port}/fetch", body="x") is None
    assert call.code == "not_granted"


async def test_an_endless_body_is_cut(web: Web) -> None:
    async def endless(writer: asyncio.StreamWriter, head: str, body: bytes) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000000\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            web.sent += 65_536
            await writer.drain()

    web.pages["/endless"] = endless
    call = granted(web, page=10_000)
    answer = await call("http.get", url=f"http://127.0.0.1:{web.port}/endless")
    assert answer["text"] == "x" * 10_000
    assert answer["cut"] is True
    assert web.sent < 50_000_000


@pytest.mark.parametrize("kind", ["gzip", "deflate"])
async def test_a_bomb_is_not_unpacked(web: Web, kind: str) -> None:
    packed = zlib.compressobj(9, zlib.DEFLATED, 31 if kind == "gzip" else 15)
    bomb = packed.compress(b"\0" * 50_000_000) + packed.flush()
    web.page("/bomb", bomb, f"Content-Encoding: {kind}")
    call = granted(web, page="10MiB")
    assert await call("http.get", url=f"http://127.0.0.1:{web.port}/bomb") is None
    assert call.code == "too_large"
    web.page("/packed", gzip.compress(b"good"), "Content-Encoding: gzip")
    assert (await call("http.get", url=f"http://127.0.0.1:{web.port}/packed"))["text"] == "good"


async def test_what_follows_a_packed_body_is_not_kept(web: Web) -> None:
    """Of what stands behind the end of its stream, zlib keeps all."""

    async def endless(writer: asyncio.StreamWriter, head: str, body: bytes) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"good"))
        while True:
            writer.write(b"x" * 65_536)
            web.sent += 65_536
            await writer.drain()

    web.pages["/endless"] = endless
    answer = await granted(web)("http.get", url=f"http://127.0.0.1:{web.port}/endless")
    assert (answer["text"], answer["cut"]) == ("good", False)
    assert web.sent < 50_000_000


async def test_a_server_that_never_comes_to_its_answer_is_left(web: Web) -> None:
    async def interim(writer: asyncio.StreamWriter, head: str, body: bytes) -> None:
        while True:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)
            await writer.drain()

    web.pages["/interim"] = interim
    call = granted(web)
    assert await call("http.get", url=f"http://127.0.0.1:{web.port}/interim") is None
    assert "before it answers" in call.said
    assert (await call("http.get", url=f"http://127.0.0.1:{web.port}/good"))["text"] == "good"


async def test_a_packed_body_of_nothing_has_an_end(web: Web) -> None:
    packed = zlib.compressobj(9, zlib.DEFLATED, 31)
    begun = packed.compress(b"good") + packed.flush(zlib.Z_SYNC_FLUSH)

    async def endless(writer: asyncio.StreamWriter, head: str, body: bytes) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + begun)
        while True:
            writer.write(b"\0\0\0\xff\xff" * 10_000)
            await writer.drain()

    web.pages["/endless"] = endless
    answer = await granted(web)("http.get", url=f"http://127.0.0.1:{web.port}/endless")
    assert (answer["text"], answer["cut"]) == ("good", True)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "compress"])
async def test_what_is_packed_otherwise_is_refused(web: Web, encoding: str) -> None:
    web.page("/odd", b"x", f"Content-Encoding: {encoding}")
    call = granted(web)
    assert await call("http.get", url=f"http://127.0.0.1:{web.port}/odd") is None
    assert call.code == "tool_failed"


async def _headers_by_drops(writer: asyncio.StreamWriter, head: str, body: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X: y\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def _body_by_drops(writer: asyncio.StreamWriter, head: str, body: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def _silent(writer: asyncio.StreamWriter, head: str, body: bytes) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("serve", [_headers_by_drops, _body_by_drops, _silent])
async def test_a_server_that_drips_is_left(web: Web, serve: object) -> None:
    web.pages["/slow"] = serve  # type: ignore[assignment]
    call = granted(web, time_limit="300ms")
    assert await call("http.get", url=f"http://127.0.0.1:{web.port}/slow") is None
    assert call.code == "tool_timeout"
    assert await call("http.get", url=f"http://127.0.0.1:{web.port}/good")


@pytest.mark.parametrize(
    "answer",
    [
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"",
    ],
    ids=["no http", "endless header", "short body", "bad chunk", "nothing"],
)
async def test_a_server_that_is_wrong_is_a_failure_of_the_call(web: Web, answer: bytes) -> None:
    async def wrong(writer: asyncio.StreamWriter, head: str, body: bytes) -> None:
        writer.write(answer)

    web.pages["/wrong"] = wrong
    call = granted(web)
    assert await call("http.get", url=f"http://127.0.0.1:{web.port}/wrong") is None
    assert call.code == "tool_failed"
    assert await call("http.get", url=f"http://127.0.0.1:{web.port}/good")


async def test_proxies_of_the_environment_are_not_asked(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{web.port}")
    call = caller("http.get", names=Names(a_example_org=["10.0.0.1"]))
    assert await call("http.get", url="http://a.example.org/") is None
    assert call.code == "not_granted"
    assert web.heads == []


async def test_what_a_model_says_is_no_header(web: Web) -> None:
    call = granted(web)
    url = f"http://127.0.0.1:{web.port}/good"
    assert await call("http.get", url=url, accept="text/plain\r\nX-Evil: 1") is None
    assert call.code == "bad_arguments"
    assert await call("http.get", url=url, headers={"Host": "evil"}) is None
    assert call.code == "bad_arguments"
    assert await call("http.get", url=url, accept="text/plain")
    assert "Accept: text/plain" in web.heads[0]


async def test_what_is_no_text_is_said_to_be(web: Web) -> None:
    web.page("/a.png", b"\x89PNG\0", "Content-Type: image/png")
    call = granted(web)
    assert await call("http.get", url=f"http://127.0.0.1:{web.port}/a.png") is None
    assert call.code == "tool_failed"
    assert "image/png" in call.said


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("iso-8859-1", "ä"),
        ("utf-8", "ä"),
        ("shift_jis", "日本"),
        ("utf-16", "ä"),
        ("odd", "a"),
    ],
)
async def test_texts_come_in_their_charset(web: Web, charset: str, text: str) -> None:
    data = text.encode(charset) if charset != "odd" else text.encode()
    web.page("/text", data, f"Content-Type: text/plain; charset={charset}")
    call = granted(web)
    assert (await call("http.get", url=f"http://127.0.0.1:{web.port}/text"))["text"] == text


async def test_a_charset_that_costs_time_is_not_used(web: Web) -> None:
    web.page("/text", b"xn--a", "Content-Type: text/plain; charset=punycode")
    call = granted(web)
    assert (await call("http.get", url=f"http://127.0.0.1:{web.port}/text"))["text"] == "xn--a"


async def test_statuses_are_the_models_to_read(web: Web) -> None:
    web.page("/gone", json.dumps({"error": "gone"}).encode(), status=410)
    call = granted(web)
    answer = await call("http.get", url=f"http://127.0.0.1:{web.port}/gone")
    assert (answer["status"], answer["text"]) == (410, '{"error": "gone"}')


async def test_a_certificate_is_checked_against_the_name_not_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    try:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "1", "-subj", "/CN=tls.example.org",
             "-addext", "subjectAltName=DNS:tls.example.org", "-keyout", key, "-out", cert],
            check=True, capture_output=True,
        )  # fmt: skip
    except FileNotFoundError:
        missing("openssl is not installed")
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    fetching.trusted.cache_clear()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    names = Names(tls_example_org=["127.0.0.1"], other_example_org=["127.0.0.1"])
    async with serving(context) as web:
        web.page("/good", b"good")
        call = caller("http", f"http:127.0.0.1:{web.port}", names=names)
        answer = await call("http.get", url=f"https://tls.example.org:{web.port}/good")
        assert answer["text"] == "good"
        assert await call("http.get", url=f"https://other.example.org:{web.port}/good") is None
        assert call.code == "tool_failed"
    fetching.trusted.cache_clear()
