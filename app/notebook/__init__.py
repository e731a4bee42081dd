"""`import quorum`: the names for notebooks and scripts, and what stands behind each."""
