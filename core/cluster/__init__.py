"""Coalitions measured by many processes, here or on other machines; only whoever drives them writes to the store."""
