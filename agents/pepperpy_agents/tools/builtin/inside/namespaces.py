"""Namespaces and users: what the sandbox does not share with the machine."""

import ctypes
import os
import signal
import sys

from .system import DUMPABLE, PARENT_DEATH, Setup, libc, prctl, put

NEW_FILES = 0x00020000  # CLONE_NEWNS
NEW_NAME = 0x04000000  # CLONE_NEWUTS
NEW_IPC = 0x08000000  # CLONE_NEWIPC
NEW_USERS = 0x10000000  # CLONE_NEWUSER
NEW_PROCESSES = 0x20000000  # CLONE_NEWPID
NEW_NETWORK = 0x40000000  # CLONE_NEWNET


def unshare(kinds: int) -> None:
    """Gives this process namespaces of its own.

    Raises:
        Setup: The machine gives none.
    """
    if libc.unshare(ctypes.c_int(kinds)) != 0:
        number = ctypes.get_errno()
        raise Setup(f"the system gives no namespaces: {os.strerror(number)}")


def own_users(uid: int, gid: int) -> None:
    """Makes a namespace of users in which there is one, who is the same as outside."""
    unshare(NEW_USERS)
    # The change has made our files in /proc root's; they are ours again when we may be looked at.
    prctl(DUMPABLE, 1)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {uid} 1"),
        ("gid_map", f"{gid} {gid} 1"),
    ):
        put(f"/proc/self/{name}", text)


def become(uid: int, gid: int) -> None:
    """Becomes another user, for good."""
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if sys.platform == "linux":
        prctl(DUMPABLE, 1)


def die_with_parent(parent: int | None = None) -> None:
    """Asks the kernel for SIGKILL when the parent ends; a change of user takes that back.

    Args:
        parent: Its id, to find out whether it has ended already.
    """
    prctl(PARENT_DEATH, signal.SIGKILL)
    if parent is not None and os.getppid() != parent:
        os._exit(1)
