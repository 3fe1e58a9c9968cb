"""What commands and programs of a model may try: they end, alone, and the next good call works."""

import asyncio
import contextlib
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pepperpy_agents.tools import ToolUse
from pepperpy_agents.tools.builtin import keeper, sandbox
from pepperpy_agents.tools.builtin.python import python_tool
from pepperpy_agents.tools.builtin.sandbox import Limits
from pepperpy_agents.tools.builtin.shell import shell_tool
from pepperpy_agents.tools.scopes import Grants
from tests.agents.conftest import wait_until
from tests.agents.tools.builtin.calling import Caller
from tests.requirements import missing

LIMITS = Limits(seconds=20, cpu=5, memory=256 * 1024 * 1024, processes=16)
CANARY = "canary-of-the-environment"
MARK = "86399.5"
"""Seconds that only a `sleep` of these tests sleeps."""


@pytest.fixture(autouse=True)
async def _isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", CANARY)
    call = caller()
    if await call("shell.run", argv=["true"]) is None:
        missing(f"this machine gives no sandbox: {call.said}")


def caller(*grants: str, limits: Limits = LIMITS) -> Caller:
    tools = (shell_tool(limits), python_tool(limits))
    return Caller(tools, ["shell.run", "python.run", *grants])


async def good(call: Caller) -> bool:
    """Whether the next call works as if nothing had been."""
    return bool((await call("shell.run", argv=["echo", "good"]))["stdout"] == "good\n")


async def python(call: Caller, code: str) -> dict[str, object]:
    found: dict[str, object] = await call("python.run", code=code)
    assert found is not None, call.said
    return found


def sleepers() -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if MARK.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


# --- what is written is what is run -------------------------------------------------------------


METACHARACTERS = [
    "; rm -rf /",
    "$(id)",
    "`id`",
    "| cat /etc/passwd",
    "&& id",
    "> /tmp/x",
    "*",
    "$HOME",
    "\n id",
    "'\"",
]


@pytest.mark.parametrize("text", METACHARACTERS)
async def test_no_shell_reads_an_argument(text: str) -> None:
    ended = await caller()("shell.run", argv=["printf", "%s", text])
    assert (ended["code"], ended["stdout"]) == (0, text)


async def test_only_the_granted_program_is_run() -> None:
    call = Caller([shell_tool(LIMITS)], ["shell.run:echo"])
    assert (await call("shell.run", argv=["echo", "a"]))["stdout"] == "a\n"
    for argv in (["id"], ["/bin/echo"], ["./echo"], ["echo "], ["Echo"]):
        assert await call("shell.run", argv=argv) is None
        assert call.code == "not_granted"


async def test_nothing_is_granted_by_default() -> None:
    call = Caller([shell_tool(LIMITS), python_tool(LIMITS)], [])
    assert await call("shell.run", argv=["id"]) is None
    assert call.code == "not_granted"
    assert await call("python.run", code="1") is None
    assert call.code == "not_granted"


@pytest.mark.parametrize("argv", [[""], ["a\0b"], ["no-such-program"], ["/etc/passwd"], ["/"]])
async def test_what_is_no_program_is_said_to_be_none(argv: list[str]) -> None:
    call = caller()
    assert await call("shell.run", argv=argv) is None
    assert call.code in {"bad_arguments", "not_granted"}
    assert await good(call)


# --- what is seen -------------------------------------------------------------------------------


LOOKING = {
    "its environment": "import os; print(dict(os.environ))",
    "that of all processes": (
        "import glob\n"
        "for p in glob.glob('/proc/*/environ') + glob.glob('/proc/*/task/*/environ'):\n"
        "    try: print(open(p).read())\n"
        "    except OSError as error: print(error)"
    ),
    "their memory": (
        "import os\n"
        "for pid in (1, os.getppid()):\n"
        "    try: print(open(f'/proc/{pid}/maps').read())\n"
        "    except OSError as error: print(error)"
    ),
    "its parent's descriptors": (
        "import os\n"
        "for n in range(3, 64):\n"
        "    try: print(os.readlink(f'/proc/self/fd/{n}'), os.read(n, 1000))\n"
        "    except OSError: pass"
    ),
}


