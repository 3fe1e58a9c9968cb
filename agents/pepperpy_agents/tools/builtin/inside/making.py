"""The way of the sandbox: from what was ordered to how the command ended."""

# pathlib would not be found after the change of root.
# ruff: noqa: PTH112, PTH116, PTH208

import contextlib
import json
import os
import signal
import sys
from typing import Any

from .command import start, wait
from .folders import make_file_system
from .namespaces import (
    NEW_FILES,
    NEW_IPC,
    NEW_NAME,
    NEW_NETWORK,
    NEW_PROCESSES,
    become,
    die_with_parent,
    own_users,
    unshare,
)
from .system import DUMPABLE, SUBREAPER, Setup, call, get, libc, prctl, put, tell


def main() -> None:
    """Reads what to do, does it, and says how it went."""
    ordered, told = int(sys.argv[1]), int(sys.argv[2])
    for descriptor in (ordered, told):
        os.set_inheritable(descriptor, False)
    with open(ordered, encoding="utf-8") as file:
        order: dict[str, Any] = json.load(file)
    os.umask(0o022)
    try:
        if order["confined"]:
            _confined(order, told)
        else:
            _unconfined(order, told)
    except Exception as error:  # the worker says what it was
        tell(told, {"setup": f"{type(error).__name__}: {error}"})


def _confined(order: dict[str, Any], told: int) -> None:
    if sys.platform != "linux":
        raise Setup(f"there are no namespaces on {sys.platform}")
    uid, gid = order["uid"], order["gid"]
    root = os.geteuid() == 0
    kinds = NEW_FILES | NEW_NAME | NEW_IPC | NEW_PROCESSES
    kinds |= 0 if order["network"] else NEW_NETWORK
    if not root:
        own_users(uid, gid)
    unshare(kinds)
    beginning, began = os.pipe()
    init = os.fork()
    if init == 0:
        die_with_parent()
        os.close(began)
        try:
            # Had the keeper been killed before this, nobody would have told the kernel of it.
            if os.read(beginning, 1):
                _init(order, told, root=root)
        except Exception as error:  # nothing may leave this process but by its pipe
            tell(told, {"setup": f"{type(error).__name__}: {error}"})
        finally:
            os._exit(0)
    if not root:
        prctl(DUMPABLE, 0)
    die_with_parent(order["parent"])
    os.write(began, b"!")
    os.waitpid(init, 0)


def _init(order: dict[str, Any], told: int, *, root: bool) -> None:
    uid, gid = order["uid"], order["gid"]
    make_file_system(order, uid, gid)
    call(libc.sethostname, b"sandbox", 7)
    if root:
        become(uid, gid)
        # Processes are counted by user and namespace: others of this user shall not count.
        own_users(uid, gid)
        die_with_parent()
    with contextlib.suppress(OSError):
        put("/proc/sys/user/max_user_namespaces", "0")
    with contextlib.suppress(OSError):
        put("/proc/self/oom_score_adj", "1000")
    prctl(DUMPABLE, 0)
    limits = order["limits"]
    command = start(order, told, processes=limits["processes"])
    tell(told, wait(command, limits["memory"]))


def _unconfined(order: dict[str, Any], told: int) -> None:
    if sys.platform == "linux":
        prctl(SUBREAPER, 1)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    if os.geteuid() == 0:
        become(order["uid"], order["gid"])
    if sys.platform == "linux":
        die_with_parent(order["parent"])
    others = _processes_of(os.geteuid())
    command = start(order, told, processes=others + order["limits"]["processes"])
    ended = wait(command, None)
    kill_children()
    tell(told, ended)


def kill_children() -> None:
    """Kills our children until there are none: their own become ours meanwhile."""
    while True:
        for child in _children():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    try:
        return [int(one) for one in get(f"/proc/self/task/{os.getpid()}/children").split()]
    except OSError:
        return []


def _processes_of(uid: int) -> int:
    """Threads of a user on the whole machine, which is what the kernel's limit counts."""
    number = 0
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if name.isdigit():
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{name}").st_uid == uid:
                    number += len(os.listdir(f"/proc/{name}/task"))
    return number
