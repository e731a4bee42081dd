"""Who plays, who is there, what was measured of it, and what it is worth."""
