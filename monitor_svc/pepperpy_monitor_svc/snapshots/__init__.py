"""Snapshots: what a deployment was like at a moment, kept, and compared with another one."""
