"""A task on its way: submitted, scheduled, asked about, cancelled, journaled, ended."""

from typing import Final

import msgspec

from pepperpy_schemas.messages import (
    Answer,
    CancelRequest,
    DeadLetter,
    JournalEntry,
    Result,
    Resume,
    Token,
    WaitEntry,
)
from pepperpy_schemas.subjects import Subject

TASK: Final = Subject(
    "Task",
    "{p}.task.{topic}.{id}",
    msgspec.Raw,
    "A task with an id of its sender's.",
    "TASKS",
    ('{"text":"where is my parcel?","customer":"c42"}',),
)
TASK_BARE: Final = Subject(
    "TaskBare",
    "{p}.task.{topic}",
    msgspec.Raw,
    "A task whose id is <stream>-<sequence>, read from the publish acknowledgement.",
    "TASKS",
    ('{"text":"where is my parcel?","customer":"c42"}',),
)
RESUME: Final = Subject(
    "Resume", "{p}.resume.{topic}.{id}", Resume, "A suspended task goes on.", "RESUME"
)
ANSWER: Final = Subject(
    "Answer",
    "{p}.answer.{topic}.{id}.{question}",
    Answer,
    "The answer to question number n of a task, from 1; published alone it resumes the task.",
    "ANSWERS",
    ('{"answer":"yes","by":"ana"}',),
)
SCHEDULE: Final = Subject(
    "Schedule",
    "{p}.sched.{id}",
    msgspec.Raw,
    "A task or resume that the server publishes later; its Nats-Schedule headers say when.",
    "SCHED",
)
DUE_TASK: Final = Subject(
    "DueTask", "{p}.due.task.{topic}.{id}", msgspec.Raw, "A scheduled task fires.", "SCHED"
)
DUE_TASK_BARE: Final = Subject(
    "DueTaskBare", "{p}.due.task.{topic}", msgspec.Raw, "A recurring task fires.", "SCHED"
)
DUE_RESUME: Final = Subject(
    "DueResume", "{p}.due.resume.{topic}.{id}", Resume, "A deadline or back-off is over.", "SCHED"
)
KEYED_TASK: Final = Subject(
    "KeyedTask",
    "{p}.key.{topic}.{key}.{id}",
    msgspec.Raw,
    "A task that runs after the earlier ones of its key.",
    "KEYED",
)
STEP: Final[Subject[JournalEntry]] = Subject(
    "JournalEntry",
    "{p}.step.{id}",
    JournalEntry,  # type: ignore[arg-type]  # a union is no type[T], but msgspec takes it
    "A line of the task's journal.",
    "STEPS",
)
RESULT: Final = Subject(
    "Result",
    "{p}.result.{id}",
    Result,
    "How the task ended; exactly one.",
    "RESULTS",
    (
        '{"ok":true,"data":{"text":"It arrives tomorrow."}}',
        '{"ok":false,"error":{"code":"timeout","message":"triage ran longer than 5m"}}',
    ),
)
TOKEN: Final = Subject(
    "Token", "{p}.tok.{id}", Token, "A piece of the task's live output.", "TOKENS"
)
CANCEL: Final = Subject(
    "Cancel",
    "{p}.ctl.cancel.{id}",
    CancelRequest,
    "A task shall end: whoever runs it stops it, and any worker writes its result.",
    "CANCELS",
)
DEAD_LETTER: Final = Subject(
    "DeadLetter", "{p}.dlq.{topic}", DeadLetter, "A task failed for good.", "DLQ"
)
QUESTION: Final = Subject(
    "Question",
    "$KV.{p}_questions.{topic}.{id}",
    WaitEntry,
    "What a task asks people now; it disappears when the question is closed.",
)
