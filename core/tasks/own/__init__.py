"""Tasks of Quorum's own, which need no data: a list of small sums, and agreement with the whole model."""
