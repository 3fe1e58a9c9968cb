"""System calls that no command needs: they are refused, as the kernel's faults are often theirs.

It is a list of what is refused, for the two processors that most machines have; elsewhere nothing
is. A list of what is allowed would have to know every program.
"""

import ctypes
import errno
import platform
import struct

from .system import SECCOMP, prctl

_MODE_FILTER = 2
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
"""Where the kernel puts them for a filter to load."""
_FOREIGN = 0x40000000
"""From here on x86-64 has the numbers of another way to call the same."""
_FAMILIES = (2, 10, 16)
"""Of sockets: IPv4, IPv6, and netlink, by which programs list interfaces. Others are no part of a
network namespace (vsock), or seldom used and often at fault."""
_OF_THIS_MACHINE = 1
"""A socket that is a file: whoever sees it reaches what listens there, in any network."""

_MACHINES = {"x86_64": (0, 0xC000003E, 41), "aarch64": (1, 0xC00000B7, 198)}
"""Of each its place in the table, how the kernel names it, and the number of `socket` there."""
_REFUSED = {
    # namespaces and the tree of files
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    # keys
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # memory that no process has for itself, and nobody counts
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    # the kernel itself
    "syslog": (103, 116),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "delete_module": (176, 106),
    "finit_module": (313, 273),
    "acct": (163, 89),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "iopl": (172, None),
    "ioperm": (173, None),
    # past all filters
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
}
"""Numbers on x86-64 and on 64-bit ARM."""


def refuse_calls(*, network: bool) -> None:
    """Refuses them to this process, to its children, and to what they execute; for good.

    Args:
        network: Whether it may reach others on this machine.
    """
    known = _MACHINES.get(platform.machine())
    if known is None:
        return
    place, architecture, socket = known
    numbers = [each[place] for each in _REFUSED.values()]
    program = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_EQUAL, architecture, yes=1),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        _step(_AT_LEAST, _FOREIGN, no=1),
        _step(_RETURN, _REFUSE),
    ]
    for number in filter(None, numbers):
        program += [_step(_EQUAL, number, no=1), _step(_RETURN, _REFUSE)]
    program += [
        _step(_EQUAL, socket, yes=1),
        _step(_RETURN, _ALLOW),
        _step(_LOAD, _FIRST_ARGUMENT),
    ]
    for family in (_OF_THIS_MACHINE, *_FAMILIES) if network else _FAMILIES:
        program += [_step(_EQUAL, family, no=1), _step(_RETURN, _ALLOW)]
    program.append(_step(_RETURN, _REFUSE))
    code = ctypes.create_string_buffer(b"".join(program))
    # struct sock_fprog: how many steps, and where they are.
    prctl(SECCOMP, _MODE_FILTER, struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))


def _step(what: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    """One step of the filter; after a comparison so many steps are left out."""
    return struct.pack("HBBI", what, yes, no, value)
