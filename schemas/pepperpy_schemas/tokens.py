"""Subject tokens and ids: the only characters that may travel in a subject.

A token is 1 to 64 characters of ``[A-Za-z0-9_-]``. The server accepts far more, drops some of it
without an error (``a..b``, ``a.*``) and cuts the connection over other things (a 5,000 character
subject), so every token is checked here before anything is sent.
"""

import hashlib
import itertools
import os
import re
import secrets
import string

from pepperpy_schemas.errors import BadName

TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
HIGH_LANE = "-hi"
MAX_KEY = 256
"""Characters of a key."""


def check_token(value: str, *, what: str) -> str:
    """Returns the value when it is a valid subject token.

    Args:
        value: The text that shall become one token of a subject.
        what: What the token names, for the error (``"topic"``, ``"task id"``).

    Raises:
        BadName: The value is empty, too long, or has a character outside ``[A-Za-z0-9_-]``.
    """
    if TOKEN.fullmatch(value) is None:
        raise BadName(
            f"{what} {value!r:.80} is not a valid name",
            hint="use 1 to 64 characters of A-Z a-z 0-9 _ -",
            context={"what": what},
        )
    return value


def key_token(key: str) -> str:
    """Returns a key as it travels: a token as it is, any other text as a token made of its hash.

    Raises:
        BadName: The key is empty, too long, or has control characters.
    """
    if TOKEN.fullmatch(key) is not None:
        return key
    if not 0 < len(key) <= MAX_KEY or not key.isprintable():
        raise BadName(
            f"key {key!r:.80} is not valid",
            hint=f"use 1 to {MAX_KEY} printable characters",
            context={"what": "key"},
        )
    return f"k-{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def check_topic(topic: str) -> str:
    """Returns the topic when users may use it.

    Raises:
        BadName: It is not a token, or it ends in ``-hi``, which names the high-priority lane.
    """
    check_token(topic, what="topic")
    if topic.endswith(HIGH_LANE):
        raise BadName(
            f"topic {topic!r} ends in {HIGH_LANE!r}, which is kept for the high-priority lane",
            hint=f"choose another name, or publish to {topic[: -len(HIGH_LANE)]!r} "
            "with priority high",
        )
    return topic


class _Ids:
    """Ids of one process: a random beginning, then a count.

    Asking the system for randomness each time costs more than all the rest of a submit.
    """

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        # A command line would take an id that begins with a hyphen for an option.
        self._beginning = secrets.choice(string.ascii_letters) + secrets.token_urlsafe(12)[1:]
        self._count = itertools.count()

    def next(self) -> str:
        return f"{self._beginning}{next(self._count):06x}"


_ids = _Ids()
os.register_at_fork(after_in_child=_ids.renew)


def new_id() -> str:
    """Returns a fresh id: 16 characters that are random for each process, 6 that count.

    It is unique, not secret: it can be guessed from another one.
    """
    return _ids.next()
