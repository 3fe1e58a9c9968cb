"""Addresses of WebSockets, and that nobody else pays for them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from pepperpy import connect
from pepperpy.stack.broker import find_server
from tests.requirements import missing
from tests.running import until


@pytest.fixture
def websockets(tmp_path: Path) -> Iterator[Path]:
    """A server that listens to WebSockets, too; it writes its ports into the folder."""
    conf = tmp_path / "server.conf"
    conf.write_text(
        f"host: 127.0.0.1\nport: -1\nports_file_dir: {json.dumps(str(tmp_path))}\n"
        f"jetstream {{ store_dir: {json.dumps(str(tmp_path / 'data'))} }}\n"
        "websocket { host: 127.0.0.1, port: -1, no_tls: true }\n"
    )
    command = [str(find_server()), "-c", str(conf)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    yield tmp_path
    process.terminate()
    process.wait()


# The client library calls aiohttp as it was.
@pytest.mark.filterwarnings("ignore:parameter 'timeout':DeprecationWarning")
async def test_a_client_connects_by_websockets(websockets: Path) -> None:
    if find_spec("aiohttp") is None:
        missing("aiohttp: pip install -e '.[monitor]'")

    def ports() -> str:
        found = [file.read_text() for file in websockets.glob("*.ports")]
        return found[0] if found else ""

    (address,) = json.loads(await until(ports, "its ports"))["websocket"]
    async with connect(address) as bus:
        task = await bus.submit("dive", 1, id="t1")
    assert task == "t1"


def test_a_process_that_needs_no_websockets_loads_no_web_framework() -> None:
    asked = (
        "import sys, pepperpy_bus.link.connection; print('aiohttp' in sys.modules);"
        "from importlib.util import find_spec; print(find_spec('aiohttp') is not None)"
    )
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    loaded, installed = said.stdout.split()
    assert loaded == "False"
    assert installed == str(find_spec("aiohttp") is not None)
