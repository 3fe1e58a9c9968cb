"""Patterns with variables over facts, and over events in time."""
