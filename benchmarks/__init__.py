"""Speed, as ratios between sides measured in turn in one process; no test depends on it."""
