"""Providers of models, each behind the same small protocol."""
