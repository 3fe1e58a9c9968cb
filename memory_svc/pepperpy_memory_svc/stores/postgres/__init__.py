"""The store in PostgreSQL, with pgvector."""

from pepperpy_memory_svc.stores.postgres.migrating import (
    migrate_down,
    migrate_up,
    migration_plan,
    migration_status,
)
from pepperpy_memory_svc.stores.postgres.pool import Limits
from pepperpy_memory_svc.stores.postgres.steps import Migration, Plan, Status
from pepperpy_memory_svc.stores.postgres.store import PostgresStore

__all__ = [
    "Limits",
    "Migration",
    "Plan",
    "PostgresStore",
    "Status",
    "migrate_down",
    "migrate_up",
    "migration_plan",
    "migration_status",
]
