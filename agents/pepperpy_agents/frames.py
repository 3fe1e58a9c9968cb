"""Whose code a traceback leads through: the user's, ours, or a library's."""

import inspect
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType

_OURS = frozenset({"pepperpy", "pepperpy_agents", "pepperpy_bus", "pepperpy_schemas"})
_WAY = _OURS | {"asyncio", "concurrent", "uvloop"}
"""What lies between our own call and the handler's first line."""


def place_of(error: BaseException) -> str:
    """Returns file and line where the user's own code failed: ``agents/support.py, line 12``.

    A syntax error is where it was written. Without a frame of the user's own, a library's is named.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return _place(error.filename, error.lineno or 0)
    frames = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if _root(frame) not in _OURS and not frame.f_code.co_filename.startswith("<frozen ")
    ]
    own = [one for one in frames if not _is_installed(one[0])]
    return _place(*(own or frames)[-1]) if frames else ""


def place_of_function(function: Callable[..., object]) -> str:
    """Returns file and line where a function is written; empty where that is not known."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return _place(code.co_filename, code.co_firstlineno) if code else ""


def place_in(frame: FrameType) -> str:
    """Returns file and line of the user's own code that runs now, the innermost one."""
    frames = [
        (one.f_code.co_filename, line)
        for one, line in traceback.walk_stack(frame)
        if _root(one) not in _OURS
    ]
    own = [one for one in frames if not _is_installed(one[0])]
    return _place(*(own or frames)[0]) if frames else ""


def without_ours(trace: TracebackType | None) -> TracebackType | None:
    """Returns a traceback that begins in the handler and leaves our own frames out."""
    links = list(_links(trace))
    while links and _root(links[0].tb_frame) in _WAY:
        links.pop(0)
    kept: TracebackType | None = None
    for one in reversed(links):
        if _root(one.tb_frame) not in _OURS:
            kept = TracebackType(kept, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return kept


def _links(trace: TracebackType | None) -> "list[TracebackType]":
    found = []
    while trace is not None:
        found.append(trace)
        trace = trace.tb_next
    return found


def _root(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _is_installed(file: str) -> bool:
    places = {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
    return any(Path(file).is_relative_to(place) for place in places)


def _place(file: str, line: int) -> str:
    path, here = Path(file), Path.cwd()
    shown = path.relative_to(here) if path.is_relative_to(here) else path
    return f"{shown}, line {line}"
