"""Losses, divergences and speed of a model without some players, measured and kept."""
