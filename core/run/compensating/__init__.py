"""Compensation in a run."""
