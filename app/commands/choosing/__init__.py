"""Commands that choose layers: by a prediction, by a search, after compensation, and by the literature."""
