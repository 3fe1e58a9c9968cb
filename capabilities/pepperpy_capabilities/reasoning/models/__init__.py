"""Reasoning by language models: typed, checked, looked at twice, and proved where that can be."""
