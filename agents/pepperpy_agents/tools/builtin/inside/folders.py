"""The file system of the sandbox: in memory, with what is to be seen bound into it."""

# pathlib would not be found after the change of root, and /tmp is the sandbox's own.
# ruff: noqa: PTH101, PTH102, PTH103, PTH110, PTH112, PTH114, PTH115, PTH120, PTH211, S108

import contextlib
import ctypes
import os
import platform
from typing import Any

from .system import Setup, call, libc

_NOSUID, _NODEV, _NOEXEC, _BIND, _REC, _PRIVATE = 2, 4, 8, 0x1000, 0x4000, 1 << 18
_ATTR_READ_ONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_AT_FDCWD, _AT_RECURSIVE, _DETACH = -100, 0x8000, 2
_MOUNT_SETATTR = 442
_PIVOT_ROOT = 155 if platform.machine() == "x86_64" else 41

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store")
_NO_PROGRAMS = ("/usr/src", "/usr/local/src")
"""Where images of containers have the application, with its settings: shown empty."""
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


def make_file_system(order: dict[str, Any], uid: int, gid: int) -> None:
    """Changes the root of this namespace for a new one, which has what the command shall see."""
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
    for path in _NO_PROGRAMS:
        if os.path.isdir(f"/new{path}") and not any(one.startswith(path) for one in programs):
            _mount("tmpfs", f"/new{path}", "tmpfs", _NOSUID | _NODEV, "size=64k,mode=0755")
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
    with contextlib.suppress(Setup):
        _mount("proc", "/new/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
    os.chdir("/new")
    _pivot(".", ".")
    call(libc.umount2, b".", _DETACH)
    os.chdir("/")


def _show(source: str, path: str, *, read_only: bool) -> None:
    _bind(f"/old{source}", f"/new{path}")
    flags = _ATTR_NOSUID | _ATTR_NODEV | (_ATTR_READ_ONLY if read_only else 0)
    # struct mount_attr: what to set, what to clear, propagation, user namespace.
    attributes = (ctypes.c_uint64 * 4)(flags, 0, 0, 0)
    call(
        libc.syscall,
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
    call(
        libc.mount,
        source and os.fsencode(source),
        os.fsencode(target),
        kind and kind.encode(),
        ctypes.c_ulong(flags),
        data.encode() if data else None,
        what=f"{target} cannot be mounted",
    )


def _pivot(new: str, old: str) -> None:
    call(libc.syscall, ctypes.c_long(_PIVOT_ROOT), os.fsencode(new), os.fsencode(old))
