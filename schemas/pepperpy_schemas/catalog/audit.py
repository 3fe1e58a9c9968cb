"""Where the audit log is kept."""

from typing import Final

from pepperpy_schemas.audit import ChainBlock
from pepperpy_schemas.subjects import Subject

CHAIN: Final = Subject(
    "AuditChain",
    "{p}.chain.{log}",
    ChainBlock,
    "Acts are added to the audit log; only the monitor that leads may.",
    "CHAIN",
)
