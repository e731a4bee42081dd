"""One run from its specification to its result, and what it will take."""
