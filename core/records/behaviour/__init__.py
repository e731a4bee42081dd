"""What perplexity does not tell of a model."""
