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
SEMVER = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
"""A semantic version."""
HIGH_LANE = "-hi"
_VERSION_LANE = re.compile(r"(.+?)-v(?:[0-9]+_[0-9]+_[0-9]+(?:-[0-9A-Za-z_-]+)?|x[0-9a-f]{12})")
_PLAIN_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?")
MAX_KEY = 256
"""Characters of a key."""
MAX_MARK = 14
"""Characters of a version in the name of its lane; of a longer one a hash stands there."""
MAX_SPLIT_TOPIC = 64 - len("-") - MAX_MARK - len(HIGH_LANE)
"""Characters of a topic that can be split among versions."""


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
        BadName: It is not a token, it ends in ``-hi``, which names the high-priority lane, or as
            ``-v1_2_0``, which names the lane of a version.
    """
    check_token(topic, what="topic")
    if _VERSION_LANE.fullmatch(topic) is not None:
        raise BadName(
            f"topic {topic!r} ends as the lane of a version does",
            hint=f"publish to {topic_of(topic)!r}: its workers know whose turn it is",
        )
    if topic.endswith(HIGH_LANE):
        raise BadName(
            f"topic {topic!r} ends in {HIGH_LANE!r}, which is kept for the high-priority lane",
            hint=f"choose another name, or publish to {topic[: -len(HIGH_LANE)]!r} "
            "with priority high",
        )
    return topic


def version_lane(topic: str, version: str) -> str:
    """Returns the lane of one version of a topic, which takes a topic's place in subjects.

    Raises:
        BadName: The topic is too long to have lanes.
    """
    told = f"v{version.replace('.', '_')}"
    if (
        _PLAIN_VERSION.fullmatch(version) is None
        or told.endswith(HIGH_LANE)
        or len(told) > MAX_MARK
    ):
        told = f"vx{hashlib.sha256(version.encode()).hexdigest()[:12]}"
    lane = f"{topic}-{told}"
    if TOKEN.fullmatch(lane + HIGH_LANE) is None:
        raise BadName(
            f"topic {topic!r:.80} is too long to be split among versions",
            hint=f"topics of {MAX_SPLIT_TOPIC} characters can be",
        )
    return lane


def topic_of(lane: str) -> str:
    """Returns the topic of a lane: of the high-priority one, or of a version's; or the topic."""
    lane = lane.removesuffix(HIGH_LANE)
    of_version = _VERSION_LANE.fullmatch(lane)
    return lane if of_version is None else of_version[1]


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
