"""The store in PostgreSQL, with pgvector."""

from pepperpy_memory_svc.stores.postgres.migrating import (
    Status,
    migrate_down,
    migrate_up,
    migration_status,
)
from pepperpy_memory_svc.stores.postgres.pool import Limits
from pepperpy_memory_svc.stores.postgres.store import PostgresStore

__all__ = ["Limits", "PostgresStore", "Status", "migrate_down", "migrate_up", "migration_status"]
