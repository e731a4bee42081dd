"""Text that a model writes itself: the prompts that it goes on from. The model writes in core/evaluate/continuing."""
