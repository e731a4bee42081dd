"""What a cell gets of how models behave: tasks, what they need, agreement."""
