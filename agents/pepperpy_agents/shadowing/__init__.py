"""Shadows: another version of an agent gets what the live one gets, and touches nothing."""
