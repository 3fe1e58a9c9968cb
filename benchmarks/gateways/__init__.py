"""Gateways to language models, and the upstream that all of them ask in a run."""
