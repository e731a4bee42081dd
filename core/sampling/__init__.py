"""Which coalitions are measured: drawn at random, or proposed from what is known so far."""
