"""What a browser session remembers and its widgets say, and what its address says."""
