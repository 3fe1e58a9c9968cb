"""Decisions by weighted criteria: which option, why this one, and how sure that is."""
