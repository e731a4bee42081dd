"""Files of a model, found and checked before anything of them is loaded."""
