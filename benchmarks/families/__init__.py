"""Every causal kind of model that transformers has: built small, measured, exported, and written down in a table."""
