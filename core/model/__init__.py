"""A model in memory: its blocks and their halves, found by looking, and how they are skipped."""
