"""Answers to similar questions: the memory service finds the question, the store has the answer.

The memory has questions only, each with the digest of the request that it was asked by. So a
tenant's answers are where they were, under its own name, and are gone after their time.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from typing import Final, Self, TypeVar

import msgspec

from pepperpy_bus.groups import TaskGroup
from pepperpy_bus.link.connection import Connection
from pepperpy_bus.logs import get_log
from pepperpy_bus.services.calls import call
from pepperpy_bus.trust.principals import principal_of
from pepperpy_provider_svc.cache.answers import Answers
from pepperpy_provider_svc.cache.likeness import Likeness
from pepperpy_provider_svc.cache.thresholds import threshold_of
from pepperpy_provider_svc.cache.wording import reordered
from pepperpy_provider_svc.declared.models import Semantic
from pepperpy_schemas.chat import ChatReply
from pepperpy_schemas.errors import PepperError
from pepperpy_schemas.memory import AllOf, Eq, Hit, MinMax, NewEntry, SearchReply, SearchRequest
from pepperpy_schemas.memory_requests import Entries, PutRequest
from pepperpy_schemas.provider import SimilarFigures

log = get_log("pepperpy.provider")

T = TypeVar("T")

REST: Final = 5.0
"""Seconds for which the memory service is left alone after it has failed."""
_PATIENCE: Final = 10.0
"""Seconds that it has to take a question; nobody waits for that."""
_FEW: Final = 4
"""Questions that are looked at: of the nearest, the answer may be gone, or no answer to this."""
_PUTS: Final = 64
_NOTED: Final = 4096
_WORD: Final = re.compile(r"\w+")


class Similar:
    """Finds stored answers to similar questions while its context is open.

    Whatever the memory service does, a request is asked as if there were none: a failure is
    counted, and takes no longer than declared.

    Args:
        connection: The connection, under the provider service's own name.
        prefix: The deployment's prefix.
        answers: The stored answers.
    """

    def __init__(self, connection: Connection, prefix: str, answers: Answers) -> None:
        self._connection = connection
        self._prefix = prefix
        self._principal = principal_of(connection.options.inbox_prefix)
        self._answers = answers
        self._puts = TaskGroup("similar", limit=_PUTS, on_crash=_crashed)
        self._rests_until = 0.0
        self._given: OrderedDict[str, bool] = OrderedDict()
        self._counts = dict.fromkeys(SimilarFigures.__struct_fields__, 0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._puts.drain(1.0)
        await self._puts.cancel()

    @property
    def figures(self) -> SimilarFigures:
        """What has become of looking for them, in this replica."""
        return SimilarFigures(**self._counts)

    async def find(
        self, tenant: str, digest: str, likeness: Likeness, semantic: Semantic
    ) -> ChatReply | None:
        """Returns the stored answer to a similar question, which says how similar, or None.

        Args:
            tenant: Who asks.
            digest: What `digest_of` says of its request.
            likeness: What is compared.
            semantic: What is declared.
        """
        if self._given.get(digest) is False:
            return None  # it got one, and did not want it
        if asyncio.get_running_loop().time() < self._rests_until:
            self._counts["skipped"] += 1
            return None
        found = await self._nearest(likeness, semantic)
        if found is None:
            return None
        for hit in _similar_enough(likeness.question, found, semantic):
            reply = await self._answers.get(tenant, hit.entry.id)
            if reply is not None:
                self._counts["hits"] += 1
                self._note(digest, True)
                return msgspec.structs.replace(reply, similarity=round(cosine(hit), 4))
        self._counts["misses"] += 1
        return None

    def keep(
        self, tenant: str, digest: str, likeness: Likeness, semantic: Semantic, *, ttl: float
    ) -> None:
        """Has a question remembered whose answer is stored, without waiting for that.

        Args:
            tenant: Who has asked.
            digest: What `digest_of` says of its request.
            likeness: What is compared.
            semantic: What is declared.
            ttl: Seconds for which the answer is stored.
        """
        metadata = {"tenant": tenant, "likeness": likeness.key}
        entry = NewEntry(text=likeness.question, id=digest, ttl=ttl, metadata=metadata)
        request = PutRequest([entry], semantic.namespace)
        start = partial(self._ask, "put", request, Entries, _PATIENCE)
        if self._puts.try_spawn(start, name="put") is None:
            self._counts["failures"] += 1

    def doubt(self, digest: str) -> None:
        """Notes that a request came that wants no stored answer; it may have just got one.

        Then that was a wrong one: an equal request gets none to a similar question from here.

        Args:
            digest: What `digest_of` says of the request.
        """
        if self._given.get(digest):
            self._counts["wrong"] += 1
            self._note(digest, False)
            log.info("provider.similar_doubted", digest=digest)

    async def _nearest(self, likeness: Likeness, semantic: Semantic) -> SearchReply | None:
        """The most similar question, of an embedder whose cosines mean something to us."""
        request = closest(likeness, semantic, self._principal)
        found = await self._ask("search", request, SearchReply, semantic.timeout)
        if found is None or threshold_of(semantic, found.embedder) is not None:
            return found
        reason = f"nobody knows which cosines of {found.embedder} mean the same question"
        self._failed(reason, rest=True)
        return None

    async def _ask(self, op: str, request: object, kind: type[T], timeout: float) -> T | None:
        """Asks the memory service; None when that fails."""
        try:
            async with asyncio.timeout(timeout):
                return await call(
                    self._connection,
                    self._prefix,
                    "memory",
                    op,
                    request,
                    principal=self._principal,
                    type=kind,
                    timeout=timeout,
                )
        except TimeoutError:
            self._failed("no answer in time", rest=True)
        except PepperError as error:
            # What it refuses is the fault of this question, and others shall not miss it.
            self._failed(str(error), rest=error.info().category == "bus")
        return None

    def _failed(self, reason: str, *, rest: bool) -> None:
        self._counts["failures"] += 1
        if rest:
            self._rests_until = asyncio.get_running_loop().time() + REST
        log.warning("provider.similar_failed", reason=reason)

    def _note(self, digest: str, good: bool) -> None:
        self._given[digest] = good
        self._given.move_to_end(digest)
        if len(self._given) > _NOTED:
            self._given.popitem(last=False)


def closest(
    likeness: Likeness, semantic: Semantic, principal: str, *, limit: int = _FEW
) -> SearchRequest:
    """Returns what the memory is asked: the most similar questions that have the rest in common.

    Args:
        likeness: What is compared.
        semantic: What is declared.
        principal: Who has put them.
        limit: How many.
    """
    return SearchRequest(
        text=likeness.question,
        alike=True,
        namespace=semantic.namespace,
        where=AllOf([Eq("metadata.likeness", likeness.key), Eq("by", principal)]),
        # Words have no say; they tell the language of the question.
        fusion=MinMax(weight=1.0),
        limit=limit,
        explain=True,
    )


def cosine(hit: Hit) -> float:
    """Returns how similar the question of a hit is; -1 for one that has no vector."""
    return hit.parts.get("vector_raw", -1.0)


def one_language(question: str, found: SearchReply, hit: Hit) -> bool:
    """Whether a question and its hit are in one language.

    Of a few words one is easily taken for another; so two are in two languages only when they have
    less than half of the words of the shorter one in common, too.
    """
    if hit.entry.lang == found.lang:
        return True
    one, other = (set(_WORD.findall(text.casefold())) for text in (question, hit.entry.text))
    return 2 * len(one & other) >= min(len(one), len(other))


def _similar_enough(question: str, found: SearchReply, semantic: Semantic) -> Iterator[Hit]:
    """Yields the questions that are the same in other words, the nearest first."""
    threshold = threshold_of(semantic, found.embedder)
    if threshold is None:
        return
    for hit in found.hits:
        enough = threshold.same if one_language(question, found, hit) else threshold.other
        if cosine(hit) >= enough and not reordered(question, hit.entry.text):
            yield hit


def _crashed(name: str, error: BaseException) -> None:
    log.error("provider.similar_crashed", task=name, exc_info=error)
