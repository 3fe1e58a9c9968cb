import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import nats
import pytest

from pepperpy.stack.broker import Broker, BrokerFailed
from pepperpy.stack.conf import Login
from pepperpy_bus.installing import install


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


async def test_a_broker_is_ready_in_under_a_second_and_stops_without_a_trace() -> None:
    begin = time.monotonic()
    async with Broker() as broker:
        ready = time.monotonic() - begin
        nc = await nats.connect(broker.url)
        await nc.jetstream().account_info()
        await nc.close()
        with urllib.request.urlopen(f"{broker.monitor_url}/healthz") as reply:
            assert reply.status == 200
        pid, folder = broker.pid, broker.folder
    assert ready < 1.0
    assert gone(pid)
    assert not folder.exists()


async def test_messages_and_port_survive_a_kill_and_a_restart(own_broker: Broker) -> None:
    url = own_broker.url
    nc = await nats.connect(url)
    await nc.jetstream().add_stream(name="S", subjects=["s"])
    await nc.jetstream().publish("s", b"kept")
    await nc.close()

    own_broker.kill()
    assert not own_broker.running
    await own_broker.restart()

    assert own_broker.url == url
    nc = await nats.connect(url)
    assert (await nc.jetstream().get_msg("S", 1)).data == b"kept"
    await nc.close()


async def test_a_broker_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    code = (
        "import sys, signal\nfrom pathlib import Path\nfrom pepperpy.stack.broker import Broker\n"
        "b = Broker(Path(sys.argv[1])); b.start_sync(); print(b.pid, flush=True); signal.pause()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent:
        pid = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)
    async with asyncio.timeout(5):
        while not gone(pid):
            await asyncio.sleep(0.01)


async def test_a_server_that_refuses_its_configuration_is_reported_with_its_last_words(
    tmp_path: Path,
) -> None:
    broker = Broker(tmp_path, options={"store_dir": "/proc/no-such-place"})
    with pytest.raises(BrokerFailed, match=r"nats-server\.log says: .*no-such-place"):
        await broker.start()
    assert not broker.running


def test_a_missing_server_names_the_package_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrokerFailed, match="no nats-server") as raised:
        Broker(tmp_path).start_sync()
    assert raised.value.hint.startswith(install("stack"))


async def test_a_frozen_server_is_killed_after_the_grace(
    broker_factory: Callable[..., Broker],
) -> None:
    broker = broker_factory(stop_grace=0.2)
    pid = broker.pid
    os.kill(pid, signal.SIGSTOP)
    await broker.stop()
    assert gone(pid)


async def test_any_printable_password_reaches_the_server_unchanged(
    broker_factory: Callable[..., Broker],
) -> None:
    password = 'p@ss/w:rd "quoted" \\back $PATH # ü'
    broker = broker_factory(logins=(Login(user="odd one", password=password),))
    nc = await nats.connect(broker.url, user="odd one", password=password, allow_reconnect=False)
    await nc.flush()
    await nc.close()


async def test_each_user_has_a_url_and_only_the_owner_can_read_the_passwords(
    broker_factory: Callable[..., Broker],
) -> None:
    logins = (Login(user="a", password="first"), Login(user="b", password="second"))
    broker = broker_factory(logins=logins)
    for user in ("a", "b"):
        nc = await nats.connect(broker.url_for(user), allow_reconnect=False)
        await nc.flush()
        await nc.close()
    assert (broker.folder / "nats.conf").stat().st_mode & 0o777 == 0o600
    assert "first" not in repr(broker.logins)


def test_two_brokers_without_a_loop_run_side_by_side() -> None:
    with Broker() as one, Broker() as two:
        assert one.url != two.url
