"""The streams and buckets of a deployment, declared as data.

Every value is the server's own JSON, so that what is declared can be compared with what is there.
Durations are nanoseconds, as the server has them.
"""

from typing import Any, Final

import msgspec

from pepperpy_schemas.catalog.audit import CHAIN
from pepperpy_schemas.catalog.server import HOP, NOTED, SOURCED
from pepperpy_schemas.subjects import bucket_name, stream_name

SECOND: Final = 1_000_000_000
HOUR: Final = 3_600 * SECOND
DAY: Final = 24 * HOUR
MAX_CONSUMERS: Final = 100_000
"""Consumers of one stream: 333 topics, 31 keyed ones or as many readers reach the server's own
limit of 1000."""

SHARDS: Final = 32
"""Shards of the keyed tasks of each topic; fixed for the life of a deployment."""
PARKED: Final = "parked"
"""In place of the shard: keyed tasks that wait for their key."""
AUDIT_LOG: Final = "audit"
"""The one log that is kept in a chain."""
COUNTS: Final = 256
"""Messages that are kept of each counter."""

SOURCE: Final = "source"
"""The consumer by which one stream takes from another."""

Config = dict[str, Any]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may choose about the streams.

    Attributes:
        replicas: Copies of each stream: 1, 3 or 5.
        max_tasks: Queued tasks above which new ones are refused.
        max_task_bytes: The same in bytes.
        result_days: How long results are kept.
        event_days: How long events are kept.
        max_event_bytes: Size above which the oldest events go earlier.
        max_token_bytes: The same for live output, which is kept for a day.
        max_noted_bytes: The same for the notes that the audit log is made of.
    """

    replicas: int = 1
    max_tasks: int = 1_000_000
    max_task_bytes: int = 1 << 30
    result_days: float = 7.0
    event_days: float = 3.0
    max_event_bytes: int = 1 << 30
    max_token_bytes: int = 1 << 28
    max_noted_bytes: int = 1 << 28


def streams(prefix: str, limits: Limits) -> list[Config]:
    """Returns every stream and bucket of the deployment, in the order of creation."""
    declared = [
        # The first answer counts: a second one to the same question is refused.
        _stream(
            prefix,
            limits,
            "ANSWERS",
            [f"{prefix}.answer.>"],
            max_msgs_per_subject=1,
            discard="new",
            discard_new_per_subject=True,
            max_age=30 * DAY,
        ),
        # No "discard new": the server refuses it together with schedules.
        _stream(
            prefix,
            limits,
            "SCHED",
            [f"{prefix}.sched.>", f"{prefix}.due.>"],
            retention="workqueue",
            allow_msg_schedules=True,
            allow_msg_ttl=True,
            allow_rollup_hdrs=True,
        ),
        _stream(
            prefix,
            limits,
            "TASKS",
            [f"{prefix}.task.>"],
            retention="workqueue",
            discard="new",
            max_msgs=limits.max_tasks,
            max_bytes=limits.max_task_bytes,
            duplicate_window=600 * SECOND,
            allow_msg_ttl=True,
            sources=[_source(prefix, "SCHED", {f"{prefix}.due.task.>": f"{prefix}.task.>"})],
            republish=_note(prefix, "task"),
        ),
        # Without a limit: what was accepted goes on however full the queue of tasks is, and it is
        # the tasks that go on that empty it. Each waiting task has one wake here, rarely two.
        _stream(
            prefix,
            limits,
            "RESUME",
            [f"{prefix}.resume.>"],
            retention="workqueue",
            duplicate_window=600 * SECOND,
            allow_msg_ttl=True,
            sources=[
                _source(
                    prefix,
                    "ANSWERS",
                    {
                        f"{prefix}.answer.*.*.*": f"{prefix}.resume.{{{{wildcard(1)}}}}"
                        ".{{wildcard(2)}}"
                    },
                ),
                _source(
                    prefix,
                    "SCHED",
                    {f"{prefix}.due.resume.>": f"{prefix}.resume.>"},
                    name="resume",
                ),
            ],
        ),
        _stream(
            prefix,
            limits,
            "KEYED",
            # Exact, so that a task without a key or an id is refused. Those that wait for their
            # key are set aside in the second form.
            [f"{prefix}.key.*.*.*", f"{prefix}.sh.*.{PARKED}.*.*"],
            retention="workqueue",
            discard="new",
            max_msgs=limits.max_tasks,
            duplicate_window=600 * SECOND,
            allow_msg_ttl=True,
            subject_transform={
                "src": f"{prefix}.key.*.*.*",
                "dest": f"{prefix}.sh.{{{{wildcard(1)}}}}.{{{{partition({SHARDS},2)}}}}"
                ".{{wildcard(2)}}.{{wildcard(3)}}",
            },
            republish=_note(prefix, "sh"),
        ),
        _stream(
            prefix,
            limits,
            "RESULTS",
            [f"{prefix}.result.>"],
            # A second message is refused, whoever makes the server send it: a result never changes.
            max_msgs_per_subject=1,
            discard="new",
            discard_new_per_subject=True,
            max_age=int(limits.result_days * DAY),
            allow_msg_ttl=True,
        ),
        _stream(
            prefix,
            limits,
            "STEPS",
            [f"{prefix}.step.>"],
            allow_msg_ttl=True,
            allow_rollup_hdrs=True,
        ),
        _stream(
            prefix,
            limits,
            "CANCELS",
            [f"{prefix}.ctl.cancel.>"],
            retention="workqueue",
            max_age=DAY,
            republish=_note(prefix, "ctl.cancel", whole=True),
        ),
        # The last message of a counter has its sum. Those before it tell a writer who lost an
        # acknowledgement whether its own is there.
        _stream(
            prefix,
            limits,
            "COUNT",
            [f"{prefix}.count.>"],
            allow_msg_counter=True,
            max_msgs_per_subject=COUNTS,
        ),
        _stream(
            prefix,
            limits,
            "EVENTS",
            [f"{prefix}.event.>", f"{prefix}.event-hi.>"],
            max_age=int(limits.event_days * DAY),
            max_bytes=limits.max_event_bytes,
            compression="s2",
            allow_batched=True,
            # The server refuses asynchronous persistence for replicated streams.
            **({"persist_mode": "async"} if limits.replicas == 1 else {}),
        ),
        _stream(
            prefix,
            limits,
            "TOKENS",
            [f"{prefix}.tok.>"],
            max_age=DAY,
            max_bytes=limits.max_token_bytes,
        ),
        _stream(prefix, limits, "DLQ", [f"{prefix}.dlq.>"], max_age=30 * DAY),
        _stream(
            prefix,
            limits,
            "ADV",
            [
                f"$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.{stream_name(prefix, suffix)}.*"
                for suffix in ("TASKS", "RESUME", "KEYED")
            ],
            retention="workqueue",
            max_age=30 * DAY,
        ),
        _stream(prefix, limits, "AUDIT", [f"{prefix}.audit.>"], deny_delete=True, deny_purge=True),
        # What the server notes of tasks and cancels, which leave their queues when they are done;
        # the audit log is made of it. A sender's message id must not hide a note of another stream.
        _stream(
            prefix,
            limits,
            "NOTED",
            [f"{NOTED.format(p=prefix)}.>"],
            max_age=int(limits.event_days * DAY),
            max_bytes=limits.max_noted_bytes,
            duplicate_window=SECOND // 10,
            allow_msg_ttl=True,
            compression="s2",
            deny_delete=True,
            deny_purge=True,
        ),
        _stream(
            prefix,
            limits,
            "CHAIN",
            [CHAIN.pattern(prefix)],
            compression="s2",
            deny_delete=True,
            deny_purge=True,
        ),
        _bucket(prefix, limits, "registry", storage="memory"),
        _bucket(prefix, limits, "schemas"),
        _bucket(prefix, limits, "state"),
        # Of its own, because whoever submits tasks may read it.
        _bucket(prefix, limits, "questions"),
        # Of its own, because what models answered is nobody else's business.
        _bucket(prefix, limits, "provider"),
        _object_bucket(prefix, limits, "blobs", max_age=30 * DAY),
        _object_bucket(prefix, limits, "snapshots"),
        # Of its own, because what was learned does not disappear after a time.
        _object_bucket(prefix, limits, "learned"),
    ]
    # Who can submit a task finds all that the task needs: its queue comes last.
    return sorted(declared, key=lambda one: one["name"] == stream_name(prefix, "TASKS"))


def hops_stream(prefix: str) -> Config:
    """Returns the stream of what servers tell of traces; only deployments have it that ask for it.

    It is of the last hour, in memory: the broker must not wait for what it says of itself.
    """
    subjects = [HOP.format(p=prefix)]
    about: Config = {"storage": "memory", "max_age": HOUR, "max_bytes": 1 << 26}
    return _stream(prefix, Limits(), "HOPS", subjects, **about)


def _stream(
    prefix: str, limits: Limits, suffix: str, subjects: list[str], **settings: Any
) -> Config:
    return {
        "name": stream_name(prefix, suffix),
        "subjects": subjects,
        "retention": "limits",
        "discard": "old",
        "storage": "file",
        "num_replicas": limits.replicas,
        "max_consumers": MAX_CONSUMERS,
        "allow_direct": True,
        **settings,
    }


def _source(prefix: str, suffix: str, transforms: dict[str, str], *, name: str = SOURCE) -> Config:
    """A stream to take from, by a consumer of a name; two that take from one need two."""
    stream = stream_name(prefix, suffix)
    handed = stream if name == SOURCE else f"{stream}.{name}"
    return {
        "name": stream,
        "subject_transforms": [{"src": src, "dest": dest} for src, dest in transforms.items()],
        "consumer": {"name": name, "deliver_subject": SOURCED.format(stream=handed)},
    }


def _note(prefix: str, kind: str, *, whole: bool = False) -> Config:
    """Has the server copy what it stores, without its body, at no cost to the sender."""
    return {
        "src": f"{prefix}.{kind}.>",
        "dest": f"{NOTED.format(p=prefix)}.{kind}.>",
        **({} if whole else {"headers_only": True}),
    }


def source_consumer(source: Config) -> Config:
    """Returns the durable consumer by which one stream takes from another.

    One that the server makes by itself acknowledges a second late, or never while messages keep
    coming: what it took since then comes again after a crash, and it rests ten seconds first.
    """
    consumer = source["consumer"]
    return {
        "name": consumer["name"],
        "durable_name": consumer["name"],
        "deliver_subject": consumer["deliver_subject"],
        "deliver_policy": "all",
        "ack_policy": "flow_control",
        "flow_control": True,
        "idle_heartbeat": SECOND,
        "max_deliver": -1,
        # Each message is acknowledged as soon as it is stored.
        "max_ack_pending": 1,
        "filter_subjects": [transform["src"] for transform in source["subject_transforms"]],
    }


def _bucket(prefix: str, limits: Limits, suffix: str, *, storage: str = "file") -> Config:
    """A key-value bucket with history 1: the client library's TTL buckets need it too."""
    bucket = bucket_name(prefix, suffix)
    return {
        "name": f"KV_{bucket}",
        "subjects": [f"$KV.{bucket}.>"],
        "retention": "limits",
        "discard": "new",
        "storage": storage,
        "num_replicas": limits.replicas,
        "max_consumers": MAX_CONSUMERS,
        "allow_direct": True,
        "max_msgs_per_subject": 1,
        "allow_rollup_hdrs": True,
        "deny_delete": True,
        "allow_msg_ttl": True,
        # Watchers learn of expired keys by markers, which themselves expire.
        "subject_delete_marker_ttl": 60 * SECOND,
    }


def _object_bucket(prefix: str, limits: Limits, suffix: str, *, max_age: int = 0) -> Config:
    bucket = bucket_name(prefix, suffix)
    return {
        "name": f"OBJ_{bucket}",
        "subjects": [f"$O.{bucket}.C.>", f"$O.{bucket}.M.>"],
        "retention": "limits",
        "discard": "new",
        "storage": "file",
        "num_replicas": limits.replicas,
        "max_consumers": MAX_CONSUMERS,
        "allow_direct": True,
        "allow_rollup_hdrs": True,
        "allow_msg_ttl": True,
        **({"max_age": max_age} if max_age else {}),
    }


def shard_of(key: str) -> int:
    """Returns the shard of a key, by the server's own hash (FNV-1a, 32 bits)."""
    value = 0x811C9DC5
    for byte in key.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value % SHARDS
