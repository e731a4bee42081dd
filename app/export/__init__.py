"""The page Export: the recipe of a choice of layers, and a report in one file."""
