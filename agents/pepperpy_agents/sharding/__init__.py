"""Keyed tasks: which worker pulls from which shard, and what it does with what it gets."""
