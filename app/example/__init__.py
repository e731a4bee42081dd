"""The run that ships, so that a new results file has something to show."""
