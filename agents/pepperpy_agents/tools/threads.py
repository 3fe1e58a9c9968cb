"""Plain functions of tools, each in a thread of its own that holds nobody up.

A thread cannot be ended from outside. One whose function hangs is left behind when its call's time
is over: it takes no slot from other calls, and does not keep the process from ending. There is a
limit to how many there may be.
"""

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from typing import Any, Final

from pepperpy_schemas.errors import Overloaded

MOST: Final = 128
"""Threads of tools in one process, those that were left behind among them."""

_running: set[threading.Thread] = set()


async def in_thread(function: Callable[..., Any], /, **arguments: Any) -> Any:
    """Returns what a plain function returns.

    Raises:
        Overloaded: Too many functions of tools run, or hang, in this process, or the system has no
            more threads.
    """
    if len(_running) >= MOST:
        raise Overloaded(f"{MOST} functions of tools run in this process, and may hang")
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()
    carried = contextvars.copy_context()

    def settle(value: Any, error: BaseException | None) -> None:
        if done.done():
            return  # nobody waits any more
        if error is None:
            done.set_result(value)
        else:
            done.set_exception(error)

    def run() -> None:
        value: Any = None
        error: BaseException | None = None
        try:
            value = carried.run(function, **arguments)
        except StopIteration:
            # A future cannot carry it, and would never be done.
            error = RuntimeError("the tool raised StopIteration")
        except BaseException as raised:  # the caller's to judge, as if it had called it itself
            error = raised
        finally:
            _running.discard(threading.current_thread())
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, value, error)

    thread = threading.Thread(target=run, name=f"tool-{function.__name__}", daemon=True)
    _running.add(thread)
    try:
        thread.start()
    except RuntimeError as error:
        _running.discard(thread)
        raise Overloaded(f"the system starts no more threads: {error}") from None
    return await done
