"""Runs as a script: makes a sandbox around itself, and a command in it.

What it shall do comes as JSON in a file that it inherits, and how it went goes as JSON into a pipe.
Nothing of PepperPy is imported: it begins with an empty environment, in a process of its own, and
is single-threaded, which the system calls below need.

    keeper ── new namespaces, waits ── init (process 1 in there) ── the command and its children

Whichever of them ends, all below it are ended by the kernel: nobody can leave a process namespace,
and its process 1 takes it along. The file system is a new one in memory, with the system's programs
read-only, and with the folders that were granted. Where the machine gives no namespaces nothing is
run, unless that was asked for; then a subreaper gathers the children that detach themselves.
"""

# pathlib would not be found after the change of root, and /tmp is the sandbox's own.
# ruff: noqa: PTH101, PTH102, PTH103, PTH110, PTH112, PTH114, PTH115, PTH116, PTH120
# ruff: noqa: PTH208, PTH211, S108

import contextlib
import ctypes
import errno
import json
import os
import platform
import resource
import signal
import sys
from typing import Any

_NEW_FILES = 0x00020000  # CLONE_NEWNS
_NEW_NAME = 0x04000000  # CLONE_NEWUTS
_NEW_IPC = 0x08000000  # CLONE_NEWIPC
_NEW_USERS = 0x10000000  # CLONE_NEWUSER
_NEW_PROCESSES = 0x20000000  # CLONE_NEWPID
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET

_NOSUID, _NODEV, _NOEXEC, _BIND, _REC, _PRIVATE = 2, 4, 8, 0x1000, 0x4000, 1 << 18
_ATTR_READ_ONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_AT_FDCWD, _AT_RECURSIVE, _DETACH = -100, 0x8000, 2
_MOUNT_SETATTR = 442
_PIVOT_ROOT = 155 if platform.machine() == "x86_64" else 41

_PARENT_DEATH, _DUMPABLE, _SUBREAPER, _NO_NEW_PRIVILEGES = 1, 4, 36, 38

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store")
_SETTINGS = (
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/group",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/pki",
    "/etc/resolv.conf",
    "/etc/ssl",
)
_DEVICES = ("null", "zero", "full", "random", "urandom")
_OWN = ("/scratch", "/tmp", "/dev/shm")

_libc = ctypes.CDLL(None, use_errno=True)


class Setup(Exception):
    """The sandbox cannot be made."""


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
        _tell(told, {"setup": f"{type(error).__name__}: {error}"})


def _confined(order: dict[str, Any], told: int) -> None:
    if sys.platform != "linux":
        raise Setup(f"there are no namespaces on {sys.platform}")
    uid, gid = order["uid"], order["gid"]
    root = os.geteuid() == 0
    kinds = _NEW_FILES | _NEW_NAME | _NEW_IPC | _NEW_PROCESSES
    kinds |= 0 if order["network"] else _NEW_NETWORK
    if not root:
        _own_users(uid, gid)
    _unshare(kinds)
    beginning, began = os.pipe()
    init = os.fork()
    if init == 0:
        _die_with_parent()
        os.close(began)
        try:
            # Had the keeper been killed before this, nobody would have told the kernel of it.
            if os.read(beginning, 1):
                _init(order, told, root=root)
        except Exception as error:  # nothing may leave this process but by its pipe
            _tell(told, {"setup": f"{type(error).__name__}: {error}"})
        finally:
            os._exit(0)
    if not root:
        _call(_libc.prctl, _DUMPABLE, 0, 0, 0, 0)
    _die_with_parent(order["parent"])
    os.write(began, b"!")
    os.waitpid(init, 0)


def _init(order: dict[str, Any], told: int, *, root: bool) -> None:
    uid, gid = order["uid"], order["gid"]
    _file_system(order, uid, gid)
    _call(_libc.sethostname, b"sandbox", 7)
    if root:
        _become(uid, gid)
        # Processes are counted by user and namespace: others of this user shall not count.
        _own_users(uid, gid)
        _die_with_parent()
    with contextlib.suppress(OSError):
        _put("/proc/sys/user/max_user_namespaces", "0")
    with contextlib.suppress(OSError):
        _put("/proc/self/oom_score_adj", "1000")
    _call(_libc.prctl, _DUMPABLE, 0, 0, 0, 0)
    limits = order["limits"]
    command = _start(order, told, processes=limits["processes"])
    _tell(told, _wait(command, limits["memory"]))


def _unconfined(order: dict[str, Any], told: int) -> None:
    if sys.platform == "linux":
        _call(_libc.prctl, _SUBREAPER, 1, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    if os.geteuid() == 0:
        _become(order["uid"], order["gid"])
    if sys.platform == "linux":
        _die_with_parent(order["parent"])
    others = _processes_of(os.geteuid())
    command = _start(order, told, processes=others + order["limits"]["processes"])
    ended = _wait(command, None)
    _kill_children()
    _tell(told, ended)


# --- namespaces ---------------------------------------------------------------------------------


def _own_users(uid: int, gid: int) -> None:
    _unshare(_NEW_USERS)
    # The change has made our files in /proc root's; they are ours again when we may be looked at.
    _call(_libc.prctl, _DUMPABLE, 1, 0, 0, 0)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {uid} 1"),
        ("gid_map", f"{gid} {gid} 1"),
    ):
        _put(f"/proc/self/{name}", text)


