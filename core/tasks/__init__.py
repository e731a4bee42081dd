"""Accuracy on tasks, lm-eval's or a list of sums: prompts, versions, metrics; our forwards, without some players."""
