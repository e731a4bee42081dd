"""Training after a removal of layers: low-rank additions to the matrices that stay, merged into them at the end."""
