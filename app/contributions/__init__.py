"""The page Contributions: values of layers as bars and heatmaps, one layer at a time, rivals' scores, a what-if."""
