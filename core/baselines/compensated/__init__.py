"""Choices judged after a compensation: the same one for every method, or the one that is part of a method."""
