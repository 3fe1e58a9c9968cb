"""From what went wrong to what a person reads and a script's exit code says."""

import logging
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from pepperpy_bus.redaction import escape, scrub
from pepperpy_schemas.errors import (
    BadName,
    BadSchedule,
    PepperError,
    PermissionDenied,
    Unreachable,
)

FAILED, USAGE, UNREACHABLE, TIMED_OUT, INTERRUPTED, BROKEN_PIPE = 1, 2, 3, 124, 130, 141

_FLAG = re.compile(r"\bflag (\w+)\.(\w+)")
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")
_ARGUMENT = re.compile(r"\b(at|delay|every|cron|tz)=(?!\w)")


class WrongUsage(typer.TyperException):
    """Options that do not go together, or one that is missing.

    Args:
        message: What is wrong and what to write instead.
        ctx: The command's context.
    """

    exit_code = USAGE

    def __init__(self, message: str, ctx: typer.Context) -> None:
        super().__init__(message)
        self.ctx = ctx


def explain(error: Exception) -> int:
    """Writes an error to stderr, as cause and cure, and returns the exit code for it.

    The traceback is for developers: it is shown when debug messages are logged.
    """
    if logging.getLogger().isEnabledFor(logging.DEBUG):
        traceback.print_exception(error)
    match error:
        case BrokenPipeError():
            _forget_stdout()
            return BROKEN_PIPE
        case typer.TyperException():
            return _explain_usage(error)
        case PepperError():
            print_error(error)
            return _code_of(error)
        case OSError(filename=str() as name):
            say(f"error: {name}: {error.strerror}")
        case TimeoutError():
            _print_lines(f"error: {str(error) or 'timed out'}", *getattr(error, "__notes__", ()))
            return TIMED_OUT
        case typer.Abort():
            say("aborted")
        case _:
            say(f"error: {type(error).__name__}: {error}")
            say("  hint: a fault of PepperPy; show where with: pepperpy --log-level debug …")
    return FAILED


def _code_of(error: PepperError) -> int:
    if isinstance(error, Unreachable):
        return UNREACHABLE
    return USAGE if is_usage(error) else FAILED


def is_usage(error: PepperError) -> bool:
    """Returns whether the arguments are wrong: what the bus brings has passed these checks."""
    return isinstance(error, BadName | BadSchedule)


@contextmanager
def refused(*, as_json: bool, **about: str) -> Iterator[None]:
    """Has what is wrong with what was given printed as JSON, where a script reads.

    Args:
        as_json: Whether one does.
        **about: What the document says besides.

    Raises:
        typer.Exit: It was printed (code 1).
    """
    try:
        yield
    except PepperError as error:
        if not as_json or is_usage(error) or error.category != "input":
            raise
        from pepperpy.commands._output import print_json

        print_json({**about, "ok": False, "error": error.info()})
        raise typer.Exit(FAILED) from None


def print_error(error: PepperError) -> None:
    """Writes an error of ours to stderr: what happened, where, why, and what to do."""
    first, *more = str(error).split("\n")
    # Further lines of a message, such as a proof, begin so that none is taken for one of ours.
    lines = [f"error: {first}", *(f"│ {one}" for one in more), *getattr(error, "__notes__", ())]
    below = error.__cause__
    while isinstance(below, PepperError):
        if not _is_said(below, lines):
            lines.append(f"cause: {below}")
        below = below.__cause__
    hint = _beside_stack(error) or _elsewhere(error) or error.hint
    if hint:
        lines.append(f"hint: {_as_options(hint) if is_usage(error) else hint}")
    _print_lines(*(_FLAG.sub(_option, line) for line in lines))


def _is_said(cause: PepperError, lines: list[str]) -> bool:
    """Whether what a cause says stands above it: libraries hand one fact on from class to class."""
    name = str(cause.context.get("type", "")).rpartition(".")[2]
    fact = _ERRNO.sub("", str(cause).removeprefix(f"{name}: "))
    return any(fact in line for line in lines)


def _beside_stack(error: PepperError) -> str:
    """The hint for who is denied something by the local stack and is not its operator."""
    if not isinstance(error, PermissionDenied) or error.hint != PermissionDenied.hint:
        return ""
    from pepperpy_bus.config.files import contexts_folder, operators_context

    server = str(error.context.get("server", ""))
    try:
        name = operators_context(server, contexts_folder(os.environ))
    except PepperError:  # a context that cannot be read is not what went wrong
        return ""
    return f"beside pepperpy up: pepperpy --context {name} …" if name else ""


def _elsewhere(error: PepperError) -> str:
    """The hint for who looks at the usual address for a stack that runs at another one."""
    from pepperpy_bus.config.files import contexts_folder, running_stacks
    from pepperpy_bus.link.options import DEFAULT_URL

    if not isinstance(error, Unreachable) or error.context.get("server") != DEFAULT_URL:
        return ""
    try:
        stacks = running_stacks(contexts_folder(os.environ))
    except PepperError:
        return ""
    ways = [f"pepperpy --nats {url} … (its operator: --context {n})" for n, url in stacks.items()]
    return f"a stack runs elsewhere: {', '.join(ways)}" if ways else ""


def _as_options(hint: str) -> str:
    """A hint about arguments in Python as one about options: ``cron=`` is ``--cron``."""
    return _ARGUMENT.sub(r"--\1", hint)


def _option(flag: re.Match[str]) -> str:
    section, key = flag[1], flag[2].replace("_", "-")
    return {"nats": "--nats", "log": f"--log-{key}"}.get(section, f"--{key}")


def say(text: str) -> None:
    """Writes a line for people to stderr; whoever wrote the text, it cannot forge a line."""
    typer.echo(escape(scrub(text)), err=True)


def _print_lines(first: str, *rest: str) -> None:
    say(first)
    for line in filter(None, rest):
        say(f"  {line}")


def _explain_usage(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    # A callback of the parser's library puts its own words before ours.
    message = _usage_message(error, context).replace("Value error, ", "")
    if message.startswith("Usage: "):
        # A group without a subcommand: its help is the answer.
        typer.echo(message, err=True)
        return USAGE
    say(f"error: {message[:1].lower()}{message[1:]}")
    if context is not None:
        say(f"  hint: {_usage_hint(error, context)}")
    return error.exit_code


def _usage_message(error: typer.TyperException, context: Any) -> str:
    """The parser's words, without the options that no help shows."""
    near = getattr(error, "possibilities", None)
    if near and context is not None:
        hidden = {o for p in context.command.params if getattr(p, "hidden", 0) for o in p.opts}
        error.possibilities = [one for one in near if one not in hidden]  # type: ignore[attr-defined]  # the parser's own
    return error.format_message()


def _usage_hint(error: typer.TyperException, context: Any) -> str:
    option = getattr(error, "option_name", "")
    if option and context.parent is None:
        return f"options of a command go after it: pepperpy COMMAND {option}; see: pepperpy --help"
    return f"see: {context.command_path} --help"


def _forget_stdout() -> None:
    """Nobody reads any more: what the interpreter flushes at its end goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
