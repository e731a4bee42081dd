"""Models of the Hugging Face Hub: their names, their copies on this machine, and how they get there."""
