"""Values of players and interactions of pairs, exact and estimated, and what a surrogate's prediction rests on."""
