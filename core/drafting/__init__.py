"""Smaller models that draft for the whole one, which keeps what it would have written itself."""
