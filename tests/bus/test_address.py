import asyncio
import logging
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepperpy.stack.broker import Broker
from pepperpy.stack.conf import Login as BrokerLogin
from pepperpy_bus.config import load
from pepperpy_bus.link.address import Login, read_servers, split_login
from pepperpy_bus.link.connection import open_connection
from pepperpy_bus.link.options import ConnectionOptions
from pepperpy_bus.options import connection_options
from pepperpy_schemas.errors import BadConfig, PepperError, PermissionDenied, Unreachable

PASSWORD = "p@ss:/w%rd, ü"
ADDRESS = f"ana:{quote(PASSWORD, safe='')}@"


@pytest.fixture
def guarded(broker_factory: Callable[..., Broker]) -> Broker:
    """A broker that knows one user, whose password is hard to write in a URL."""
    return broker_factory(logins=(BrokerLogin(user="ana", password=PASSWORD),))


def at(broker: Broker, login: str) -> str:
    return broker.url.replace("://", f"://{login}")


@pytest.mark.parametrize(
    ("url", "server", "login"),
    [
        ("nats://h:4222", "nats://h:4222", Login()),
        ("h", "nats://h", Login()),
        ("ana:p%40ss@h", "nats://h", Login("ana", "p@ss")),
        ("tls://ana:p@ss@h:4443", "tls://h:4443", Login("ana", "p@ss")),
        ("wss://t0k%2Fen@h/ws", "wss://h/ws", Login(token="t0k/en")),
        ("nats://a%3Ab:@[::1]:4222", "nats://[::1]:4222", Login("a:b", "")),
    ],
)
def test_an_address_is_parted_from_its_login(url: str, server: str, login: Login) -> None:
    assert split_login(url) == (server, login)
    assert read_servers([url]) == ((server,), login)


def test_the_first_login_of_several_addresses_counts() -> None:
    urls = ["nats://a:1", "nats://ana:x@b:1", "nats://bob:y@c:1"]
    assert read_servers(urls) == (("nats://a:1", "nats://b:1", "nats://c:1"), Login("ana", "x"))


@pytest.mark.parametrize("url", ["", "nats://", "nats://a b", "nats://ana:hush@", "nats://h:port"])
def test_an_address_that_cannot_be_read_is_refused_without_its_text(url: str) -> None:
    with pytest.raises(BadConfig, match="address 2 cannot be read") as refused:
        read_servers(["nats://fine", url])
    assert "hush" not in repr(refused.value.info())


@given(st.text(min_size=1), st.text(min_size=1))
def test_every_user_and_password_can_be_written(user: str, password: str) -> None:
    try:
        url = f"nats://{quote(user, safe='')}:{quote(password, safe='')}@h:1"
    except UnicodeEncodeError:  # lone surrogates have no percent-encoding
        return
    assert split_login(url) == ("nats://h:1", Login(user, password))


def test_a_login_given_apart_is_stronger_than_the_urls() -> None:
    options = ConnectionOptions(servers=("nats://ana:x@h",), user="bob", password="y")
    chosen = options.with_login()
    assert (chosen.servers, chosen.user, chosen.password) == (("nats://h",), "bob", "y")


def test_passwords_do_not_show_when_options_are_printed() -> None:
    options = ConnectionOptions(servers=("nats://ana:hush@h",), password="hush", token="hush")
    assert "hush" not in f"{options!r} {options.with_login()} {Login('a', 'hush', 'hush')}"


async def test_user_and_password_of_the_url_are_decoded_and_used(guarded: Broker) -> None:
    async with open_connection(ConnectionOptions(servers=(at(guarded, ADDRESS),))) as connection:
        await connection.flush()
        assert connection.options.user == "ana"
        assert connection.server == guarded.url


async def test_the_login_of_the_url_is_used_again_after_a_restart(guarded: Broker) -> None:
    async with open_connection(ConnectionOptions(servers=(at(guarded, ADDRESS),))) as connection:
        guarded.kill()
        await guarded.start()
        await connection.wait_connected(5)
        await connection.flush()


async def test_no_error_and_no_log_shows_the_password_of_a_url(
    guarded: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    host = guarded.url.removeprefix("nats://")
    seen: list[PepperError] = []
    for url, kind in (
        (f"nats://ana:canary%2Fcanary@{host}", PermissionDenied),
        (f"nats://ana:canary/canary@{host}", PermissionDenied),
        (f"nats://canary@{host}", PermissionDenied),
        ("nats://ana:canary@127.0.0.1:1", Unreachable),
        ("nats://ana:canary@127.0.0.1:99999", PepperError),
        ("nats://ana:canary@:x", BadConfig),
    ):
        options = ConnectionOptions(servers=(url,), connect_timeout=1.0)
        with pytest.raises(kind) as refused:
            async with open_connection(options):
                pass
        seen.append(refused.value)
    text = " ".join(f"{one} {one.hint} {one.info()!r}" for one in seen) + caplog.text
    assert "canary" not in text
    assert "the broker at nats://127.0.0.1" in text
    assert "user 'ana'" in text


async def test_no_log_of_a_lost_connection_shows_the_password(
    guarded: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_connection(ConnectionOptions(servers=(at(guarded, ADDRESS),))) as connection:
        gone = asyncio.Event()
        connection.on_disconnect.append(gone.set)
        guarded.kill()
        await gone.wait()
        with pytest.raises(Unreachable) as away:
            await connection.wait_connected(0.01)
        assert PASSWORD not in str(away.value)
        assert quote(PASSWORD, safe="") not in str(away.value)
    assert "bus.disconnected" in caplog.text
    assert PASSWORD not in caplog.text
    assert quote(PASSWORD, safe="") not in caplog.text


def test_a_role_named_in_the_url_gets_its_own_inbox() -> None:
    def inbox(**flags: object) -> str:
        given = {name.replace("__", "."): value for name, value in flags.items()}
        return connection_options(load(flags=given, environ={}).settings).inbox_prefix

    assert inbox(nats__url="nats://worker:x@h") == "_INBOX_worker"
    assert inbox(nats__url="nats://ana:x@h") == "_INBOX"
    assert inbox(nats__url="nats://worker:x@h", nats__user="ana", nats__password="y") == "_INBOX"
    assert inbox(nats__url="nats://worker:x@h", nats__inbox_prefix="mine") == "mine"
