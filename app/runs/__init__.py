"""The page Runs: the request and the history."""
