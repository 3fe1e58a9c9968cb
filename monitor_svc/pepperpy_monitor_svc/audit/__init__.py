"""The audit log: who did what, in a chain of hashes that shows every change."""
