"""What learners do on the bus: one set of operations for all of them, over states that are kept."""

import time
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

import msgspec

from pepperpy_agents.context import Context
from pepperpy_bus.client import Client
from pepperpy_bus.streams.blobs import Blobs
from pepperpy_capabilities.learning.states import Keeper, Once, Spoiled
from pepperpy_schemas.errors import BadProblem, NotFound, PepperError, TooLong
from pepperpy_schemas.learner_state import LEARNED
from pepperpy_schemas.learning import LearnAnswer, LearnRequest

SECONDS: Final = 60.0
"""How long one request may learn and ask; its examples are learned all or none."""


Edit = Callable[["Slot", Any, "Turn"], None]
"""Changes the learner of a slot as a request asks for."""


class Offered(msgspec.Struct, frozen=True):
    """A class of learners as it is offered on the bus.

    Attributes:
        learner: The class; one with options takes them as its only argument, and has their type as
            ``options_type``.
        request: The type of what it is asked.
        answer: The type of what it answers.
    """

    learner: Any
    request: Any
    answer: Any

    @property
    def name(self) -> str:
        """Its name; its topic is ``learn-`` and this."""
        name: str = self.learner.name
        return name


def offered(learner: Any) -> Offered:
    """Returns a user's own class of learners as it is offered, with types made of its own."""
    options = getattr(learner, "options_type", None)
    request: Any = LearnRequest
    answer: Any = LearnAnswer
    return Offered(
        learner, request[learner.example, learner.asked, options], answer[learner.guess, options]
    )


class Slot:
    """Where a learner is, or is to be made.

    Attributes:
        learner: It, or None before it was asked to learn for the first time.
    """

    def __init__(self, learner: Any = None) -> None:
        self.learner = learner

    def save(self) -> bytes:
        """Returns the state of the learner."""
        state: bytes = self.learner.save()
        return state


