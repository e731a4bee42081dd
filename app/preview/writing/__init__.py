"""What the chosen model still writes, after a prompt and on the whole."""
