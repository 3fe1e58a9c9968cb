"""Composite events: several events, seen together, raise another one."""
