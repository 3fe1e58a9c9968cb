"""Reasoning: rules, patterns, decisions, constraints, and models that are checked."""