class Turn:
    """The time that a request has, from when its turn has come.

    Args:
        seconds: How long.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def check(self, number: int, count: int, what: str) -> None:
        """Looks whether there is time for one more.

        Raises:
            TooLong: There is none.
        """
        if time.monotonic() > self._end:
            raise TooLong(
                f"{number} of {count} {what} took {self._seconds:.3g} s",
                hint="send fewer of them at a time, or choose a faster learner",
                context={"seconds": self._seconds},
            )


class Serving:
    """Does what learners of one class are asked to do.

    Args:
        offered: The class.
    """

    def __init__(self, offered: Offered) -> None:
        self._offered = offered
        self._answer = offered.answer
        self._keepers: WeakKeyDictionary[Client, Keeper[Slot]] = WeakKeyDictionary()

    async def do(self, request: Any, ctx: Context) -> Any:
        """Does what a task asks for.

        Raises:
            NotFound: There is no learner of that name, or no state of that reference.
            BadExample: An example or a question cannot be used: nothing was learned.
            BadProblem: The options cannot be, or are others than those that it was made with.
            TooBig: There are more features, labels or states than there may be.
            TooLong: It takes longer than a request may: nothing was learned.
        """
        keeper = self._keeper(ctx.client)
        match request.do:
            case "learn" | "reset" | "load":
                return await self._change(keeper, request, ctx)
            case "save":
                return await self._save(keeper, request, ctx)
            case "forget":
                await keeper.erase(request.name)
                return self._answer(name=request.name)
            case "list":
                return self._answer(names=await keeper.names())
            case _:
                return await self._look(keeper, request, ctx)

    async def settle(self) -> None:
        """Waits for the changes that are under way."""
        for keeper in list(self._keepers.values()):
            await keeper.settle()

    # --- what changes a learner -----------------------------------------------------------------

    async def _change(self, keeper: Keeper[Slot], request: Any, ctx: Context) -> Any:
        if request.do == "load":
            edit = await self._loading(request, ctx)
        elif request.do == "reset":
            edit = self._reset
        else:
            edit = self._learning(await self._start(keeper, request))

        seconds = _seconds(ctx)

        def whole(slot: Slot) -> Any:
            # One that was taught some of the examples is thrown away when the next one is bad.
            try:
                turn = Turn(seconds)
                edit(slot, request, turn)
                return self._told(slot.learner, request, turn)
            except PepperError as error:
                raise Spoiled(error) from error

        changed = await keeper.change(request.name, whole, once=once(ctx))
        if not changed.before:
            return msgspec.structs.replace(changed.outcome, version=changed.version)  # type: ignore[type-var]  # there is one
        # Its worker died after it was stored: only the questions are still to be answered.
        answer = await self._look(keeper, request, ctx)
        return msgspec.structs.replace(answer, before=True, figures=[])

    def _learning(self, start: bytes | None) -> Edit:
        def learn(slot: Slot, request: Any, turn: Turn) -> None:
            if slot.learner is None:
                slot.learner = self._made(request, start)
            self._check_options(slot.learner, request)
            for number, example in enumerate(request.examples):
                turn.check(number, len(request.examples), "examples")
                _at(f"examples[{number}]", slot.learner.learn, example)

        return learn

    async def _start(self, keeper: Keeper[Slot], request: Any) -> bytes | None:
        """The state of the learner that a new one begins with."""
        if not request.start:
            return None
        kept = await keeper.read(request.start, lambda slot: slot.learner and slot.save())
        if not kept.outcome:
            raise self._not_found(request.start)
        return kept.outcome

    def _made(self, request: Any, start: bytes | None) -> Any:
        cls = self._offered.learner
        if not request.examples and request.options is None:
            raise self._not_found(request.name)
        learner = cls() if request.options is None else cls(request.options)
        if start is not None:
            other = cls()
            other.load(start)
            if request.options is None and hasattr(other, "options"):
                learner = cls(other.options)
            learner.begin_with(other)
        return learner

    def _check_options(self, learner: Any, request: Any) -> None:
        if request.options is not None and request.options != learner.options:
            raise BadProblem(
                f"{request.name} was made with other options",
                hint="leave the options out, choose another name, or let it forget first",
                context={"field": "options"},
            )

    async def _loading(self, request: Any, ctx: Context) -> Edit:
        if not request.state:
            raise BadProblem("there is no state to load", context={"field": "state"})
        body = await self._blobs(ctx).get(request.state)

        def load(slot: Slot, *_: Any) -> None:
            slot.learner = self._offered.learner()
            slot.learner.load(body)

        return load

    def _reset(self, slot: Slot, request: Any, _: Turn) -> None:
        if slot.learner is None:
            raise self._not_found(request.name)
        slot.learner.reset()

    # --- what does not --------------------------------------------------------------------------

    async def _look(self, keeper: Keeper[Slot], request: Any, ctx: Context) -> Any:
        seconds = _seconds(ctx)

        def look(slot: Slot) -> Any:
            if slot.learner is None:
                raise self._not_found(request.name)
            answer = self._told(slot.learner, request, Turn(seconds))
            figures = list(slot.learner.evaluate()) if request.do == "evaluate" else []
            return msgspec.structs.replace(answer, learned=0, figures=figures, news=[])

        kept = await keeper.read(request.name, look)
        return msgspec.structs.replace(kept.outcome, version=kept.version)  # type: ignore[type-var]  # there is one

    async def _save(self, keeper: Keeper[Slot], request: Any, ctx: Context) -> Any:
        kept = await keeper.read(request.name, lambda slot: slot.learner and slot.save())
        if not kept.outcome:
            raise self._not_found(request.name)
        about = {"learner": request.name, "topic": f"learn-{self._offered.name}"}
        state = await self._blobs(ctx).put(kept.outcome, metadata=about)
        return self._answer(name=request.name, version=kept.version, state=state)

    def _told(self, learner: Any, request: Any, turn: Turn) -> Any:
        """The answer of a learner, with what happened to it since somebody was told."""
        guesses = []
        for number, one in enumerate(request.asked):
            turn.check(number, len(request.asked), "questions")
            guesses.append(_at(f"asked[{number}]", learner.predict, one))
        news, told = getattr(learner, "news", []), {}
        if news:
            learner.news = []
        if hasattr(learner, "options"):
            told["options"] = learner.options
        return self._answer(
            name=request.name,
            learned=len(request.examples) if request.do == "learn" else 0,
            guesses=guesses,
            news=list(news),
            **told,
        )

    def _not_found(self, name: str) -> NotFound:
        return NotFound(
            f"there is no learner {name} of learn-{self._offered.name} yet",
            hint="have it learn first; options say what kind of learner it is to be",
            context={"name": name},
        )

    def _blobs(self, ctx: Context) -> Blobs:
        return Blobs(ctx.client.connection, ctx.client.prefix, bucket=LEARNED)

    def _keeper(self, client: Client) -> Keeper[Slot]:
        if client not in self._keepers:
            self._keepers[client] = Keeper(
                client.connection,
                client.prefix,
                self._offered.name,
                load=self._loaded,
                save=Slot.save,
            )
        return self._keepers[client]

    def _loaded(self, state: bytes | None) -> Slot:
        if state is None:
            return Slot()
        learner = self._offered.learner()
        learner.load(state)
        return Slot(learner)


def once(ctx: Context) -> Once:
    """Returns what a change is known by when its task is delivered again."""
    return Once(ctx.task_id, asked=ctx.sent, now=ctx.now)


def _seconds(ctx: Context) -> float:
    """How long what a task asks for may take."""
    if ctx.deadline is None:
        return SECONDS
    return min(SECONDS, (ctx.deadline - ctx.now).total_seconds())


def _at(field: str, act: Callable[[Any], Any], one: Any) -> Any:
    """Does something with one of many, which is named in what goes wrong."""
    try:
        return act(one)
    except PepperError as error:
        inner = error.context.get("field")
        error.context["field"] = f"{field}.{inner}" if inner else field
        raise
