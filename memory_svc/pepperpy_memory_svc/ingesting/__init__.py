"""Texts in passages, small enough to be found and cited."""
