"""The memory service: what agents know, kept in a database and found in any language."""
