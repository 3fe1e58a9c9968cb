"""Times at which resources are open, and the earliest time at which a task fits into them."""

from collections.abc import Iterable, Sequence

Windows = tuple[tuple[int, int], ...]
"""Times from and to, in order, apart from each other."""


def merged(windows: Iterable[tuple[int, int]], end: int) -> Windows:
    """Returns windows in order, those that touch as one, and none after the end."""
    kept: list[list[int]] = []
    for begin, closes in sorted(windows):
        close = min(closes, end)
        if begin >= close:
            continue
        if kept and begin <= kept[-1][1]:
            kept[-1][1] = max(kept[-1][1], close)
        else:
            kept.append([begin, close])
    return tuple((begin, close) for begin, close in kept)


def common(all_windows: Sequence[Windows]) -> Windows | None:
    """Returns when all are open; None when there are none to be open, which is always."""
    if not all_windows:
        return None
    first, *others = all_windows
    for other in others:
        first = _both(first, other)
    return first


def _both(left: Windows, right: Windows) -> Windows:
    found = []
    i = j = 0
    while i < len(left) and j < len(right):
        begin, close = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if begin < close:
            found.append((begin, close))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return tuple(found)


def earliest(
    windows: Windows | None, release: int, duration: int, *, pausing: bool
) -> tuple[int, int] | None:
    """Returns when a task begins and is done if it is begun as early as can be.

    Args:
        windows: When it may be worked on; None is always.
        release: It does not begin before.
        duration: How long it is worked on.
        pausing: Whether it rests between windows.

    Returns:
        Begin and end; None when it never fits.
    """
    if windows is None or not duration:
        return release, release + duration
    begun, left = None, duration
    for opens, close in windows:
        begin = max(opens, release)
        if begin >= close:
            continue
        if not pausing:
            if begin + duration <= close:
                return begin, begin + duration
            continue
        begun = begin if begun is None else begun
        if left <= close - begin:
            return begun, begin + left
        left -= close - begin
    return None


def open_time(windows: Windows | None, end: int) -> int:
    """Returns for how long something is open until an end."""
    if windows is None:
        return end
    return sum(max(0, min(close, end) - begin) for begin, close in windows)


def opens_at(windows: Windows, time: int) -> bool:
    """Returns whether something that was closed opens at a time."""
    return any(begin == time for begin, _ in windows)
