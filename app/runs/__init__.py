"""The page Runs: the request, the history, and two runs side by side."""
