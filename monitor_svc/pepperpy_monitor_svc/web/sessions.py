"""Who has the token: logging in, sessions that outlive a restart, and the mark of a page's acts.

A session is a cookie that says until when it is good, signed with a key that is made of the token:
nothing need be kept, every replica knows it, and another token ends all of them.
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

from pepperpy_monitor_svc.http.answers import Refused
from pepperpy_monitor_svc.http.callers import same
from pepperpy_monitor_svc.http.guessing import Guesses
from pepperpy_schemas.errors import BadConfig

SHORTEST: Final = 16
"""Characters of a token."""
LIFETIME: Final = 12 * 3600
"""Seconds that a session lasts."""
_ENDED: Final = 4096
_LONGEST: Final = 256


class Session(msgspec.Struct, frozen=True):
    """Somebody who has the token.

    Attributes:
        id: Random; the session's own.
        until: When it ends, in seconds since 1970.
        name: Who it says to be: a claim.
    """

    id: str
    until: int
    name: str = ""


class Sessions:
    """The sessions of one token.

    Args:
        token: The token; empty when nobody can log in.
        clock: Seconds since 1970.

    Raises:
        BadConfig: The token is short enough to be guessed.
    """

    def __init__(self, token: str, *, clock: Callable[[], float] = time.time) -> None:
        if token and len(token) < SHORTEST:
            raise BadConfig(
                f"monitor.token has fewer than {SHORTEST} characters",
                hint="make one: python -c 'import secrets; print(secrets.token_urlsafe(24))'",
            )
        self._token = token
        self._clock = clock
        self._key = _key_of(token) if token else b""
        self._guesses = Guesses(clock=clock)
        self._ended: OrderedDict[str, int] = OrderedDict()

    @property
    def possible(self) -> bool:
        """Whether there is a token at all."""
        return bool(self._token)

    def log_in(self, token: str, address: str, name: str = "") -> str:
        """Returns the cookie of a new session.

        Raises:
            Refused: It is not the token, there is none, or the address has tried too many.
        """
        self.check(token, address)
        session = Session(secrets.token_urlsafe(12), int(self._clock()) + LIFETIME, name)
        said = base64.urlsafe_b64encode(msgspec.json.encode(session)).decode()
        return f"{said}.{self._mark('session', said)}"

    def check(self, token: str, address: str) -> None:
        """Lets the token pass.

        Raises:
            Refused: It is not the token, there is none, or the address has tried too many.
        """
        if not self._token:
            raise Refused(
                403,
                "no_token",
                "nobody can log in: there is no token",
                hint="set monitor.token (PEPPERPY_MONITOR_TOKEN)",
            )
        # The token passes whoever guesses meanwhile: behind a proxy all have one address.
        if not same(token, self._token):
            self._guesses.refuse_more(address)
            raise self._guesses.wrong(address)

    def find(self, cookie: str) -> Session | None:
        """Returns the session of a cookie, unless it is forged, over or ended."""
        said, dot, mark = cookie.partition(".")
        if not self._key or not dot or not same(mark, self._mark("session", said)):
            return None
        try:
            session = msgspec.json.decode(base64.urlsafe_b64decode(said), type=Session)
        except (ValueError, msgspec.DecodeError):
            return None
        over = session.until <= self._clock() or session.id in self._ended
        return None if over else session

    def end(self, session: Session) -> None:
        """Ends a session, for this replica, before its time."""
        self._ended[session.id] = session.until
        if len(self._ended) > _ENDED:
            self._ended.popitem(last=False)

    def page_mark(self, session: Session) -> str:
        """Returns what the session's own page sends with its acts, and no other page knows."""
        return self._mark("page", session.id)

    def is_page_mark(self, session: Session, mark: str) -> bool:
        """Tells whether somebody knows the mark of a session's page."""
        return same(mark[:_LONGEST], self.page_mark(session))

    def _mark(self, what: str, of: str) -> str:
        text = f"{what}:{of}".encode("utf-8", "surrogateescape")
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()


def _key_of(token: str) -> bytes:
    # Slow on purpose: somebody who has a cookie could try tokens on it.
    return hashlib.scrypt(token.encode(), salt=b"pepperpy dashboard", n=1 << 14, r=8, p=1, dklen=32)
