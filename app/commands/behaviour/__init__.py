"""The commands that measure what perplexity does not tell."""
