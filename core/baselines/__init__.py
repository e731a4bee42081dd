"""Rivals of the literature, and the comparison of ours with them under one protocol."""
