"""The command of the sandbox: started under its limits, waited for, and its memory watched."""

# pathlib would not be found after the change of root.
# ruff: noqa: PTH208

import contextlib
import os
import resource
import signal
import sys
from typing import Any

from .filtering import refuse_calls
from .system import NO_NEW_PRIVILEGES, Setup, get, prctl, tell


def start(order: dict[str, Any], told: int, *, processes: int) -> int:
    """Starts the command under its limits; returns its process."""
    command = os.fork()
    if command != 0:
        return command
    try:
        os.setsid()
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        _limit(order["limits"], processes)
        if sys.platform == "linux":
            prctl(NO_NEW_PRIVILEGES, 1)
            refuse_calls(network=order["network"])
        os.chdir(order["cwd"])
        os.execvpe(order["argv"][0], order["argv"], order["env"])  # noqa: S606 - no shell is meant
    except Setup as error:
        tell(told, {"setup": str(error)})
    except OSError as error:
        tell(told, {"not_started": error.strerror or str(error)})
    finally:
        os._exit(127)


def _limit(limits: dict[str, int], processes: int) -> None:
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, limits["cpu"]),
        (resource.RLIMIT_AS, limits["memory"]),
        (resource.RLIMIT_FSIZE, limits["file"]),
        (resource.RLIMIT_NOFILE, limits["open_files"]),
        (resource.RLIMIT_NPROC, processes),
    ):
        _, hard = resource.getrlimit(kind)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        # One second more of CPU time: the first signal has a name, and the second is any kill.
        spared = 1 if kind == resource.RLIMIT_CPU and allowed == most else 0
        resource.setrlimit(kind, (allowed, allowed + spared))


def wait(command: int, memory: int | None) -> dict[str, Any]:
    """Waits for the command, and reaps whoever is left to us; tells how the command ended."""
    signals = {signal.SIGCHLD, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    while True:
        with contextlib.suppress(ChildProcessError):
            while True:
                ended, status = os.waitpid(-1, os.WNOHANG)
                if ended == command:
                    return _status(status)
                if ended == 0:
                    break
        came = signal.sigtimedwait(signals, 0.05)
        if came is not None and came.si_signo == signal.SIGTERM:
            return {"signal": signal.SIGTERM}
        if memory is not None and _memory_used() > memory:
            return {"memory": True}


def _status(status: int) -> dict[str, Any]:
    if os.WIFSIGNALED(status):
        return {"signal": os.WTERMSIG(status)}
    return {"code": os.WEXITSTATUS(status)}


def _memory_used() -> int:
    """Bytes that all processes of the sandbox have: their own, and what they share with others."""
    kilobytes = 0
    for name in os.listdir("/proc"):
        if name.isdigit() and name != "1":
            with contextlib.suppress(OSError):
                for line in get(f"/proc/{name}/status").splitlines():
                    if line.startswith((b"RssAnon:", b"RssShmem:")):
                        kilobytes += int(line.split()[1])
    return kilobytes * 1024
