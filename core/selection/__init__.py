"""Which players to remove: searches, plans for a target, and where greedy removal goes wrong."""
