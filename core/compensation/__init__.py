"""What a removal of layers costs, partly given back at once: weights beside the cuts, fitted to the whole model."""
