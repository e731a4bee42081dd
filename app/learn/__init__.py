"""The page Learn: the lecture's steps, the games that they play, and their figures."""
