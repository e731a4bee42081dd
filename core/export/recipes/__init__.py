"""What does an export again: the recipe, and its file."""