@pytest.mark.parametrize("code", LOOKING.values(), ids=LOOKING)
async def test_the_workers_environment_is_not_seen(code: str) -> None:
    ended = await python(caller(), code)
    assert CANARY not in json.dumps(ended)
    assert ended["code"] == 0


async def test_the_environment_is_a_clean_one() -> None:
    ended = await caller()("shell.run", argv=["env"])
    names = {line.partition("=")[0] for line in ended["stdout"].splitlines()}
    assert names == {"PATH", "HOME", "LANG", "TMPDIR"}


async def test_only_the_system_is_seen(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    call = caller()
    for path in (
        tmp_path,
        Path.home(),
        Path(__file__),
        Path("/run"),
        Path("/var"),
        Path("/etc/shadow"),
    ):
        ended = await call("shell.run", argv=["ls", "-d", str(path)])
        assert ended["code"] == 2, path
    ended = await call("shell.run", argv=["sh", "-c", "echo x > /usr/x || echo x > /etc/x"])
    assert ended["code"] != 0


async def test_an_application_among_the_systems_sources_is_not_seen() -> None:
    """Images of containers have it in /usr/src/app, with its settings."""
    sources = Path("/usr/src")
    if not sources.is_dir() or not list(sources.iterdir()):
        missing("there is nothing in /usr/src")
    ended = await caller()("shell.run", argv=["ls", "-A", "/usr/src"])
    assert (ended["code"], ended["stdout"]) == (0, "")


async def test_granted_folders_are_seen_and_writable_ones_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents:
        if parent.name.startswith("pytest-"):
            parent.chmod(0o755)
    reading, writing = tmp_path / "reading", tmp_path / "writing"
    for folder in (reading, writing):
        folder.mkdir()
        folder.chmod(0o777)
    (reading / "a.txt").write_text("seen")
    (tmp_path / "link").symlink_to(reading)
    call = caller(f"files.read:{tmp_path}/link", f"files.write:{writing}")
    code = (
        "from pathlib import Path\n"
        f"text = Path('{tmp_path}/link/a.txt').read_text()\n"
        f"Path('{writing}/b.txt').write_text(text)\n"
        "try:\n"
        f"    Path('{tmp_path}/link/c.txt').write_text(text)\n"
        "except OSError as error:\n"
        "    print(error.strerror)\n"
    )
    ended = await python(call, code)
    assert ended["stdout"] == "Read-only file system\n", ended
    assert (writing / "b.txt").read_text() == "seen"


async def test_a_link_that_a_command_has_made_shows_nothing_to_the_next(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if "pytest-" in str(folder):
            folder.chmod(0o755)
    granted, secret = tmp_path / "granted", tmp_path / "secret"
    for folder in (granted, secret):
        folder.mkdir()
        folder.chmod(0o777)
    (secret / "key.txt").write_text(CANARY)
    call = caller(f"files:{granted}", f"files.write:{granted}/out", f"files.read:{granted}/out")
    assert (await call("shell.run", argv=["ln", "-s", str(secret), f"{granted}/out"]))["code"] == 0
    ended = await call("shell.run", argv=["cat", f"{granted}/out/key.txt"])
    assert ended is not None, call.said
    assert "No such file" in ended["stderr"]


async def test_nothing_is_kept_from_one_call_to_the_next() -> None:
    call = caller()
    assert (await call("shell.run", argv=["touch", "a"]))["code"] == 0
    assert (await call("shell.run", argv=["ls", "/scratch", "/tmp"]))[
        "stdout"
    ] == "/scratch:\n\n/tmp:\n"


# --- what is taken ------------------------------------------------------------------------------


async def test_a_fork_bomb_takes_its_own_processes_alone() -> None:
    code = (
        "import os, time\n"
        "n = 0\n"
        "try:\n"
        "    while n < 5000:\n"
        "        if os.fork() == 0: time.sleep(30); os._exit(0)\n"
        "        n += 1\n"
        "except OSError as error:\n"
        "    print(n, error.errno)\n"
    )
    call = caller()
    ended = await python(call, code)
    number, code_of_error = str(ended["stdout"]).split()
    assert int(number) < LIMITS.processes
    assert code_of_error == "11"
    assert await good(call)


async def test_a_fork_bomb_that_never_gives_up_is_ended() -> None:
    call = caller(limits=Limits(seconds=1.5, processes=16, memory=LIMITS.memory))
    bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    assert await call("python.run", code=bomb) is None
    assert call.code == "tool_timeout"
    assert await good(call)


async def test_a_memory_bomb_gets_no_memory() -> None:
    call = caller()
    ended = await python(call, "x = bytearray(10_000_000_000)")
    assert "MemoryError" in str(ended["stderr"])
    assert await good(call)


async def test_processes_do_not_get_more_memory_by_being_many() -> None:
    bomb = (
        "import os, time\n"
        "for _ in range(12):\n"
        "    if os.fork() == 0:\n"
        "        x = bytearray(b'x' * 100_000_000); time.sleep(30)\n"
        "time.sleep(30)\n"
    )
    call = caller()
    assert (await python(call, bomb))["killed"] == "memory"
    assert await good(call)


SHARED = {
    "a mapping": """
import mmap, os, time
for _ in range(6):
    if os.fork() == 0:
        memory = mmap.mmap(-1, 90 << 20)
        for _ in range(90):
            memory.write(bytes(1 << 20))
        time.sleep(10)
time.sleep(10)
""",
    "a file of no folder": """
import ctypes, os, time
for _ in range(10):
    file = ctypes.CDLL(None).memfd_create(b"", 0)
    if file < 0:
        raise SystemExit("refused")
    for _ in range(60):
        os.write(file, bytes(1 << 20))
""",
    "a segment": """
import ctypes
if ctypes.CDLL(None).shmget(0, 60 << 20, 0o1600) < 0:
    raise SystemExit("refused")
""",
}


@pytest.mark.parametrize("bomb", SHARED.values(), ids=SHARED)
async def test_memory_that_can_be_shared_counts_too(bomb: str) -> None:
    if platform.machine() not in ("x86_64", "aarch64") and "refused" in bomb:
        missing(f"system calls of {platform.machine()} are not filtered")
    call = caller()
    ended = await python(call, bomb)
    assert ended.get("killed") == "memory" or ended["stderr"] == "refused\n"
    assert await good(call)


async def test_an_endless_loop_ends_with_its_cpu_time() -> None:
    call = caller(limits=Limits(seconds=30, cpu=1, memory=LIMITS.memory))
    assert (await python(call, "while True: pass"))["killed"] == "SIGXCPU"
    assert await good(call)


async def test_an_endless_wait_ends_with_the_time_limit() -> None:
    call = caller(limits=Limits(seconds=0.5))
    code = "import time; print('begun', flush=True); time.sleep(1000)"
    assert await call("python.run", code=code) is None
    assert call.code == "tool_timeout"
    assert "begun" in call.said
    assert await good(caller())


async def test_a_large_file_is_not_written() -> None:
    call = caller()
    ended = await call("shell.run", argv=["head", "-c", "10G", "/dev/zero"])
    assert ended["killed"] == "output"
    ended = await python(
        call, "f = open('big', 'wb')\nfor _ in range(10_000): f.write(bytes(1_000_000))"
    )
    assert "OSError" in str(ended["stderr"])
    many = "for n in range(1000): open(str(n), 'wb').write(bytes(1_000_000))"
    assert "No space left" in str((await python(call, many))["stderr"])
    assert await good(call)


async def test_many_files_are_not_opened() -> None:
    ended = await python(caller(), "x = [open('/dev/null') for _ in range(1000)]")
    assert "Too many open files" in str(ended["stderr"])


async def test_endless_output_is_cut_and_then_ended() -> None:
    call = caller()
    ended = await call("shell.run", argv=["yes"])
    assert (ended["code"], ended["killed"], ended["cut"]) == (None, "output", True)
    assert len(ended["stdout"]) == LIMITS.output
    assert await good(call)


# --- what is left -------------------------------------------------------------------------------


DETACHED = {
    "background": f"sleep {MARK} &",
    "session": f"setsid sleep {MARK} &",
    "session twice": f"setsid setsid setsid sleep {MARK} >/dev/null 2>&1 </dev/null &",
    "deaf": f"trap '' TERM HUP INT; nohup sleep {MARK} >/dev/null 2>&1 &",
}


@pytest.mark.parametrize("script", DETACHED.values(), ids=DETACHED)
async def test_no_child_outlives_its_call(script: str) -> None:
    call = caller()
    assert (await call("shell.run", argv=["sh", "-c", f"{script} echo begun"]))[
        "stdout"
    ] == "begun\n"
    await wait_until(lambda: not sleepers())


@pytest.mark.parametrize("script", DETACHED.values(), ids=DETACHED)
async def test_no_child_outlives_a_time_limit(script: str) -> None:
    call = caller(limits=Limits(seconds=1))
    assert await call("shell.run", argv=["sh", "-c", f"{script} sleep {MARK}"]) is None
    assert call.code == "tool_timeout"
    await wait_until(lambda: not sleepers())


async def test_no_child_outlives_a_cancelled_call() -> None:
    tool = shell_tool(LIMITS)
    use = ToolUse(caller="tester", grants=Grants.of(["shell.run"]))
    argv = ["sh", "-c", f"setsid sleep {MARK} & sleep {MARK}"]
    running = asyncio.ensure_future(tool.call({"argv": argv}, use))
    await wait_until(lambda: len(sleepers()) >= 3)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await wait_until(lambda: not sleepers())


async def test_no_child_outlives_a_killed_worker(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(
        "import asyncio\n"
        "from pepperpy_agents.tools import ToolUse\n"
        "from pepperpy_agents.tools.builtin.shell import RUN\n"
        "from pepperpy_agents.tools.scopes import Grants\n"
        "use = ToolUse(caller='w', grants=Grants.of(['shell.run']))\n"
        f"argv = ['sh', '-c', 'setsid sleep {MARK} & sleep {MARK}']\n"
        "asyncio.run(RUN.call({'argv': argv}, use))\n"
    )
    worker = await asyncio.create_subprocess_exec(sys.executable, str(script))
    await wait_until(lambda: len(sleepers()) >= 3)
    worker.send_signal(signal.SIGKILL)
    await worker.wait()
    await wait_until(lambda: not sleepers())


async def test_nobody_outside_is_reached() -> None:
    """Neither by signals, nor by asking for the worker's rights again."""
    call = caller()
    code = (
        "import os, signal\n"
        f"for pid in (1, {os.getpid()}, {os.getppid()}, -1):\n"
        "    try: os.kill(pid, signal.SIGTERM); print('sent', pid)\n"
        "    except OSError as error: print(error.strerror)\n"
    )
    ended = await python(call, "import signal; signal.signal(15, signal.SIG_IGN)\n" + code)
    assert ended["killed"] in {"", "SIGTERM"}, ended
    for argv in (
        ["unshare", "-r", "id"],
        ["su", "-c", "id"],
        ["mount", "-t", "tmpfs", "x", "/tmp"],
        ["chroot", "/", "id"],
    ):
        ended = await call("shell.run", argv=argv)
        assert "uid=0" not in ended["stdout"]
        assert ended["code"] != 0
    assert await good(call)


CALLS = {
    "ptrace": "libc.ptrace(0, 0, 0, 0)",
    "unshare": "libc.unshare(0x10000000)",
    "mount": "libc.mount(b'tmpfs', b'/tmp', b'tmpfs', 0, None)",
    "keyctl": "libc.syscall(250, 0, -3, 0)",
    "bpf": "libc.syscall(321, 0, 0, 0)",
    "io_uring": "libc.syscall(425, 1, 0)",
    "another way to call": "libc.syscall(0x40000000 + 39)",
    "vsock": "libc.socket(40, 1, 0)",
    "packet": "libc.socket(17, 3, 0)",
    "alg": "libc.socket(38, 5, 0)",
}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are those of x86-64")
@pytest.mark.parametrize("asked", CALLS.values(), ids=CALLS)
async def test_what_no_command_needs_the_kernel_refuses(asked: str) -> None:
    code = (
        "import ctypes\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        f"print({asked}, ctypes.get_errno())\n"
    )
    assert (await python(caller(), code))["stdout"] == "-1 1\n"


# --- the network --------------------------------------------------------------------------------


@pytest.fixture
def port() -> object:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


CONNECT = (
    "import socket\n"
    "try: socket.create_connection(('127.0.0.1', {port}), 2); print('connected')\n"
    "except OSError as error: print(error.strerror)\n"
)


async def test_there_is_no_network(port: int) -> None:
    call = caller()
    assert (await python(call, CONNECT.format(port=port)))["stdout"] == "Network is unreachable\n"
    code = "import socket; print(socket.if_nameindex())"
    assert (await python(call, code))["stdout"] == "[(1, 'lo')]\n"


async def test_there_is_one_where_it_was_granted(port: int) -> None:
    call = caller("sandbox.network:python")
    assert (await python(call, CONNECT.format(port=port)))["stdout"] == "connected\n"
    script = f"exec 3<>/dev/tcp/127.0.0.1/{port}"
    assert (await call("shell.run", argv=["bash", "-c", script]))["code"] != 0


async def test_what_listens_in_a_granted_folder_is_not_reached_without_a_network() -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listening:
        Path(folder).chmod(0o755)
        listening.bind(f"{folder}/s")
        listening.listen()
        Path(f"{folder}/s").chmod(0o777)
        code = (
            "import socket\n"
            f"try: socket.socket(socket.AF_UNIX).connect('{folder}/s'); print('connected')\n"
            "except OSError as error: print(error.strerror)\n"
            "import asyncio, multiprocessing\n"
            "asyncio.run(asyncio.sleep(0))\n"
            "with multiprocessing.Pool(2) as pool: print(pool.map(abs, [-1, 2]))\n"
        )
        alone = await python(caller(f"files.read:{folder}"), code)
        assert alone["stdout"] == "Operation not permitted\n[1, 2]\n", alone
        granted = await python(caller(f"files.read:{folder}", "sandbox.network"), code)
        assert granted["stdout"] == "connected\n[1, 2]\n", granted


async def test_all_programs_are_no_grant_of_the_network(port: int) -> None:
    call = Caller((python_tool(LIMITS),), ["python", "shell"])
    assert (await python(call, CONNECT.format(port=port)))["stdout"] == "Network is unreachable\n"


# --- where there is no sandbox ------------------------------------------------------------------


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine that gives no namespaces, as far as the script that asks for them can see."""
    shutil.copytree(Path(keeper.FOLDER) / "inside", tmp_path / "inside")
    script = tmp_path / "inside" / "namespaces.py"
    wanted = "if libc.unshare(ctypes.c_int(kinds)) != 0:"
    text = script.read_text()
    assert wanted in text
    script.write_text(text.replace(wanted, "ctypes.set_errno(1)\n    if True:"))
    monkeypatch.setattr(keeper, "FOLDER", str(tmp_path))


@pytest.mark.usefixtures("bare")
async def test_without_a_sandbox_nothing_is_run() -> None:
    for grants in ([], ["sandbox.unconfined"], ["sandbox.network"]):
        call = caller(*grants)
        assert await call("shell.run", argv=["id"]) is None
        assert call.code == "not_granted"
        assert "Operation not permitted" in call.said


@pytest.mark.usefixtures("bare")
async def test_what_is_run_without_one_leaves_nothing_either() -> None:
    call = caller("sandbox.unconfined", "sandbox.network", limits=Limits(seconds=5, cpu=2))
    ended = await call("shell.run", argv=["sh", "-c", f"setsid sleep {MARK} & pwd; env"])
    assert CANARY not in ended["stdout"]
    assert not Path(ended["stdout"].split()[0]).exists()
    assert not sleepers()
    script = f"setsid sleep {MARK} & yes"
    ended = await call("shell.run", argv=["sh", "-c", script])
    assert ended["killed"] == "output"
    assert not sleepers()
    quick = caller("sandbox", limits=Limits(seconds=0.7))
    script = f"setsid sleep {MARK} & setsid setsid sleep {MARK} & sleep {MARK}"
    assert await quick("shell.run", argv=["sh", "-c", script]) is None
    assert quick.code == "tool_timeout"
    assert not sleepers()
    assert await good(call)


# --- who the worker is ---------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="all other tests have run as this user already")
def test_a_worker_that_is_not_root_has_the_same_sandbox(tmp_path: Path) -> None:
    """The order goes to a Python that everybody may run, as a user who may do nothing."""
    nobody, python = 65534, shutil.which("python3", path="/usr/local/bin:/usr/bin")
    if python is None:
        missing("there is no python3 that every user may run")
    code = (
        "import os, signal\n"
        "print(os.getuid(), os.listdir('/scratch'), sorted(os.listdir('/')), len(os.environ))\n"
        "n = 0\n"
        "try:\n"
        "    while n < 5000:\n"
        "        if os.fork() == 0: signal.pause()\n"
        "        n += 1\n"
        "except OSError as error: print(error.errno, n < 16)\n"
    )
    order = sandbox.order_of(
        [python, "-I", "-c", code], sandbox.Rights(), LIMITS, (), confined=True, folder="/scratch"
    )
    order |= {"uid": nobody, "gid": nobody}
    shutil.copytree(Path(keeper.FOLDER) / "inside", tmp_path / "inside")
    for path in (tmp_path, *tmp_path.parents):
        if path.name.startswith(("test_", "pytest-")):
            path.chmod(0o755)
    ordered = tmp_path / "order.json"
    ordered.write_text(json.dumps(order))
    told, writing = os.pipe()
    begin = [python, "-I", "-S", "-c", keeper.INSIDE]
    with ordered.open("rb") as file:
        ended = subprocess.run(
            [*begin, str(tmp_path), str(file.fileno()), str(writing)],
            check=False,
            pass_fds=(file.fileno(), writing),
            env={},
            user=nobody,
            group=nobody,
            extra_groups=[],
            capture_output=True,
            text=True,
            timeout=30,
        )
    os.close(writing)
    said = os.read(told, 1000)
    os.close(told)
    assert json.loads(said.splitlines()[0]) == {"code": 0}
    names = ["bin", "dev", "etc", "lib", "proc", "sbin", "scratch", "tmp", "usr"]
    first, second = ended.stdout.splitlines()
    assert first.startswith(f"{nobody} [] ")
    assert first.endswith(" 4")
    assert all(repr(name) in first for name in names)
    assert "'root'" not in first
    assert second == "11 True"


# --- limits -------------------------------------------------------------------------------------


CAPS: dict[str, tuple[str, Callable[[Limits], int]]] = {
    "RLIMIT_CPU": ("RLIMIT_CPU", lambda limits: limits.cpu),
    "RLIMIT_AS": ("RLIMIT_AS", lambda limits: limits.memory),
    "RLIMIT_NPROC": ("RLIMIT_NPROC", lambda limits: limits.processes),
    "RLIMIT_FSIZE": ("RLIMIT_FSIZE", lambda limits: limits.file),
    "RLIMIT_NOFILE": ("RLIMIT_NOFILE", lambda limits: limits.open_files),
    "RLIMIT_CORE": ("RLIMIT_CORE", lambda _: 0),
}


@pytest.mark.parametrize(("name", "cap"), CAPS.values(), ids=CAPS)
async def test_limits_are_set(name: str, cap: Callable[[Limits], int]) -> None:
    code = f"import resource; print(resource.getrlimit(resource.{name})[0])"
    assert int(str((await python(caller(), code))["stdout"])) == cap(LIMITS)


async def test_many_calls_at_once_have_their_own_processes() -> None:
    call = caller()
    code = (
        "import os, time\nfor _ in range(10):\n    if os.fork() == 0: time.sleep(0.5); os._exit(0)"
    )
    ended = await asyncio.gather(*(caller()("python.run", code=code) for _ in range(4)))
    assert [one["code"] for one in ended] == [0] * 4
    assert await good(call)
