"""The command that writes a model in four bits."""
