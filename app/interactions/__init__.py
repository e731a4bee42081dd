"""The page Interactions: matrix and network of pairs, what lies behind a pair, where greedy removal goes wrong."""
