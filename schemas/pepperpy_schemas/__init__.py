"""What travels on the bus: messages with their subjects and codecs, errors, states."""

from pepperpy_schemas.errors import ErrorInfo, PepperError
from pepperpy_schemas.messages import Event, Result
from pepperpy_schemas.states import TaskState
from pepperpy_schemas.subjects import Subject

__all__ = ["ErrorInfo", "Event", "PepperError", "Result", "Subject", "TaskState"]
