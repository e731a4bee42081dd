"""Accuracy on the tasks of lm-eval: its prompts, versions and metrics; our forwards, with players switched off."""
