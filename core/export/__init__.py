"""Pruned models as files, and recipes of them that other tools read."""
