"""`pepperpy chat`: one question to a model, or a conversation at the terminal."""

import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from pepperpy.commands import _models

if TYPE_CHECKING:
    from collections.abc import Generator

    from pepperpy_bus.llm.blocking import SyncLLM
    from pepperpy_schemas.chat import ChatMessage, ChatReply, Delta, End, Reset

PROMPT: Final = "> "
_HELP: Final = "say something, or /reset to begin anew, or /quit"
_WHY: Final = {
    "length": "stopped at the limit of tokens",
    "content_filter": "stopped by the provider's filter",
    "tool_calls": "wants to call tools",
}


def command(
    ctx: typer.Context,
    text: Annotated[
        str | None,
        typer.Argument(help="The question; by default what is piped in.", show_default=False),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", "-m", metavar="NAME", help="An alias, or provider/model.")
    ] = "default",
    system: Annotated[str, typer.Option(help="What the model is told before all else.")] = "",
    temperature: Annotated[
        float | None, typer.Option(min=0, max=2, help="From 0, always the likeliest answer.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Most tokens of an answer.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the whole answer as JSON, when it is there.")
    ] = False,
) -> None:
    """Ask a model: a question and its answer, or without one a conversation at the terminal.

    In a conversation /reset begins anew and /quit leaves. Ctrl-C stops the answer that comes, and
    leaves where none does. Tokens and cost are said on stderr.
    """
    from pepperpy.commands._failure import WrongUsage
    from pepperpy.commands._output import is_live
    from pepperpy_bus.llm.blocking import SyncLLM
    from pepperpy_bus.loop_thread import LoopThread

    question = _piped() if text is None else text
    if question is None and (as_json or not is_live()):
        raise WrongUsage("a conversation needs a terminal: give a TEXT, or pipe one in", ctx)
    if question is not None and not question.strip():
        raise WrongUsage("the question is empty: give a TEXT, or pipe one in", ctx)
    options = {"model": model, "temperature": temperature, "max_tokens": max_tokens}
    with LoopThread(_models.open_models(ctx), name="pepperpy-chat") as thread:
        chat = Chat(SyncLLM(thread, thread.owned), system, options)
        if question is None:
            chat.converse()
        elif as_json:
            chat.print_whole(question)
        else:
            chat.ask(question)


def _piped() -> str | None:
    """What is piped in; None at a terminal."""
    return None if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()


class Chat:
    """A conversation with a model.

    Args:
        llm: The models.
        system: What the model is told before all else.
        options: Model and parameters of every request.
    """

    def __init__(self, llm: "SyncLLM", system: str, options: dict[str, Any]) -> None:
        self._llm = llm
        self._system = system
        self._options = options
        self._said: list[ChatMessage] = []

    def ask(self, question: str) -> None:
        """Prints the answer to a question as it comes."""
        from pepperpy_schemas.chat import ChatMessage

        asked = ChatMessage("user", question)
        answer = _Answer()
        try:
            with closing(self._stream(asked)) as pieces:
                for piece in pieces:
                    answer.show(piece)
        except KeyboardInterrupt:
            self._remember(asked, answer)
            raise
        finally:
            answer.finish()
        self._remember(asked, answer)

    def print_whole(self, question: str) -> None:
        """Prints the answer to a question as JSON."""
        from pepperpy.commands._output import print_json
        from pepperpy_schemas.chat import ChatMessage

        asked = ChatMessage("user", question)
        reply: ChatReply = self._llm.chat(self._conversation(asked), **self._options)
        print_json({"text": reply.text, **_plain(reply)})

    def converse(self) -> None:
        """Asks what is typed, until the end."""
        from pepperpy.commands._failure import print_error, say
        from pepperpy_schemas.errors import PepperError

        _edit_lines()
        say(_HELP)
        while (line := _typed()) is not None:
            match line.split():
                case []:
                    continue
                case ["/quit" | "/exit"]:
                    return
                case ["/reset"]:
                    self._said.clear()
                    say("the conversation begins anew")
                    continue
                case [word] if word.startswith("/"):
                    say(_HELP)
                    continue
            try:
                self.ask(line)
            except KeyboardInterrupt:
                say("stopped")
            except PepperError as error:
                print_error(error)

    def _remember(self, asked: "ChatMessage", answer: "_Answer") -> None:
        """Adds what was said to the conversation; an answer that failed was never given."""
        if answer.message.content:
            self._said += [asked, answer.message]

    def _stream(self, asked: "ChatMessage") -> "Generator[Delta | Reset | End, None, None]":
        from pepperpy.commands._output import is_live

        # What went through a pipe cannot be taken back.
        options = {**self._options, "no_restart": not is_live()}
        return self._llm.stream(self._conversation(asked), **options)

    def _conversation(self, asked: "ChatMessage") -> "list[ChatMessage]":
        from pepperpy_schemas.chat import ChatMessage

        told = [ChatMessage("system", self._system)] if self._system else []
        return [*told, *self._said, asked]


class _Answer:
    """An answer as it appears."""

    def __init__(self) -> None:
        from pepperpy.commands._output import is_live
        from pepperpy_bus.llm import Assembling

        self._assembling = Assembling()
        self._live = is_live()
        self._begun = time.monotonic()
        self._open_line = False

    @property
    def message(self) -> "ChatMessage":
        """What the model has said so far."""
        return self._assembling.message

    def show(self, piece: "Delta | Reset | End") -> None:
        """Prints the next piece."""
        from pepperpy.commands._failure import say
        from pepperpy_schemas.chat import Delta, Reset

        self._assembling.add(piece)
        if isinstance(piece, Delta):
            self._write(piece.text)
        elif isinstance(piece, Reset):
            self.finish()
            say(f"— the answer begins anew: {piece.reason or piece.code} —")
        else:
            self.finish()
            say(self._cost(piece))

    def finish(self) -> None:
        """Ends the line of the answer."""
        if self._open_line:
            typer.echo()
        self._open_line = False

    def _write(self, text: str) -> None:
        from pepperpy_bus.redaction import escape

        if not text:
            return
        typer.echo("\n".join(map(escape, text.split("\n"))) if self._live else text, nl=False)
        self._open_line = not text.endswith("\n")

    def _cost(self, end: "End") -> str:
        took = f"{time.monotonic() - self._begun:.1f} s"
        words = [end.model, _models.tokens_text(end.usage), _models.usd_text(end.usd), took]
        if end.similarity is not None:
            words.append(f"the stored answer to a similar question ({end.similarity:.3f})")
        elif end.cached:
            words.append("a stored answer")
        if end.finish in _WHY:
            words.append(_WHY[end.finish])
        return " · ".join(words)


def _plain(reply: "ChatReply") -> dict[str, Any]:
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins(reply)
    return {"usd": None, "cached": False, "similarity": None, **plain}


def _typed() -> str | None:
    """The next line; None when the person leaves."""
    try:
        return input(PROMPT)
    except (EOFError, KeyboardInterrupt):
        typer.echo()
        return None


def _edit_lines() -> None:
    try:
        import readline  # noqa: F401 - `input` edits lines with it
    except ImportError:
        return