def _become(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if sys.platform == "linux":
        _call(_libc.prctl, _DUMPABLE, 1, 0, 0, 0)


def _unshare(kinds: int) -> None:
    if _libc.unshare(ctypes.c_int(kinds)) != 0:
        number = ctypes.get_errno()
        raise Setup(f"the system gives no namespaces: {os.strerror(number)}")


def _die_with_parent(parent: int | None = None) -> None:
    _call(_libc.prctl, _PARENT_DEATH, signal.SIGKILL, 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os._exit(1)


# --- the file system ----------------------------------------------------------------------------


def _file_system(order: dict[str, Any], uid: int, gid: int) -> None:
    size = order["limits"]["scratch"]
    programs, reading, writing = order["programs"], order["read"], order["write"]
    # Links lead elsewhere once the root has changed: what they lead to is looked up before.
    shown = (*_SYSTEM, *_SETTINGS, *programs, *reading, *writing)
    real = {path: os.path.realpath(path) for path in shown}
    _mount(None, "/", None, _REC | _PRIVATE)
    # The old root moves below the new one first: what is to be shown may lie in /tmp itself.
    _mount("tmpfs", "/tmp", "tmpfs", _NOSUID | _NODEV, "size=64k,mode=0755")
    os.mkdir("/tmp/old")
    os.mkdir("/tmp/new")
    _pivot("/tmp", "/tmp/old")
    os.chdir("/")
    _mount("tmpfs", "/new", "tmpfs", _NOSUID | _NODEV, f"size={size},nr_inodes=16384,mode=0755")
    for path in (*_SYSTEM, *_SETTINGS, *programs):
        if os.path.islink(f"/old{path}") and path in _SYSTEM:
            os.symlink(os.readlink(f"/old{path}"), f"/new{path}")
        elif os.path.exists(f"/old{real[path]}"):
            _show(real[path], path, read_only=True)
    for name in _DEVICES:
        _bind(f"/old/dev/{name}", f"/new/dev/{name}")
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        os.symlink(f"/proc/self/fd{target}", f"/new/dev/{name}")
    for path in _OWN:
        os.makedirs(f"/new{path}", exist_ok=True)
        os.chown(f"/new{path}", uid, gid)
        os.chmod(f"/new{path}", 0o700)
    for path in reading:
        _show(real[path], path, read_only=True)
    for path in writing:
        _show(real[path], path, read_only=False)
    os.makedirs("/new/proc", exist_ok=True)
    # A container that hides parts of /proc gives no new one: then there is none.
    with contextlib.suppress(OSError):
        _mount("proc", "/new/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
    os.chdir("/new")
    _pivot(".", ".")
    _call(_libc.umount2, b".", _DETACH)
    os.chdir("/")


def _show(source: str, path: str, *, read_only: bool) -> None:
    _bind(f"/old{source}", f"/new{path}")
    flags = _ATTR_NOSUID | _ATTR_NODEV | (_ATTR_READ_ONLY if read_only else 0)
    # struct mount_attr: what to set, what to clear, propagation, user namespace.
    attributes = (ctypes.c_uint64 * 4)(flags, 0, 0, 0)
    _call(
        _libc.syscall,
        ctypes.c_long(_MOUNT_SETATTR),
        _AT_FDCWD,
        os.fsencode(f"/new{path}"),
        _AT_RECURSIVE,
        attributes,
        ctypes.c_size_t(ctypes.sizeof(attributes)),
    )


def _bind(source: str, target: str) -> None:
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
    _mount(source, target, None, _BIND | _REC)


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str = "") -> None:
    _call(
        _libc.mount,
        source and os.fsencode(source),
        os.fsencode(target),
        kind and kind.encode(),
        ctypes.c_ulong(flags),
        data.encode() if data else None,
        what=f"{target} cannot be mounted",
    )


def _pivot(new: str, old: str) -> None:
    _call(_libc.syscall, ctypes.c_long(_PIVOT_ROOT), os.fsencode(new), os.fsencode(old))


# --- the command --------------------------------------------------------------------------------


def _start(order: dict[str, Any], told: int, *, processes: int) -> int:
    command = os.fork()
    if command != 0:
        return command
    try:
        os.setsid()
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        _limit(order["limits"], processes)
        if sys.platform == "linux":
            _call(_libc.prctl, _NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        os.chdir(order["cwd"])
        os.execvpe(order["argv"][0], order["argv"], order["env"])  # noqa: S606 - no shell is meant
    except OSError as error:
        _tell(told, {"not_started": error.strerror or str(error)})
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


def _wait(command: int, memory: int | None) -> dict[str, Any]:
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
    """Bytes that all processes of the sandbox have for themselves."""
    pages = 0
    for name in os.listdir("/proc"):
        if name.isdigit() and name != "1":
            with contextlib.suppress(OSError):
                _, resident, shared, *_ = _get(f"/proc/{name}/statm").split()
                pages += int(resident) - int(shared)
    return pages * resource.getpagesize()


def _kill_children() -> None:
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
        return [int(one) for one in _get(f"/proc/self/task/{os.getpid()}/children").split()]
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


def _call(function: Any, *arguments: Any, what: str = "") -> None:
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        if number == errno.ENOSYS:
            what = what or "Linux 5.12 or newer is needed"
        raise Setup(f"{what or 'the sandbox cannot be made'}: {os.strerror(number)}")


# Python's own files need its library, which is not in the sandbox.


def _put(path: str, text: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def _get(path: str) -> bytes:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(file, 65_536)
    finally:
        os.close(file)


def _tell(told: int, said: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        os.write(told, json.dumps(said).encode() + b"\n")


if __name__ == "__main__":
    main()
