"""A run held against what was measured: each of its claims, and nothing taken on its word."""
