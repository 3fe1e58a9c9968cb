import asyncio
import io
import os
import signal
import sys

import msgspec
import pytest

from pepperpy.stack.child import Child
from pepperpy.stack.output import Output
from pepperpy.stack.supervisor import Supervisor, supervised
from pepperpy_schemas.errors import BadConfig
from tests.running import gone, until


def child(code: str, name: str = "c") -> Child:
    return Child(name=name, command=(sys.executable, "-u", "-c", code), role="worker")


class Stage:
    """A supervisor with a stream to look at."""

    def __init__(self, *children: Child, grace: float = 5.0) -> None:
        self.stream = io.StringIO()
        self.supervisor = Supervisor(
            children,
            environment_of=lambda _: os.environ,
            output=Output(self.stream),
            grace=grace,
            back_off=(0.01, 0.02),
        )

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    async def says(self, words: str) -> None:
        await until(lambda: words in self.text, f"{words!r} in {self.text}", within=10)


async def test_lines_of_every_length_and_encoding_arrive_whole_or_in_pieces():
    code = (
        "import os, signal\n"
        "os.write(1, b'\\xff short\\r\\n'); os.write(1, b'x' * 300_000 + b'\\n')\n"
        "os.write(2, b'no end'); signal.pause()"
    )
    stage = Stage(child(code))
    async with supervised(stage.supervisor):
        stage.supervisor.start()
        await until(lambda: stage.text.count("x") >= 300_000, "the long line")
    assert stage.text.startswith("c  | \ufffd short\nc  | x")
    assert stage.text.endswith("c  | no end\n")


async def test_a_child_that_crashes_is_started_again_after_a_growing_wait():
    stage = Stage(child("import sys; sys.exit(7)"))
    async with supervised(stage.supervisor) as supervisor:
        supervisor.came_up()
        supervisor.start()
        await stage.says("it starts again in 0.02 s")
    assert "c ended with exit code 7; it starts again in 0.01 s" in stage.text


async def test_a_child_that_ends_well_stays_down():
    stage = Stage(child("print('done')"))
    async with supervised(stage.supervisor) as supervisor:
        supervisor.start()
        await stage.says("c has ended; it was told to, and stays down")
    assert stage.text.count("done") == 1


async def test_a_child_that_fails_before_all_is_up_fails_the_stack():
    stage = Stage(child("raise SystemExit(1)", "bad"), child("import signal; signal.pause()"))

    async def stack() -> None:
        async with supervised(stage.supervisor) as supervisor:
            supervisor.start()
            await asyncio.wait_for(supervisor.failed(), 10)

    with pytest.raises(BadConfig, match="bad ended with exit code 1"):
        await stack()
    assert stage.supervisor.pids == {}


@pytest.mark.parametrize("late", ["one", "two"])
async def test_what_all_copies_of_a_child_fail_of_is_told_once(late):
    code = (
        "import os, sys, time; time.sleep(0.3 * (os.environ['LATE'] == os.environ['NAME']))\n"
        "print('it needs nope'); sys.exit(1)"
    )
    copies = [
        msgspec.structs.replace(child(code, name), environment={"NAME": name, "LATE": late})
        for name in ("one", "two")
    ]
    stage = Stage(*copies)
    async with supervised(stage.supervisor) as supervisor:
        supervisor.start()
        with pytest.raises(BadConfig, match="one ended with exit code 1"):
            await supervisor.failed()
    assert stage.text == "one | it needs nope\n"


async def test_a_copy_that_fails_alone_is_heard(monkeypatch):
    monkeypatch.setattr("pepperpy.stack.supervisor._SAME_FAULT", 0.1)
    code = (
        "import os, signal, sys; print(os.environ['NAME'])\n"
        "if os.environ['NAME'] == 'two': sys.exit(1)\n"
        "signal.pause()"
    )
    copies = [
        msgspec.structs.replace(child(code, name), environment={"NAME": name})
        for name in ("one", "two")
    ]
    stage = Stage(*copies)
    async with supervised(stage.supervisor) as supervisor:
        supervisor.start()
        with pytest.raises(BadConfig, match="two ended with exit code 1"):
            await supervisor.failed()
    assert "two | two" in stage.text


async def test_copies_are_heard_once_all_is_up():
    code = "import signal; print('here'); signal.pause()"
    stage = Stage(child(code, "one"), child(code, "two"))
    async with supervised(stage.supervisor) as supervisor:
        supervisor.start()
        await stage.says("one | here")
        supervisor.came_up()
        await stage.says("two | here")


async def test_a_child_that_does_not_drain_is_killed_after_the_grace_with_its_own_children():
    code = (
        "import signal, subprocess, sys\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "below = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        "print('below', below.pid)\n"
        "while True: signal.pause()"
    )
    stage = Stage(child(code), grace=0.2)
    async with supervised(stage.supervisor) as supervisor:
        supervisor.start()
        await stage.says("below")
        pid = supervisor.pids["c"]
    below = int(stage.text.split("below ")[1].split()[0])
    assert "c did not end within 0.2 s: killed" in stage.text
    assert gone(pid)
    await until(lambda: gone(below), "the grandchild's end")


async def test_what_a_crashed_child_leaves_behind_is_killed():
    code = (
        "import os, signal, subprocess, sys\n"
        "below = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        "print('below', below.pid)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    stage = Stage(child(code))
    async with supervised(stage.supervisor) as supervisor:
        supervisor.start()
        await stage.says("c was killed by SIGKILL")
        below = int(stage.text.split("below ")[1].split()[0])
        await until(lambda: gone(below), "the grandchild's end")


async def test_a_cancelled_stack_kills_its_children_without_a_grace():
    code = "import signal; signal.signal(15, signal.SIG_IGN); print('up'); signal.pause()"
    stage = Stage(child(code), grace=60)

    async def stack() -> None:
        async with supervised(stage.supervisor) as supervisor:
            supervisor.start()
            await asyncio.Event().wait()

    running = asyncio.create_task(stack())
    await stage.says("up")
    pid = stage.supervisor.pids["c"]
    running.cancel()
    await asyncio.wait([running], timeout=5)
    assert running.cancelled()
    assert gone(pid)


async def test_a_stop_that_comes_while_a_child_waits_to_start_again_is_prompt():
    stage = Stage(child(f"import os; os.kill(os.getpid(), {signal.SIGKILL})"))
    stage.supervisor._back_off = (60,)
    async with asyncio.timeout(10), supervised(stage.supervisor) as supervisor:
        supervisor.start()
        await stage.says("starts again in 60 s")
